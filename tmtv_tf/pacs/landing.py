"""Where fetched objects land: a folder a series, which appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import ArchiveError, TmtvError
from petct.files import sync, sync_tree
from tmtv_tf.pacs.answers import two_patients
from tmtv_tf.pacs.archive import StudyFound, require_uid

IDENTITY = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "PatientID",
    "Manufacturer",
)


def identity(file: bytes | Path) -> Dataset:
    """The elements that say which object this is, and its File Meta Information.

    Raises
    ------
    ArchiveError
        It is not a whole DICOM file.
    """
    name = file if isinstance(file, Path) else "an object that the archive sent"
    try:
        with quiet_pydicom():
            source = str(file) if isinstance(file, Path) else DicomBytesIO(file)
            dataset = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=list(IDENTITY))
    except PYDICOM_ERRORS as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "no DICOM file with group 0002"
        )
        raise ArchiveError(f"{name}: not readable as DICOM ({why}).") from error
    for keyword in IDENTITY[:4]:
        if not dataset.get(keyword):
            raise ArchiveError(f"{name}: {keyword} is missing.")
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        raise ArchiveError(f"{name}: TransferSyntaxUID (0002,0010) is missing.")
    if meta.get("MediaStorageSOPInstanceUID", dataset.SOPInstanceUID) != dataset.SOPInstanceUID:
        raise ArchiveError(
            f"{name}: MediaStorageSOPInstanceUID (0002,0003) is not SOPInstanceUID (0008,0018); which object is it?"
        )
    return dataset


def by_series(files: Sequence[Path]) -> dict[tuple[str, str], set[str]]:
    """(StudyInstanceUID, SeriesInstanceUID) -> SOPInstanceUID of the files."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in files:
        one = identity(path)
        key = str(one.StudyInstanceUID), str(one.SeriesInstanceUID)
        found.setdefault(key, set()).add(str(one.SOPInstanceUID))
    return found


class Landing:
    """Receives the objects of one series; `with` removes what is unfinished.

    Parameters
    ----------
    expected : SOPInstanceUID of every object of the series
    folder : the series comes to `folder/<SeriesInstanceUID>`
    """

    def __init__(
        self, study: StudyFound, series_uid: str, expected: Collection[str], folder: Path, address: str
    ):
        self.study, self.series_uid, self.address = study, require_uid(series_uid, "series", address), address
        self.expected = frozenset(expected)
        self.target = folder / series_uid
        self.building = folder / f".{secrets.token_hex(4)}.{series_uid}"
        self.names: set[str] = set()

    @property
    def is_there(self) -> bool:
        """An earlier call left the whole series."""
        try:
            return bool(self.expected) and set(os.listdir(self.target)) == {f"{u}.dcm" for u in self.expected}
        except OSError:
            return False

    def __enter__(self) -> Landing:
        with _writing(self.building):
            self.building.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.building, ignore_errors=True)

    def add(self, file: bytes) -> None:
        """Check an object that came, and keep it as it is.

        Raises
        ------
        ArchiveError
            It is of another study, series or patient, was not asked for, or is no DICOM object.
        """
        found = identity(file)
        for keyword, wanted in (
            ("StudyInstanceUID", self.study.study_uid),
            ("SeriesInstanceUID", self.series_uid),
        ):
            if str(found.get(keyword)) != wanted:
                raise ArchiveError(
                    f"{self.address}: it sent an object of {keyword} {found.get(keyword)} for {wanted}."
                )
        if str(found.get("PatientID", "") or "").strip() != self.study.patient_id:
            raise two_patients(self.address, self.study.study_uid)
        uid = str(found.SOPInstanceUID)
        if uid not in self.expected:
            raise ArchiveError(f"{self.address}: it sent object {uid[:64]!r}, which it did not list.")
        with _writing(self.target):
            (self.building / f"{uid}.dcm").write_bytes(file)
        self.names.add(uid)

    def finish(self) -> list[Path]:
        """Put the whole series into its place; its files.

        Raises
        ------
        ArchiveError
            Objects are missing; nothing is left of those that came.
        """
        missing = len(self.expected - self.names)
        if missing or not self.expected:
            raise ArchiveError(
                f"{self.address}: series {self.series_uid} came without {missing} of its {len(self.expected)} objects; "
                "none of it is kept. Try again.",
                retry=True,
            )
        with _writing(self.target):
            sync_tree(self.building)  # a later call takes what is there for whole
            if self.target.exists():  # of another content
                os.replace(self.target, self.building / ".before")
                shutil.rmtree(self.building / ".before")
            os.replace(self.building, self.target)
            sync(self.target.parent)
        return self.files()

    def files(self) -> list[Path]:
        return [self.target / f"{uid}.dcm" for uid in sorted(self.expected)]


class _writing:
    """Turn an error of the disk into one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise TmtvError(f"{self.path}: cannot be written ({error.strerror or error}).") from error


def clear_leftovers(folder: Path) -> None:
    """Remove the unfinished series of killed runs."""
    for path in folder.glob(".????????.*"):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                shutil.rmtree(path)
