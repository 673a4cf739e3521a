"""Finding DICOM series in any tree of files. Headers only; pixels are read by `volume`.

A file's name says nothing: every file is opened. What is not used is returned with its reason, never dropped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    MediaStorageDirectoryStorage,
    PositronEmissionTomographyImageStorage,
)

from petct.dicom.agreement import AGREEING, agreeing_texts, disagreements
from petct.dicom.multiframe import is_converted, split_frames
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.reading import frames_of, looks_like_dicom, read_dataset, reason
from petct.dicom.structure import first_fault
from petct.dicom.values import as_tag, element_text, numbers, tag_name, tag_value, whole_number
from petct.dicom.walk import walk
from petct.errors import DicomError
from petct.parallel import progress

NOT_DICOM = "not a DICOM file"

# Read while walking the tree: enough to group files, to choose series and to check their geometry.
SCAN_KEYWORDS = (
    "SpecificCharacterSet",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "SeriesTime",
    "Manufacturer",
    "SeriesDescription",
    "ManufacturerModelName",
    "ReconstructionDiameter",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "InstanceNumber",
    "SliceLocation",
    "AcquisitionDateTime",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "NumberOfSlices",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    *AGREEING,
)
_NAMES = ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
_SEQUENCES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# pydicom would look up every keyword anew for every file.
_SCAN_TAGS = [as_tag(keyword) for keyword in SCAN_KEYWORDS]
_PLAIN_TAGS = frozenset(_SCAN_TAGS) - {as_tag(keyword) for keyword in _SEQUENCES}


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
    number: int | None = None  # InstanceNumber
    location_mm: float | None = None  # SliceLocation


@dataclass(frozen=True, eq=False)
class Series:
    """The files that share one SeriesInstanceUID.

    Attributes
    ----------
    header : the scanned attributes (`SCAN_KEYWORDS`) of the first file.
    conflicts : sentences about files that carry this SeriesInstanceUID but differ in what all slices must share
        (`agreement`), or whose elements stand twice or out of order (`structure`). Such a series is never read.
    damaged : unreadable DICOM files, and files and folders that cannot be opened, in the same folders: any of them may
        be, or hold, a lost slice of this series.
    unread : folders beside its own that cannot be read.
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
    unread: tuple[Path, ...] = ()

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


@quiet_pydicom()
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
    tree = walk([roots] if isinstance(roots, str | os.PathLike) else roots)
    groups: dict[str, _Group] = {}
    skipped = [Skipped(path, why) for path, why in tree.seen]
    skipped += [Skipped(path, why, damaged=True) for path, why in tree.unread]
    with progress("Reading DICOM headers", len(tree.files)) as advance:
        for path in tree.files:
            scanned = _scan(path)
            if isinstance(scanned, Skipped):
                skipped.append(scanned)
            else:
                uid = str(scanned.headers[0].SeriesInstanceUID)
                groups.setdefault(uid, _Group(scanned.headers[0])).add(path, scanned)
            advance(1)
    damaged = [item.path for item in skipped if item.damaged]
    # A slice that ends before its matrix may have lost the end of its SeriesInstanceUID as well.
    damaged += [
        i.path
        for group in groups.values()
        if _is_slice(group.header)
        for i in group.instances
        if i.rows is None
    ]
    series = [_series(group, damaged, tree.unread_folders) for group in groups.values()]
    big = 2**31
    series.sort(
        key=lambda s: (s.patient_id, s.study_uid, s.number if s.number is not None else big, s.series_uid)
    )
    return series, skipped


@quiet_pydicom()
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
        headers += frames_of(dataset, path) if is_converted(dataset) else [dataset]
    return headers


@quiet_pydicom()
def series_of_headers(headers: Sequence[Dataset]) -> Series:
    """A series of which the headers are known and the files are not here, as an archive describes it.

    Each slice's `path` is then its study, series and object UID. Of use to choose between series, not to read them.

    Raises
    ------
    DicomError
        No header, or one without SOPClassUID, StudyInstanceUID or SeriesInstanceUID.
    """
    if not headers:
        raise DicomError("A series without objects.")
    group = _Group(headers[0])
    for header in headers:
        if missing := [keyword for keyword in _NAMES if not header.get(keyword)]:
            raise DicomError(f"{', '.join(map(tag_name, missing))} is missing.")
        _refuse_sequences(header)
        place = Path(str(header.StudyInstanceUID)) / str(header.SeriesInstanceUID)
        path = place / str(header.get("SOPInstanceUID", ""))
        converted = is_converted(header) and _SEQUENCES[0] in header
        group.add(path, _Scanned(split_frames(header) if converted else [header], converted, None))
    return _series(group, [], [])


@dataclass(frozen=True)
class _Scanned:
    """The scanned header of a file, one for each frame of a converted multi-frame file, and what is wrong with it."""

    headers: list[Dataset]
    converted: bool
    fault: str | None


class _Group:
    """The files of one series. One header is kept whole: a tree may hold a hundred thousand files."""

    def __init__(self, header: Dataset) -> None:
        self.header = header
        self.instances: list[Instance] = []
        self.texts: list[tuple[str, ...]] = []
        self.faults: list[str] = []

    def add(self, path: Path, scanned: _Scanned) -> None:
        self.faults += [scanned.fault] if scanned.fault else []
        for frame, header in enumerate(scanned.headers):
            self.instances.append(_instance(path, header, frame if scanned.converted else None))
            self.texts.append(agreeing_texts(header))


def _scan(path: Path) -> _Scanned | Skipped:
    """The scanned header of a file, or why it is left out."""
    if path.name.startswith("."):
        return Skipped(path, "hidden file")
    claims = path.suffix.lower() in {".dcm", ".ima"}
    try:
        if not path.is_file():
            return Skipped(path, "not a regular file (a pipe, a device)")
        with open(path, "rb") as file:
            head = file.read(132)
        if not looks_like_dicom(head):
            return Skipped(path, "empty file" if not head else NOT_DICOM, damaged=claims)
        fault = first_fault(path)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=_SCAN_TAGS)
        media_class = str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
        if media_class == MediaStorageDirectoryStorage or path.name.upper() == "DICOMDIR":
            return Skipped(path, "DICOMDIR: an index; the files themselves are found by walking the tree")
        missing = [k for k in _NAMES if not dataset.get(k)]
        if not missing:
            _refuse_sequences(dataset)
            converted = is_converted(dataset)
            return _Scanned(split_frames(dataset) if converted else [dataset], converted, fault)
    except DicomError as error:
        return Skipped(path, str(error).removeprefix(f"{path}: ").rstrip("."), damaged=True)
    except PYDICOM_ERRORS as error:
        return Skipped(path, f"not readable as DICOM ({reason(error)})", damaged=True)
    names = ", ".join(map(tag_name, missing))
    return Skipped(path, f"DICOM file cut short or incomplete: {names} is missing", damaged=True)


def _refuse_sequences(dataset: Dataset) -> None:
    """A sequence where a text or a number belongs: no reader knows what it means."""
    for tag, element in dataset.items():
        if element.VR == "SQ" and tag in _PLAIN_TAGS:
            raise DicomError(f"{tag_name(tag)} is a sequence (VR SQ); it must be a plain value.")


def _instance(path: Path, dataset: Dataset, frame: int | None) -> Instance:
    return Instance(
        path=path,
        sop_instance_uid=element_text(dataset, "SOPInstanceUID") or "",
        position_mm=numbers(dataset, "ImagePositionPatient", 3),
        orientation=numbers(dataset, "ImageOrientationPatient", 6),
        pixel_spacing_mm=numbers(dataset, "PixelSpacing", 2),
        rows=whole_number(dataset, "Rows"),
        columns=whole_number(dataset, "Columns"),
        frame=frame,
        number=whole_number(dataset, "InstanceNumber") if frame is None else None,
        location_mm=(numbers(dataset, "SliceLocation", 1) or (None,))[0] if frame is None else None,
    )


def _is_slice(header: Dataset) -> bool:
    return str(tag_value(header, "SOPClassUID")) in (CTImageStorage, PositronEmissionTomographyImageStorage)


def _series(group: _Group, damaged: list[Path], unread: list[Path]) -> Series:
    header = group.header
    paths = [instance.path for instance in group.instances]
    own = set(paths)
    folders = {path.parent for path in own}
    return Series(
        series_uid=str(header.SeriesInstanceUID),
        study_uid=str(header.StudyInstanceUID),
        patient_id=str(tag_value(header, "PatientID") or ""),
        modality=str(tag_value(header, "Modality") or ""),
        sop_class_uid=str(header.SOPClassUID),
        frame_of_reference_uid=str(tag_value(header, "FrameOfReferenceUID") or ""),
        instances=tuple(group.instances),
        header=header,
        conflicts=(*group.faults, *disagreements(paths, group.texts)),
        damaged=tuple(path for path in damaged if path.parent in folders and path not in own),
        unread=tuple(
            path for path in unread if path.parent in {folder.parent for folder in folders} - folders
        ),
    )
