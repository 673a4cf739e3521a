"""An archive (PACS) as the rest sees it: find, fetch, store. Whichever protocol it speaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from pydicom.dataset import Dataset

from petct.errors import ArchiveError, ParameterError
from petct.extras import extra
from tmtv_tf.pacs.credentials import Credentials, find_credentials

AE_TITLE = "TMTV"
# DICOM PS3.5 9.1. UIDs come from the network and become file names.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class StudyQuery:
    """Which studies; every value that is given must fit exactly.

    Attributes
    ----------
    patient_id, accession, study_uid : PatientID (0010,0020), AccessionNumber (0008,0050), StudyInstanceUID (0020,000D)
    dates : first and last StudyDate (0008,0020), YYYYMMDD, both included
    times : first and last StudyTime (0008,0030), HHMMSS, both included
    """

    patient_id: str | None = None
    accession: str | None = None
    study_uid: str | None = None
    dates: tuple[str, str] | None = None
    times: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        given = {"patient": self.patient_id, "accession": self.accession, "study_uid": self.study_uid}
        if self.dates is None and not any(given.values()):
            raise ParameterError(
                "Which studies? Give --patient, --accession, --date or --study-uid; all of an archive is never fetched."
            )
        for name, value in given.items():
            if value is not None and (not value.strip() or set(value) & set("*?\\")):
                raise ParameterError(
                    f"`{name}` must be one whole value, without * ? and \\. Received: {value!r}."
                )
        if self.study_uid is not None and not is_uid(self.study_uid):
            raise ParameterError(f"`study_uid` is not a DICOM UID. Received: {self.study_uid!r}.")

    def keys(self) -> dict[str, str]:
        """Attribute keyword -> value, as both protocols ask for it."""
        found = {
            "PatientID": self.patient_id,
            "AccessionNumber": self.accession,
            "StudyInstanceUID": self.study_uid,
            "StudyDate": None if self.dates is None else "-".join(dict.fromkeys(self.dates)),
            "StudyTime": None if self.times is None else "-".join(self.times),
        }
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class SeriesFound:
    """A series as the archive lists it.

    Attributes
    ----------
    images : how many objects it holds; None where the archive does not say
    ours : this software made it
    """

    series_uid: str
    modality: str
    number: int | None = None
    images: int | None = None
    ours: bool = False


@dataclass(frozen=True)
class StudyFound:
    """A study as the archive lists it.

    Attributes
    ----------
    series_count : how many series it has; None where the archive does not say
    """

    study_uid: str
    patient_id: str
    accession: str
    date: str
    series: tuple[SeriesFound, ...]
    series_count: int | None = None

    def images_of(self, series_uid: str) -> int | None:
        """How many objects a series holds; None where the archive does not say."""
        return next((one.images for one in self.series if one.series_uid == series_uid), None)


@dataclass(frozen=True)
class StoreOutcome:
    """What became of one object that was sent.

    Attributes
    ----------
    reason : "" if it was stored as it is; else one sentence (also where it was stored with a remark)
    retry : not stored, but may be later: the archive is full, busy or gone
    """

    path: Path
    sop_instance_uid: str
    ok: bool
    reason: str = ""
    retry: bool = False


class Archive(Protocol):
    """What DICOMweb and DIMSE both do. Every method raises `ArchiveError`, whose `retry` says if a later try may do."""

    address: str

    def find(self, query: StudyQuery) -> list[StudyFound]:
        """Studies that fit, each with all of its series, ordered by date and UID."""
        ...

    def headers(self, study: StudyFound, series_uid: str) -> list[Dataset]:
        """The header of every object of a series, as far as the archive tells before it is fetched."""
        ...

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        """One object as a file."""
        ...

    def fetch(
        self, study: StudyFound, series: Sequence[str], folder: Path, *, keep: bool = False
    ) -> list[Path]:
        """Write the objects of these series to `folder/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`, as they were sent.

        Each series folder appears whole or not at all. keep : one that is there with every object is not fetched again
        """
        ...

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """Send files as they are; one outcome a file, in their order."""
        ...

    def has(self, files: Sequence[Path]) -> set[str]:
        """SOPInstanceUID of those files of which the archive holds an object already."""
        ...


@dataclass(frozen=True)
class Address:
    """An archive's address, taken apart.

    Attributes
    ----------
    web : DICOMweb (http, https); else DIMSE (dicom, dicoms)
    tls : https, dicoms
    called_ae : AE title of the archive, DIMSE only
    """

    text: str
    web: bool
    tls: bool
    host: str
    port: int
    called_ae: str = ""


def open_archive(
    address: str,
    *,
    ae_title: str = AE_TITLE,
    credentials: Credentials | None = None,
    receive_port: int | None = None,
) -> Archive:
    """The archive at an address; nothing is asked of it yet.

    Parameters
    ----------
    address : `https://host:port/path`, the root of DICOMweb, or `dicom://CALLED_AE@host:port`; `dicoms://` for TLS
    ae_title : our own AE title (DIMSE)
    credentials : default: of the environment or the netrc file (`credentials.find_credentials`)
    receive_port : fetch by C-MOVE to this port of ours, for an archive without C-GET (DIMSE)

    Raises
    ------
    ParameterError
        The address or the AE title is not one.
    """
    place = parse_address(address)
    if not re.fullmatch(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?", ae_title):
        raise ParameterError(
            f"`ae_title` is 1 to 16 characters of ASCII, without \\. Received: {ae_title!r}."
        )
    known = find_credentials(place.host) if credentials is None else credentials
    with extra("pacs", "An archive"):
        if place.web:
            from tmtv_tf.pacs.dicomweb import DicomWeb

            return DicomWeb(place, known)
        from tmtv_tf.pacs.dimse import Dimse

        return Dimse(place, ae_title, known, receive_port)


def parse_address(text: str) -> Address:
    """Take an address apart.

    Raises
    ------
    ParameterError
        It is not an address, or holds a password (which is never shown).
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ParameterError("The address of the archive has no valid port or host.") from error
    if parts.password is not None or (parts.scheme in ("http", "https") and parts.username is not None):
        raise ParameterError(
            "The address holds a user or a password, which others on this computer can read. Set TMTV_PACS_USER and "
            "TMTV_PACS_PASSWORD, or use a netrc file."
        )
    form = "https://host:port/path (DICOMweb) or dicom://CALLED_AE@host:port (dicoms:// with TLS)"
    if parts.scheme not in ("http", "https", "dicom", "dicoms") or not parts.hostname:
        raise ParameterError(f"An archive's address is {form}. Received: {text!r}.")
    web, tls = parts.scheme.startswith("http"), parts.scheme in ("https", "dicoms")
    if web:
        if parts.query or parts.fragment:
            raise ParameterError(f"An address of DICOMweb has no ? and #. Received: {text!r}.")
        return Address(text.rstrip("/"), web, tls, parts.hostname, port or (443 if tls else 80))
    return _dimse_address(text, parts, port, tls, form)


def _dimse_address(text: str, parts: SplitResult, port: int | None, tls: bool, form: str) -> Address:
    called = parts.username or ""
    if not called or len(called) > 16 or port is None or parts.path.strip("/"):
        raise ParameterError(
            f"An archive's address is {form}, with an AE title of 1 to 16 characters. Received: {text!r}."
        )
    return Address(text, False, tls, str(parts.hostname), port, called)


def parse_dates(text: str) -> tuple[str, str]:
    """One day or two with .. between, as 2024-01-31, 20240131, 2024-01-01..2024-01-31.

    Raises
    ------
    ParameterError
        It is no such date, or the first is after the last.
    """
    days = [_day(part, text) for part in text.split("..")]
    if len(days) > 2 or days[0] > days[-1]:
        raise ParameterError(f"`date` is one day, or first..last. Received: {text!r}.")
    return days[0], days[-1]


def _day(part: str, text: str) -> str:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        if re.fullmatch(r"\d{4}-\d\d-\d\d|\d{8}", part, re.ASCII):
            try:
                return datetime.strptime(part, form).strftime("%Y%m%d")
            except ValueError:
                continue
    raise ParameterError(f"`date` is a day such as 2024-01-31, or two with .. between. Received: {text!r}.")


def is_uid(text: str) -> bool:
    """Whether this is a UID, safe as a file name."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def require_uid(text: str, what: str, address: str) -> str:
    """A UID that an archive sent.

    Raises
    ------
    ArchiveError
        It is none.
    """
    if not is_uid(text):
        raise ArchiveError(f"{address}: it sent a {what} that is not a DICOM UID: {text[:64]!r}.")
    return text
