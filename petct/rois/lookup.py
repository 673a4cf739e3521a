"""Which ROI files belong to which PET: by their own DICOM references, or by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from petct.dicom.headers import NOT_DICOM, Series, Skipped
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.structure import refuse_bomb
from petct.dicom.walk import SEEN_FILE, walk
from petct.errors import RoiError
from petct.rois.files import DICOM_MODALITIES, roi_suffix
from petct.rois.rtstruct import referenced_series

# Manufacturer or ManufacturerModelName of the SEG and RTSTRUCT files that this software writes.
OWN_NAME = "tmtv-tf"
# Why a file of ROIs beside the images is not used (see `drawn_on`).
DRAWN_ELSEWHERE = "drawn on another series though the PET has its own, or a result"


@dataclass(frozen=True)
class RoiFile:
    """A file that may hold ROIs, and what it says it belongs to (empty for images and tables).

    Attributes
    ----------
    own : written by this software: a result, not a reader's
    series : SeriesInstanceUIDs it was drawn on
    frames : FrameOfReferenceUIDs it uses
    names : its file name without suffix and its folders' names, for files that are matched by name
    """

    path: Path
    study_uid: str = ""
    own: bool = False
    series: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()


@quiet_pydicom()
def describe_dicom(path: Path, names: tuple[str, ...] = ()) -> RoiFile | None:
    """What an RTSTRUCT or SEG file refers to; None for any other DICOM file.

    Raises
    ------
    RoiError
        Not readable as DICOM.
    """
    try:
        refuse_bomb(path)
        header = dcmread(path, stop_before_pixels=True, defer_size=1024)
        modality = header.get("Modality")
        if not modality:
            raise RoiError(f"{path}: Modality (0008,0060) is missing: not a whole DICOM file.")
        if modality not in DICOM_MODALITIES:
            return None
        return _describe(header, path, names)
    except PYDICOM_ERRORS as error:
        raise RoiError(f"{path}: not readable as DICOM ({' '.join(str(error).split())[:200]}).") from error


@quiet_pydicom()
def describe_series(series: Series) -> list[RoiFile]:
    """What the RTSTRUCT or SEG files of one series refer to.

    Raises
    ------
    RoiError
        Not readable as DICOM.
    """
    described = map(describe_dicom, series.files)
    return [file for file in described if file is not None]


def why_left_out(item: Skipped) -> str:
    """Why a file beside the images is not used; an image or a table of ROIs has to be pointed at."""
    if roi_suffix(item.path) and item.reason == NOT_DICOM:
        return f"{NOT_DICOM}; if it holds ROIs, give its folder by --rois"
    return item.reason


def _describe(header: Dataset, path: Path, names: tuple[str, ...]) -> RoiFile:
    maker = f"{header.get('Manufacturer')} {header.get('ManufacturerModelName')}"
    return RoiFile(
        path,
        study_uid=str(header.get("StudyInstanceUID") or ""),
        own=OWN_NAME in maker,
        series=frozenset(referenced_series(header)),
        frames=frozenset(_frames(header)),
        names=names,
    )


def find_roi_files(folder: str | os.PathLike[str]) -> tuple[list[RoiFile], list[Skipped]]:
    """Every file below a folder that may hold ROIs: RTSTRUCT, SEG, images, tables.

    Links are followed, loops end, any depth. A file with several names is found under each of them: names may say to
    whom it belongs.

    Returns
    -------
    found : by path
    skipped : files that cannot be read as DICOM and second names of folders, with the reason; DICOM files of another
        kind are not among them

    Raises
    ------
    RoiError
        No such folder, or one below it that cannot be read, or a link that leads nowhere: ROIs would be lost.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RoiError(f"{root}: no such folder of ROIs.")
    tree = walk([root])
    for path, why in tree.unread:
        raise RoiError(f"{path}: {why}, so ROIs may be lost there. Repair it, or take it out of {root}.")
    paths = [*tree.files, *(path for path, why in tree.seen if why == SEEN_FILE)]
    skipped = [Skipped(path, why) for path, why in tree.seen if why != SEEN_FILE]
    found = []
    for path in sorted(p for p in paths if p.is_file() and not p.name.startswith(".")):
        suffix = roi_suffix(path)
        names = (path.name[: len(path.name) - len(suffix)], *path.relative_to(root).parts[:-1])
        try:
            file = RoiFile(path, names=names) if suffix else describe_dicom(path, names)
        except RoiError as error:
            skipped.append(Skipped(path, str(error).removeprefix(f"{path}: ")))
            continue
        if file is not None:
            found.append(file)
    return found, skipped


def drawn_on(
    files: Iterable[RoiFile], series_uid: str, frame_of_reference_uid: str
) -> tuple[list[Path], list[Path]]:
    """Of a study's RTSTRUCT and SEG files, those to use for a PET, and those passed over.

    Files that refer to the PET series come first; only if there is none, those in its frame of reference
    (drawn on the CT). Only if there is none of those either, all of them, for their readers to refuse by name.
    Results of this software are never truth.
    """
    every = list(files)
    files = [file for file in every if not file.own]
    on_pet = [file for file in files if series_uid in file.series]
    in_frame = [file for file in files if frame_of_reference_uid and frame_of_reference_uid in file.frames]
    used = on_pet or in_frame or files
    return [file.path for file in used], [file.path for file in every if file not in used]


def drawn_on_other_pets(files: Sequence[RoiFile], pet_uid: str, other_pets: Set[str]) -> list[str]:
    """A sentence where ROIs were drawn on another PET of the patient than the one in use; the SUV there differ."""
    other = [file.series & other_pets for file in files if pet_uid not in file.series]
    uids = sorted(frozenset().union(*other))
    if not uids:
        return []
    return [
        f"{sum(map(bool, other))} of {len(files)} ROI files were drawn on another PET series than the one in use, "
        f"{', '.join(uids)}: --pet-uid takes that one."
    ]


def named_for(files: Sequence[RoiFile], names: Iterable[str]) -> list[RoiFile]:
    """Files whose own name, or that of a folder above them, is one of the names (case is not told apart)."""
    wanted = {name.lower() for name in names if name}
    return [file for file in files if any(name.lower() in wanted for name in file.names)]


def _frames(header: Dataset) -> set[str]:
    frames = {str(header.get("FrameOfReferenceUID") or "")}
    for item in header.get("StructureSetROISequence") or []:
        frames.add(str(item.get("ReferencedFrameOfReferenceUID") or ""))
    for item in header.get("ReferencedFrameOfReferenceSequence") or []:
        frames.add(str(item.get("FrameOfReferenceUID") or ""))
    return frames - {""}
