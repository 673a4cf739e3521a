"""Regions that somebody drew, as voxels of the PET: DICOM SEG, RTSTRUCT, the Fiji viewer's table, label images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError, RoiError
from petct.image import Geometry, Image
from petct.orientation import orientation_of
from postprocess._components import IntVector
from postprocess.segmentation import Instances
from postprocess.suv_source import SuvSource, is_dicom

if TYPE_CHECKING:
    from petct.rois import Roi

TABLE_SUFFIX = ".csv"
# `tmtv prepare` writes one label a ROI; those that overlap go on in rois_2.nii.gz, rois_3.nii.gz, ...
ROIS_STEM = "rois"


@dataclass(frozen=True)
class Regions:
    """Drawn regions on the canonical PET grid.

    Attributes
    ----------
    instances : label k is the k-th region of the file
    count : of regions in the file that hold a voxel
    told_apart : the file is one of regions (not a mask in one piece): each is one lesion by default
    """

    instances: Instances
    count: int
    told_apart: bool
    warnings: list[str]

    def mask(self, shape: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
        """Their union (Z, Y, X)."""
        mask = np.zeros(shape, bool)
        mask.reshape(-1)[self.instances.index] = True
        return mask


def holds_regions(path: Path) -> bool:
    """Whether a file is read by `read_regions`; any other is an image."""
    return path.suffix.lower() == TABLE_SUFFIX or is_dicom(path)


def read_regions(path: Path, suv: Image, stored: Geometry, source: SuvSource) -> Regions:
    """The regions of a SEG, RTSTRUCT or Fiji table: those voxels of the PET whose centre they hold.

    The readers are those of `tmtv prepare`, on the grid they have there, so that both find the same voxels. Regions
    drawn on the CT are read at the centres of the PET voxels.

    Parameters
    ----------
    suv : on the canonical grid
    stored : grid of the PET as it is stored
    source : of the PET; where its frame of reference is not known, that of the file is taken, with a warning

    Raises
    ------
    RoiError
        No such file, another frame of reference than the PET's, no region on the PET.
    """
    from petct.rois import RoiTarget, read_rois

    turn = orientation_of(stored)
    as_stored = turn.order == (0, 1, 2)  # its slices are axial: what the readers expect
    pet = Image(turn.undo(suv.array), stored) if as_stored else suv
    frame, warnings = source.frame_of_reference_uid, []
    if not frame and path.suffix.lower() != TABLE_SUFFIX:
        frame = _only_frame(path)
        warnings.append(
            f"{path.name}: nothing says the frame of reference of {source.name}; placed by its coordinates. Give the "
            "DICOM folder of the PET as --suv to have it checked."
        )
    rois, notes = read_rois(path, RoiTarget(pet, source.series_uid, frame))
    if _drawn_elsewhere(path, source) and not any("centres of the PET" in text for text in notes):
        warnings.append(f"{path.name}: drawn on another series; read at the centres of the PET voxels.")
    if rois and not any(roi.voxels for roi in rois):
        raise RoiError(f"{path}: none of its {len(rois)} regions holds a voxel of the PET.")
    flipped = turn.flipped if as_stored else ()
    index = [_flat_index(roi, suv.geometry.shape, flipped) for roi in rois]
    label = np.repeat(np.arange(1, len(rois) + 1, dtype=np.int32), [len(i) for i in index])
    is_seg = len(rois) == 1 and not _is_structure_set(path)
    instances = Instances(np.concatenate([np.empty(0, np.int64), *index]), label)
    return Regions(instances, sum(len(i) > 0 for i in index), not is_seg, warnings + notes)


def label_files(path: Path) -> list[Path]:
    """`rois.nii.gz` with its continuations `rois_2.nii.gz`, ...; any other file alone."""
    found = re.fullmatch(rf"({ROIS_STEM})(\.[^_]+)", path.name)
    files = [path]
    while found and (more := path.with_name(f"{found[1]}_{len(files) + 1}{found[2]}")).is_file():
        files.append(more)
    return files


def is_rois_file(path: Path) -> bool:
    """Whether a file is called `rois`: readers' regions, even where there is one."""
    return path.name.split(".")[0] == ROIS_STEM


def label_regions(path: Path, parts: Sequence[npt.NDArray[np.integer]]) -> Regions:
    """The labels of one image, or of `label_files`, on the canonical PET grid.

    Raises
    ------
    ImageError
        A label that stands in two files.
    """
    each = [Instances.of_labels(labels) for labels in parts]
    every, files = np.unique(np.concatenate([np.unique(found.label) for found in each]), return_counts=True)
    if (files > 1).any():
        raise ImageError(
            f"{path}: the label {every[files > 1][0]} stands in several of its {len(parts)} files."
        )
    index = np.concatenate([found.index for found in each])
    label = np.concatenate([found.label for found in each])
    return Regions(Instances(index, label), len(every), len(every) > 1 or is_rois_file(path), [])


def _flat_index(roi: Roi, shape: tuple[int, int, int], flipped: tuple[int, ...]) -> IntVector:
    """Flat indices of a ROI's voxels after the axes `flipped` are counted from the other end."""
    place = np.argwhere(roi.mask) + np.array(roi.corner)
    for axis in flipped:
        place[:, axis] = shape[axis] - 1 - place[:, axis]
    return np.ravel_multi_index(tuple(place.T), shape).astype(np.int64)


def _is_structure_set(path: Path) -> bool:
    """RTSTRUCT and tables hold readers' regions even where there is one; a SEG of one segment may be a mask."""
    if path.suffix.lower() == TABLE_SUFFIX:
        return True
    from pydicom import dcmread

    return dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality") == "RTSTRUCT"


def _drawn_elsewhere(path: Path, source: SuvSource) -> bool:
    """Whether a SEG or RTSTRUCT says that it was drawn on other series than the PET."""
    if not source.series_uid or path.suffix.lower() == TABLE_SUFFIX:
        return False
    from petct.rois.lookup import describe_dicom

    file = describe_dicom(path)
    return file is not None and bool(file.series) and source.series_uid not in file.series


def _only_frame(path: Path) -> str:
    """The one FrameOfReferenceUID that a SEG or RTSTRUCT uses.

    Raises
    ------
    RoiError
        Neither SEG nor RTSTRUCT, or none or several.
    """
    from petct.rois.lookup import describe_dicom

    file = describe_dicom(path)
    if file is None:
        raise RoiError(
            f"{path}: a DICOM file, but neither SEG nor RTSTRUCT. An image of several slices is given as its folder "
            "(--suv), or as NIfTI."
        )
    if len(file.frames) != 1:
        raise RoiError(
            f"{path}: it names {len(file.frames)} frames of reference, FrameOfReferenceUID (0020,0052); one is "
            "expected where the PET's own is not known (give its DICOM folder as --suv)."
        )
    return next(iter(file.frames))
