"""Keyed hashes and scrubbed messages."""

import stat

import pytest
from dicom_files import write_series

from tmtv_tf.data.pseudonym import (
    case_pseudonym,
    identifying_words,
    load_key,
    patient_key,
    without_identifiers,
)
from tmtv_tf.errors import CaseError


def test_key_is_made_once_and_for_its_owner_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    key = load_key()
    assert len(key) == 32
    assert load_key() == key
    assert stat.S_IMODE((tmp_path / "tmtv" / "key").stat().st_mode) == 0o600
    assert load_key(tmp_path / "other") != key


@pytest.mark.parametrize("text", ["", "abcd", "not hexadecimal at all, this text"])
def test_bad_keys_are_refused(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(CaseError, match="key"):
        load_key(tmp_path / "key")


def test_pseudonyms_depend_on_key_patient_and_study():
    key, other = b"k" * 32, b"o" * 32
    assert patient_key(key, "Doe", "1.2") == patient_key(key, "Doe", "1.3")
    assert patient_key(key, "Doe", "1.2") != patient_key(other, "Doe", "1.2")
    assert case_pseudonym(key, "Doe", "1.2") != case_pseudonym(key, "Doe", "1.3")
    assert patient_key(key, "", "1.2") != patient_key(key, "", "1.3")  # no PatientID: a patient of its own
    assert len(case_pseudonym(key, "Doe", "1.2")) == 16


def test_identifying_words_of_a_file(tmp_path):
    def edit(ds, k):
        ds.PatientName = "Müller-Lüdenscheidt^Anna Maria"
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.PatientBirthDate = "19700131"
        ds.InstitutionName = "Hospital of Somewhere"
        ds.OtherPatientIDs = ["X-1", "X-2"]

    folder = write_series(tmp_path, edit=edit, n=2)
    words = identifying_words(next(folder.iterdir()))
    assert {
        "P1",
        "Müller-Lüdenscheidt",
        "Anna",
        "Maria",
        "19700131",
        "Hospital of Somewhere",
        "X-1",
        "X-2",
    } <= words
    assert identifying_words(tmp_path / "nothing") == set()


def test_messages_lose_identifiers_and_roots():
    text = "/data/study/DOE_John/PT/001.dcm: PatientWeight is missing; Doe's weight, Doeville."
    clean = without_identifiers(text, {"Doe", "John", "4"}, ["/data/study"])
    assert clean == "***_***/PT/001.dcm: PatientWeight is missing; ***'s weight, Doeville."
