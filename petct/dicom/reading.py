"""One DICOM file, opened the same way by whoever needs it: `inspect` and `prepare` see the same header."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from petct.dicom.multiframe import split_frames
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import DicomError


def read_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """Read one DICOM file, with or without the File Meta header.

    Raises
    ------
    DicomError
        The file cannot be read as DICOM.
    """
    try:
        with quiet_pydicom():
            return pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    except PYDICOM_ERRORS as error:
        raise DicomError(f"{path}: not readable as DICOM ({reason(error)}).") from error


def frames_of(dataset: Dataset, path: Path) -> list[Dataset]:
    """`multiframe.split_frames`, and errors that name the file.

    Raises
    ------
    DicomError
        The functional groups are incomplete or contradict each other.
    """
    try:
        return split_frames(dataset)
    except DicomError as error:
        raise DicomError(f"{path}: {error}") from error
    except PYDICOM_ERRORS as error:
        raise DicomError(f"{path}: its functional groups cannot be read ({reason(error)}).") from error


def looks_like_dicom(head: bytes) -> bool:
    """The 'DICM' prefix, or (files written without it) a data set that starts with group 0002 or 0008."""
    if head[128:132] == b"DICM":
        return True
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    implicit = head[6:8] == b"\0\0" and head[4:5] != b"\0"
    return (
        len(head) >= 8
        and head[:2] in (b"\x02\0", b"\x08\0")
        and head[3:4] == b"\0"
        and (explicit or implicit)
    )


def reason(error: BaseException) -> str:
    """An error as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
