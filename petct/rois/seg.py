"""DICOM SEG in: each segment one ROI on the PET grid (DICOM PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from petct.errors import RoiError
from petct.image import Geometry, Image, resample
from petct.rois.dicom_file import read_whole
from petct.rois.roi import Roi
from petct.rois.rtstruct import referenced_series

# A frame lies in a slice when its centre is within this share of the slice spacing of it.
PLACE_TOLERANCE = 0.1
COSINE_TOLERANCE = 1e-3


def read_seg(
    path: str | Path, geometry: Geometry, *, frame_of_reference_uid: str, series_uid: str = ""
) -> tuple[list[Roi], list[str]]:
    """Every segment of a segmentation on the PET grid, and warnings. Slices without a frame are empty.

    BINARY and LABELMAP as they are; FRACTIONAL is inside above half of MaximumFractionalValue. A segmentation on
    another grid (drawn on the CT, say) is read at the centres of the PET voxels, with a warning.

    Parameters
    ----------
    geometry : of the PET
    frame_of_reference_uid : of the PET; the segmentation's must be the same
    series_uid : of the PET; a segmentation without a frame of reference must refer to this series

    Raises
    ------
    RoiError
        Not a SEG, another frame of reference, frames without a position, on no uniform grid, of a thickness that
        cannot be known or of a segment that SegmentSequence does not have, one number of two segments, broken pixels.
    """
    path = Path(path)
    dataset = read_whole(path, "SEG", ("SegmentSequence", "PerFrameFunctionalGroupsSequence", "PixelData"))
    frame_uid = str(dataset.get("FrameOfReferenceUID") or "")
    refers = not frame_uid and series_uid != "" and series_uid in referenced_series(dataset)
    if frame_uid != frame_of_reference_uid and not refers:
        raise RoiError(
            f"{path}: FrameOfReferenceUID (0020,0052) is {frame_uid or 'missing'}; the PET's is "
            f"{frame_of_reference_uid or 'missing'}."
        )
    if not dataset.SegmentSequence:
        raise RoiError(f"{path}: SegmentSequence (0062,0002) is empty.")
    numbers, positions, orientation, spacing = _frames(path, dataset)
    own = _grid(path, positions, orientation, spacing, (int(dataset.Rows), int(dataset.Columns)), geometry)
    slices = np.rint(own.to_index(positions)[:, 0]).astype(int)
    try:
        pixels = np.atleast_3d(dataset.pixel_array)
    except (ValueError, AttributeError, RuntimeError, NotImplementedError, KeyError, OSError) as error:
        raise RoiError(f"{path}: PixelData (7FE0,0010) cannot be read ({error}).") from error
    pixels = pixels.reshape(len(positions), own.shape[1], own.shape[2])
    labelled = dataset.get("SegmentationType") == "LABELMAP"
    known = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if len(set(known)) < len(known):
        raise RoiError(f"{path}: SegmentNumber (0062,0004) is the same in two items: whose frames are they?")
    background = {0} if labelled else set()
    if stray := set(np.unique(pixels if labelled else numbers).tolist()) - background - set(known):
        raise RoiError(
            f"{path}: its frames hold segment {min(stray)}, which SegmentSequence (0062,0002) does not have."
        )
    threshold = _threshold(dataset)
    warnings: list[str] = []
    if not own.same_grid(geometry):
        warnings.append(f"{path.name}: not on the grid of the PET; read at the centres of the PET voxels.")
    rois = []
    for item in dataset.SegmentSequence:
        number = int(item.SegmentNumber)
        if labelled and number == 0:
            continue
        mask = np.zeros(own.shape, bool)
        for k in np.flatnonzero(numbers == number) if not labelled else range(len(positions)):
            mask[slices[k]] |= pixels[k] == number if labelled else pixels[k] > threshold
        if not mask.any():  # an expert's "no lesion"
            warnings.append(f"{path.name}: segment {number} is empty and is left out.")
            continue
        on_pet = resample(Image(mask, own), geometry, nearest=True).array
        rois.append(Roi.from_mask(str(item.get("SegmentLabel", "") or f"segment {number}"), on_pet))
        if not rois[-1].voxels:
            warnings.append(f"{path.name}: segment {number} holds no voxel of the PET.")
    return rois, warnings


def seg_grid(path: str | Path, pet: Geometry) -> Geometry:
    """The grid that the frames of a segmentation span: the PET's where they lie in its slices.

    Empty slices that were not written at either end are not part of it.

    Raises
    ------
    RoiError
        Not a SEG, frames without a position or on no uniform grid.
    """
    path = Path(path)
    dataset = read_whole(path, "SEG", ("SegmentSequence", "PerFrameFunctionalGroupsSequence"))
    _, positions, orientation, spacing = _frames(path, dataset)
    return _grid(path, positions, orientation, spacing, (int(dataset.Rows), int(dataset.Columns)), pet)


def _threshold(dataset: Dataset) -> float:
    if dataset.get("SegmentationType") == "FRACTIONAL":
        return float(dataset.get("MaximumFractionalValue", 255)) / 2
    return 0.0


def _frames(
    path: Path, dataset: Dataset
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64], tuple[float, ...]]:
    """Per frame: segment number, LPS position; of all: 6 direction cosines, (row, column, slice) spacing."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if not frames or len(frames) != int(dataset.get("NumberOfFrames", 0)):
        raise RoiError(
            f"{path}: PerFrameFunctionalGroupsSequence (5200,9230) has {len(frames)} items, NumberOfFrames "
            f"(0028,0008) is {dataset.get('NumberOfFrames')}."
        )

    def look_up(frame: Dataset, sequence: str, keyword: str) -> Any:
        for group in (frame, shared):
            items = group.get(sequence)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        raise RoiError(f"{path}: a frame has no {keyword} in {sequence}.")

    labelled = dataset.get("SegmentationType") == "LABELMAP"
    numbers = [
        0 if labelled else int(look_up(f, "SegmentIdentificationSequence", "ReferencedSegmentNumber"))
        for f in frames
    ]
    positions = [look_up(f, "PlanePositionSequence", "ImagePositionPatient") for f in frames]
    orientations = np.array(
        [look_up(f, "PlaneOrientationSequence", "ImageOrientationPatient") for f in frames], float
    )
    if np.ptp(orientations, axis=0).max() > COSINE_TOLERANCE:
        raise RoiError(f"{path}: its frames have several orientations.")
    measures = shared.get("PixelMeasuresSequence") or frames[0].get("PixelMeasuresSequence")
    if not measures or measures[0].get("PixelSpacing") is None:
        raise RoiError(f"{path}: PixelSpacing (0028,0030) is missing in PixelMeasuresSequence.")
    spacing = (*(float(v) for v in measures[0].PixelSpacing), _slice_spacing(measures[0], positions))
    return np.array(numbers), np.array(positions, float), orientations[0], spacing


def _slice_spacing(measures: Dataset, positions: list) -> float:
    """SpacingBetweenSlices in mm; else the smallest distance of two frames, if it is no more than SliceThickness.

    Between frames farther apart there may be empty slices that were not written. 0 if it cannot be known: also where
    three frames or more all lie more than 1.5 times SpacingBetweenSlices apart, and the nearest two SliceThickness.
    """
    stated = float(measures.get("SpacingBetweenSlices") or 0)
    thickness = float(measures.get("SliceThickness") or 0)
    # They lie along a line: neighbours are the nearest.
    points = np.unique(np.round(np.array(positions, float), 3), axis=0)
    distances = np.linalg.norm(np.diff(points, axis=0), axis=1)
    smallest = float(distances.min()) if len(distances) else thickness
    if stated > 0:
        as_thick = abs(smallest - thickness) <= PLACE_TOLERANCE * thickness
        return 0.0 if len(distances) > 1 and as_thick and smallest > 1.5 * stated else stated
    return smallest if smallest <= thickness * (1 + PLACE_TOLERANCE) else 0.0


def _grid(
    path: Path,
    positions: npt.NDArray[np.float64],
    orientation: npt.NDArray[np.float64],
    spacing: tuple[float, ...],
    plane: tuple[int, int],
    pet: Geometry,
) -> Geometry:
    """The grid of the frames; the PET's own where every frame lies in one of its slices."""
    in_pet = pet.to_index(positions)
    step = np.abs(in_pet[:, 0] - np.rint(in_pet[:, 0])).max()
    row, column = orientation.reshape(2, 3)
    pet_axes = np.asarray(pet.direction).reshape(3, 3)
    if (
        plane == pet.shape[1:]
        and np.allclose(spacing[:2], pet.spacing_mm[1:], rtol=1e-3)
        and np.allclose([row, column], pet_axes.T[:2], atol=COSINE_TOLERANCE)
        and np.abs(in_pet[:, 1:]).max() < PLACE_TOLERANCE
        and step < PLACE_TOLERANCE
        and in_pet[:, 0].min() > -0.5
        and in_pet[:, 0].max() < pet.shape[0] - 0.5
    ):
        return pet
    normal = np.cross(row, column)
    along = positions @ normal
    lowest = float(along.min())
    gap = spacing[2]
    if gap <= 0:
        raise RoiError(
            f"{path}: SpacingBetweenSlices (0018,0088) is missing, or its frames lie farther apart than it or "
            "SliceThickness (0018,0050) says: how thick its slices are cannot be known."
        )
    count = int(round((along.max() - lowest) / gap)) + 1
    offset = (along - lowest) / gap
    if np.abs(offset - np.rint(offset)).max() > PLACE_TOLERANCE:
        raise RoiError(f"{path}: its frames do not lie on a uniform grid.")
    origin = positions[int(along.argmin())]
    return Geometry(
        (count, *plane),
        (gap, spacing[0], spacing[1]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(float(v) for v in np.stack([row, column, normal], axis=1).ravel()),
    )
