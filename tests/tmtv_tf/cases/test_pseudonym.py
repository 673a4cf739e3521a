"""Keyed hashes and scrubbed messages."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from dicom_files import write_series

from petct.errors import CaseError
from tmtv_tf.cases.pseudonym import (
    Scrubber,
    case_pseudonym,
    identifying_words,
    load_key,
    patient_key,
)


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
    scrub = Scrubber({"Doe", "John", "4"}, ["/data/study"])
    text = "/data/study/DOE_john/PT/001.dcm: PatientWeight is missing; Doe's weight, Doeville, 4 slices."
    assert scrub(text) == "***_***/PT/001.dcm: PatientWeight is missing; ***'s weight, Doeville, 4 slices."


@pytest.mark.parametrize("name", ["RTHansMueller", "muller2", "pat471108x", "HANSMÜLLER_RS"])
def test_a_file_that_is_called_like_a_patient_goes_whole(name):
    scrub = Scrubber({"Müller", "Hans", "471108", "29"})
    assert scrub(f"{name}.nii.gz: ROI 3 of 298 holds no voxel.") == "***.nii.gz: ROI 3 of 298 holds no voxel."
    assert scrub("rois298.nii.gz: 0.471108 g/Bq of mull.dcm") == "rois298.nii.gz: 0.*** g/Bq of mull.dcm"


def test_words_of_several_parts_and_common_words():
    scrub = Scrubber({"STS_004", "Klinikum am Wald", "Klinikum", "Dose", "O'Hara"})
    assert scrub("a/STS_004/PT: sts_004 is sts_0045") == "a/***/PT: sts_004 is sts_0045"
    assert scrub("KLINIKUM AM WALD, Klinikum am See") == "***, *** am See"
    assert (
        scrub("dose/1.dcm: the dose is missing, o'hara/2.dcm") == "***/1.dcm: the dose is missing, ***/2.dcm"
    )


def test_many_words_and_paths_with_spaces():
    scrub = Scrubber(f"Patient{i} Of Ward" for i in range(2_000))
    assert scrub("in/patient7 of ward/1.dcm") == "in/***/1.dcm"
    assert scrub("in/patient7777 of ward/1.dcm") == "in/patient7777 of ward/1.dcm"


def test_short_numbers_name_nobody(tmp_path):
    """NumberOfSlices is 298 and 0002.dcm stand as they are, whatever the StudyID; a whole PatientID never does."""

    def edit(ds, k):
        ds.StudyID, ds.AccessionNumber, ds.PatientName, ds.PatientID = (
            "298",
            "99887",
            "PHANTOM^0002",
            "PAT 4711",
        )

    words = identifying_words(next(write_series(tmp_path / "a", edit=edit, n=2).iterdir()))
    text = "PHANTOM/0002.dcm: NumberOfSlices (0054,0081) is 298; 99887 of PAT 4711"
    assert Scrubber(words)(text) == "***/0002.dcm: NumberOfSlices (0054,0081) is 298; *** of ***"
    number = write_series(tmp_path / "b", edit=lambda ds, k: setattr(ds, "PatientID", "4711"), n=2)
    assert Scrubber(identifying_words(next(number.iterdir())))("in/4711/a.txt") == "in/***/a.txt"


def test_numbered_words_keep_paths_apart():
    scrub = Scrubber({"Doe", "Roe"}, numbered=True)
    assert [scrub(text) for text in ("Doe/a", "Roe/a", "Doe/b")] == ["***1/a", "***2/a", "***1/b"]


@pytest.mark.parametrize("text", ["00" * 32, "ab" * 32, "0123" * 16])
def test_a_key_without_a_secret_is_refused(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(CaseError, match="the key is no secret"):
        load_key(tmp_path / "key")


def test_a_key_that_others_can_read_is_warned_of(tmp_path, caplog):
    load_key(tmp_path / "key")
    assert not caplog.records
    (tmp_path / "key").chmod(0o644)
    load_key(tmp_path / "key")
    assert "other users can read this key" in caplog.text


def test_first_uses_at_once_make_one_key(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: load_key(tmp_path / "key"), range(64)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
