"""Addresses, queries and credentials: what is refused before anything is sent."""

from __future__ import annotations

import sys

import pytest

from petct.errors import ParameterError
from tmtv_tf.pacs.archive import StudyQuery, is_uid, open_archive, parse_address, parse_dates

USERS = [f"tmtv_tf.pacs.{name}" for name in ("dicomweb", "web_client", "dimse", "association", "contexts")]


pytestmark = pytest.mark.usefixtures("no_credentials")


def test_addresses() -> None:
    web = parse_address("https://pacs.example:8443/dicom-web/")
    assert (web.web, web.tls, web.host, web.port) == (True, True, "pacs.example", 8443)
    assert web.text == "https://pacs.example:8443/dicom-web"
    assert parse_address("http://localhost/dicom-web").port == 80
    node = parse_address("dicoms://ORTHANC@[::1]:2762")
    assert (node.web, node.tls, node.called_ae, node.host, node.port) == (False, True, "ORTHANC", "::1", 2762)


@pytest.mark.parametrize(
    "text",
    ["pacs.example:104", "ftp://a/b", "dicom://pacs:104", "dicom://A@pacs", "dicom://SEVENTEENLETTERSX@a:1", "https://",
     "dicom://A@pacs:104/path", "https://a:99999/x", "https://a/x?y=1", "dicom://A@pacs:nine"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="address"):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["https://me:sesame@pacs/x", "https://sesame@pacs/x", "dicom://A:sesame@pacs:104"]
)
def test_a_secret_in_the_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ParameterError, match="TMTV_PACS_USER") as caught:
        parse_address(text)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("title", ["", "A" * 17, "A\\B", " A", "Ä", "A\n"])
def test_own_ae_title(title: str) -> None:
    with pytest.raises(ParameterError, match="ae_title"):
        open_archive("dicom://ORTHANC@localhost:104", ae_title=title)


def test_dates() -> None:
    assert parse_dates("2024-01-31") == parse_dates("20240131") == ("20240131", "20240131")
    assert parse_dates("2024-01-01..20240131") == ("20240101", "20240131")
    assert StudyQuery(dates=parse_dates("20240101..20240131")).keys() == {"StudyDate": "20240101-20240131"}
    assert StudyQuery(dates=parse_dates("20240131")).keys() == {"StudyDate": "20240131"}
    for text in (
        "",
        "2024-02-30",
        "31.1.2024",
        "20240131..20240101",
        "20240101..",
        "2024",
        "1..2..3",
        "٢٠٢٤٠١٣١",
    ):
        with pytest.raises(ParameterError, match="date"):
            parse_dates(text)


def test_a_query_names_whole_values() -> None:
    with pytest.raises(ParameterError, match="Which studies"):
        StudyQuery()
    for bad in ("P*", "P?", "A\\B", "", " "):
        with pytest.raises(ParameterError, match="patient|Which"):
            StudyQuery(patient_id=bad)
    with pytest.raises(ParameterError, match="UID"):
        StudyQuery(study_uid="../etc")


def test_uids_are_safe_file_names() -> None:
    assert is_uid("1.2.840.10008")
    for bad in ("", ".", "..", "1..2", "1.2/3", "1" * 65, "1.2\n", "a.b", "١.٢"):
        assert not is_uid(bad)


@pytest.mark.parametrize(
    ("address", "package"), [("https://pacs/x", "dicomweb_client"), ("dicom://A@pacs:104", "pynetdicom")]
)
def test_without_the_extra_packages(monkeypatch: pytest.MonkeyPatch, address: str, package: str) -> None:
    for name in [
        name for name in sys.modules if name.split(".")[0] == package or name.startswith("tmtv_tf.pacs.")
    ]:
        if name.split(".")[0] == package or name in USERS:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ParameterError, match=r"pip install '\.\[pacs\]'"):
        open_archive(address)


def test_an_ipv6_address_in_digits() -> None:
    with pytest.raises(ParameterError, match="name of a host"):
        open_archive("https://[::1]/dicom-web")
    assert open_archive("dicom://A@[::1]:104").address == "dicom://A@[::1]:104"
