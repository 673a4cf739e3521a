"""What an archive answers, in words: the rows of a query and the status of what was sent to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from pydicom.dataset import Dataset

from petct.dicom.values import element_text, whole_number
from petct.errors import ArchiveError
from petct.export.source import MANUFACTURER
from tmtv_tf.pacs.archive import SeriesFound, StudyFound, StudyQuery, require_uid

# What is asked of studies and series, by both protocols.
OF_STUDY = ("StudyInstanceUID", "PatientID", "AccessionNumber", "StudyDate", "NumberOfStudyRelatedSeries")
OF_SERIES = (
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "NumberOfSeriesRelatedInstances",
    "PatientID",
    "Manufacturer",
)
# DICOM PS3.7 annex C, PS3.4 table B.2-1, PS3.18 table I.2-2: status of a stored object.
_STATUS = {
    0x0110: "it failed while it stored the object",
    0x0111: "it holds an object of this SOPInstanceUID already",
    0x0117: "it finds the object invalid",
    0x0122: "it does not take objects of this kind",
    0x0124: "it does not allow us to store",
    0x0213: "it is short of resources",
    0xB000: "it changed elements of the object",
    0xB006: "it left elements out of the object",
    0xB007: "it finds that the object does not fit its kind",
}
# A list that was cut is not as short as all of its parts together, unless everything falls into one part.
_PARTS_OF_A_DAY = (("000000", "085959"), ("090000", "115959"), ("120000", "145959"), ("150000", "235959"))
_EVER = ("18000101", "99991231")
FULL = "it is full, or short of resources"


def store_text(code: int) -> str:
    """A status of a stored object, as the end of a sentence."""
    if 0xA700 <= code <= 0xA7FF:
        text = FULL
    elif 0xA900 <= code <= 0xA9FF:
        text = "it finds that the object does not fit its kind"
    elif 0xC000 <= code <= 0xCFFF:
        text = "it cannot understand the object"
    else:
        text = _STATUS.get(code, "it did not store the object")
    return f"{text} (status {code:04X})"


def is_for_later(code: int | None) -> bool:
    """Whether the same object may be stored later: the archive is full, busy, or said nothing."""
    return code is None or 0xA700 <= code <= 0xA7FF or code in (0x0110, 0x0213)


def studies_of(query: StudyQuery, rows: Sequence[Dataset], address: str) -> list[StudyFound]:
    """The rows of a query that fit it, each still without series: an archive may ignore what it was asked for.

    Raises
    ------
    ArchiveError
        A study belongs to two patients, or has no UID.
    """
    found: dict[str, StudyFound] = {}
    for row in rows:
        uid = require_uid(text_of(row, "StudyInstanceUID"), "StudyInstanceUID (0020,000D)", address)
        study = StudyFound(
            uid,
            text_of(row, "PatientID"),
            text_of(row, "AccessionNumber"),
            text_of(row, "StudyDate"),
            (),
            whole_number(row, "NumberOfStudyRelatedSeries"),
        )
        if not _fits(study, query):
            continue
        if uid in found and found[uid].patient_id != study.patient_id:
            raise two_patients(address, uid)
        found[uid] = study
    return sorted(found.values(), key=lambda one: (one.date, one.study_uid))


def series_of(study: StudyFound, rows: Sequence[Dataset], address: str) -> tuple[SeriesFound, ...]:
    """The series of a study.

    Raises
    ------
    ArchiveError
        One is of another patient, or has no UID; or some are not listed.
    """
    found = {}
    for row in rows:
        uid = require_uid(text_of(row, "SeriesInstanceUID"), "SeriesInstanceUID (0020,000E)", address)
        patient = text_of(row, "PatientID")
        if patient and patient != study.patient_id:
            raise two_patients(address, study.study_uid)
        found[uid] = SeriesFound(
            uid,
            text_of(row, "Modality"),
            whole_number(row, "SeriesNumber"),
            whole_number(row, "NumberOfSeriesRelatedInstances"),
            text_of(row, "Manufacturer") == MANUFACTURER,
        )
    require_all(len(found), study.series_count, f"series of study {study.study_uid}", address)
    return tuple(
        sorted(found.values(), key=lambda one: (one.number is None, one.number or 0, one.series_uid))
    )


def objects_of(rows: Sequence[Dataset], address: str) -> set[str]:
    """SOPInstanceUID of every row."""
    return {
        require_uid(text_of(row, "SOPInstanceUID"), "SOPInstanceUID (0008,0018)", address) for row in rows
    }


def require_all(listed: int, there: int | None, what: str, address: str) -> None:
    """Refuse a list that an archive cut: some answer no more than so many rows, and do not say it.

    Raises
    ------
    ArchiveError
        It lists fewer than it says that it has.
    """
    if there is not None and listed < there:
        raise ArchiveError(
            f"{address}: it lists {listed} of the {there} {what}; the limit of its answers must be raised there."
        )


def parts_of(query: StudyQuery, found: Sequence[StudyFound]) -> list[StudyQuery]:
    """Queries that together ask for what a query of several studies asked for: by date, or by time of one day.

    An archive that cuts its lists without a word, as Orthanc does by DICOMweb, lists more by these (`require_uncut`).
    """
    if query.study_uid is not None or len(found) < 2:
        return []
    days = sorted({study.date for study in found if _is_day(study.date)})
    if len(days) == 1:
        return [replace(query, dates=(days[0], days[0]), times=part) for part in _PARTS_OF_A_DAY]
    if not days:
        return []
    first, last = query.dates or _EVER
    middle = days[len(days) // 2]
    before = (date.fromisoformat(middle) - timedelta(days=1)).strftime("%Y%m%d")
    return [replace(query, dates=(first, before)), replace(query, dates=(middle, last))]


def require_uncut(found: Sequence[StudyFound], parts: Iterable[Sequence[StudyFound]], address: str) -> None:
    """Refuse a list of studies where its parts hold others.

    Raises
    ------
    ArchiveError
        They do: the archive cuts its lists, so the parts may be cut as well.
    """
    known = {study.study_uid for study in found}
    if any(study.study_uid not in known for part in parts for study in part):
        raise ArchiveError(
            f"{address}: it has more studies that fit than the {len(known)} that it lists. Ask for fewer at once "
            "(--date, --study-uid), or raise the limit of its answers there."
        )


def text_of(row: Dataset, keyword: str) -> str:
    """One value as plain text; "" if it is absent."""
    return element_text(row, keyword) or ""


def two_patients(address: str, study_uid: str) -> ArchiveError:
    """The error for a study whose objects name two patients (who are not named)."""
    return ArchiveError(
        f"{address}: study {study_uid} is of two patients (PatientID (0010,0020) differs). It must be put right in the "
        "archive."
    )


def _fits(study: StudyFound, query: StudyQuery) -> bool:
    pairs = (
        (query.patient_id, study.patient_id),
        (query.accession, study.accession),
        (query.study_uid, study.study_uid),
    )
    if any(wanted is not None and wanted.strip() != found for wanted, found in pairs):
        return False
    return query.dates is None or (_is_day(study.date) and query.dates[0] <= study.date <= query.dates[1])


def _is_day(text: str) -> bool:
    try:
        return len(text) == 8 and text.isdigit() and bool(date.fromisoformat(text))
    except ValueError:
        return False
