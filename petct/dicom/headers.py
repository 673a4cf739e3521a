"""Finding DICOM series in any tree of files. Headers only; pixels are read by `volume`.

A file's name says nothing: every file is opened. What is not used is returned with its reason, never dropped.
"""

from __future__ import annotations

import logging
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    UID,
    CTImageStorage,
    MediaStorageDirectoryStorage,
    PositronEmissionTomographyImageStorage,
)

from petct.dicom.multiframe import is_converted, split_frames
from petct.errors import DicomError
from petct.parallel import progress

# pydicom would print odd values, a patient's name among them, and the tracebacks of its decoders on stderr. What
# matters is judged here, by name.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\.")

# What pydicom raises on a value or a file that does not follow the standard.
PYDICOM_ERRORS = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

NOT_DICOM = "not a DICOM file"

# Read while walking the tree: enough to group files, to choose series and to check their geometry.
SCAN_KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "SeriesTime",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "ManufacturerModelName",
    "PatientID",
    "ContrastBolusAgent",
    "ReconstructionDiameter",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "AcquisitionDateTime",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "CorrectedImage",
    "SeriesType",
    "Units",
    "NumberOfSlices",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One slice of a series: a file, or one frame of a converted multi-frame file.

    A value that is absent or unreadable is None; `volume` refuses it by name.
    """

    path: Path
    sop_instance_uid: str
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    rows: int | None
    columns: int | None
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """The files that share one SeriesInstanceUID.

    Attributes
    ----------
    header : the scanned attributes (`SCAN_KEYWORDS`) of the first file.
    conflicts : sentences about files that carry this SeriesInstanceUID but differ in patient, study, modality,
        SOP class or frame of reference. Such a series is never read.
    damaged : unreadable DICOM files in the same folders, any of which may be a lost slice of this series.
    """

    series_uid: str
    study_uid: str
    patient_id: str
    modality: str
    sop_class_uid: str
    frame_of_reference_uid: str
    instances: tuple[Instance, ...]
    header: Dataset
    conflicts: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Every file once."""
        return list(dict.fromkeys(instance.path for instance in self.instances))

    @property
    def folder(self) -> Path:
        return self.instances[0].path.parent

    @property
    def sop_class_name(self) -> str:
        return UID(self.sop_class_uid).name

    @property
    def number(self) -> int | None:
        return whole_number(self.header, "SeriesNumber")

    @property
    def description(self) -> str:
        """SeriesDescription: free text, which may identify a patient. Shown only when asked for."""
        return str(tag_value(self.header, "SeriesDescription") or "")


@dataclass(frozen=True)
class Skipped:
    """A file that belongs to no series, and why. `damaged`: it was a DICOM file, or claims to be one."""

    path: Path
    reason: str
    damaged: bool = False


def find_series(roots: str | os.PathLike | Sequence[str | os.PathLike]) -> tuple[list[Series], list[Skipped]]:
    """Every DICOM series below one or more folders (or files), read by header only.

    Returns
    -------
    series : ordered by PatientID, StudyInstanceUID, SeriesNumber, SeriesInstanceUID; files by path.
    skipped : files that belong to no series, each with its reason.

    Raises
    ------
    DicomError
        A root does not exist.
    """
    paths = list(_walk([roots] if isinstance(roots, str | os.PathLike) else roots))
    groups: dict[str, list[tuple[Instance, Dataset]]] = {}
    skipped: list[Skipped] = []
    with progress("Reading DICOM headers", len(paths)) as advance:
        for path in paths:
            scanned = _scan(path)
            if isinstance(scanned, Skipped):
                skipped.append(scanned)
            else:
                group = groups.setdefault(str(scanned[0].SeriesInstanceUID), [])
                for frame, header in enumerate(scanned):
                    # One header a series is kept whole: a tree may hold a hundred thousand files.
                    instance = _instance(path, header, frame if is_converted(header) else None)
                    group.append((instance, _identity(header) if group else header))
            advance(1)
    damaged = [item.path for item in skipped if item.damaged]
    # A slice that ends before its matrix may have lost the end of its SeriesInstanceUID as well.
    damaged += [
        i.path for group in groups.values() for i, header in group if i.rows is None and _is_slice(header)
    ]
    series = [_series(group, damaged) for group in groups.values()]
    big = 2**31
    series.sort(
        key=lambda s: (s.patient_id, s.study_uid, s.number if s.number is not None else big, s.series_uid)
    )
    return series, skipped


def tag_value(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute, or None when it is absent, empty or not decodable."""
    try:
        value = dataset.get(keyword)
    except PYDICOM_ERRORS:
        return None
    return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """A single whole number, or None when it is absent or is none."""
    number = _numbers(dataset, keyword, 1)
    return int(number[0]) if number and math.isfinite(number[0]) else None


def tag_values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a multi-valued text attribute (ImageType, CorrectedImage), upper case; empty if absent."""
    value = tag_value(dataset, keyword)
    if value is None:
        return ()
    values = [value] if isinstance(value, str | bytes | int | float) else value
    return tuple(printable(str(item)).strip().upper() for item in values)


def printable(text: str) -> str:
    """One short line: a broken length can turn the rest of a file into one value, and values stand in messages."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:64])


def tag_name(keyword: str) -> str:
    """'PatientWeight (0010,1030)'."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def read_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """Read one DICOM file, with or without the File Meta header.

    Raises
    ------
    DicomError
        The file cannot be read as DICOM.
    """
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    except PYDICOM_ERRORS as error:
        raise DicomError(f"{path}: not readable as DICOM ({_reason(error)}).") from error


def read_headers(series: Series) -> list[Dataset]:
    """The full header of every slice of a series, without pixels.

    Raises
    ------
    DicomError
        A file can no longer be read.
    """
    headers: list[Dataset] = []
    for path in series.files:
        dataset = read_dataset(path, pixels=False)
        headers += split_frames(dataset) if is_converted(dataset) else [dataset]
    return headers


def _walk(roots: Iterable[str | os.PathLike]) -> Iterable[Path]:
    for root in map(Path, roots):
        if root.is_file():
            yield root
        elif not root.is_dir():
            raise DicomError(f"{root}: no such file or folder.")
        for folder, subfolders, names in os.walk(root):
            subfolders.sort()
            yield from (Path(folder, name) for name in sorted(names))


def _scan(path: Path) -> list[Dataset] | Skipped:
    """The scanned header of a file (of each frame of a converted multi-frame file), or why it is left out."""
    if path.name.startswith("."):
        return Skipped(path, "hidden file")
    if not path.is_file():
        return Skipped(path, "not a regular file (a broken link, a pipe)")
    claims = path.suffix.lower() in {".dcm", ".ima"}
    try:
        with open(path, "rb") as file:
            head = file.read(132)
        if not _looks_like_dicom(head):
            return Skipped(path, "empty file" if not head else NOT_DICOM, damaged=claims)
        dataset = pydicom.dcmread(
            path, stop_before_pixels=True, force=True, specific_tags=list(SCAN_KEYWORDS)
        )
        media_class = str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
        if media_class == MediaStorageDirectoryStorage or path.name.upper() == "DICOMDIR":
            return Skipped(path, "DICOMDIR: an index; the files themselves are found by walking the tree")
        missing = [k for k in ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID") if not dataset.get(k)]
        if not missing:
            return split_frames(dataset) if is_converted(dataset) else [dataset]
    except PYDICOM_ERRORS as error:
        return Skipped(path, f"not readable as DICOM ({_reason(error)})", damaged=True)
    names = ", ".join(map(tag_name, missing))
    return Skipped(path, f"DICOM file cut short or incomplete: {names} is missing", damaged=True)


def _looks_like_dicom(head: bytes) -> bool:
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


def _instance(path: Path, dataset: Dataset, frame: int | None) -> Instance:
    return Instance(
        path=path,
        sop_instance_uid=str(tag_value(dataset, "SOPInstanceUID") or ""),
        position_mm=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        pixel_spacing_mm=_numbers(dataset, "PixelSpacing", 2),
        rows=whole_number(dataset, "Rows"),
        columns=whole_number(dataset, "Columns"),
        frame=frame,
    )


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    value = tag_value(dataset, keyword)
    if value is None:
        return None
    try:
        numbers = tuple(float(v) for v in (value if count > 1 else [value]))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count else None


def _is_slice(header: Dataset) -> bool:
    return str(tag_value(header, "SOPClassUID")) in (CTImageStorage, PositronEmissionTomographyImageStorage)


_IDENTITY = ("PatientID", "StudyInstanceUID", "Modality", "SOPClassUID", "FrameOfReferenceUID")


def _identity(dataset: Dataset) -> Dataset:
    identity = Dataset()
    for keyword in _IDENTITY:
        setattr(identity, keyword, str(tag_value(dataset, keyword) or ""))
    return identity


def _series(group: list[tuple[Instance, Dataset]], damaged: list[Path]) -> Series:
    first, header = group[0]
    conflicts = []
    for keyword in _IDENTITY:
        value = str(tag_value(header, keyword) or "")
        for instance, other in group[1:]:
            if str(tag_value(other, keyword) or "") != value:
                # Values are left out: a PatientID must not reach a log.
                conflicts.append(
                    f"{instance.path}: {tag_name(keyword)} differs from that of {first.path}, "
                    "though both carry the same SeriesInstanceUID (0020,000E)."
                )
                break
    own = {instance.path for instance, _ in group}
    folders = {path.parent for path in own}
    return Series(
        series_uid=str(header.SeriesInstanceUID),
        study_uid=str(header.StudyInstanceUID),
        patient_id=str(tag_value(header, "PatientID") or ""),
        modality=str(tag_value(header, "Modality") or ""),
        sop_class_uid=str(header.SOPClassUID),
        frame_of_reference_uid=str(tag_value(header, "FrameOfReferenceUID") or ""),
        instances=tuple(instance for instance, _ in group),
        header=header,
        conflicts=tuple(conflicts),
        damaged=tuple(path for path in damaged if path.parent in folders and path not in own),
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
