"""RTSTRUCT in: closed contours in patient coordinates to masks on the PET grid (DICOM PS3.3 C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median_low

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from petct.errors import RoiError
from petct.image import Geometry
from petct.rois.dicom_file import read_whole
from petct.rois.polygon import fill_loops
from petct.rois.roi import Roi

CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "INTERPOLATED_PLANAR"}
# A contour leaves its plane by no more than this share of the slice spacing.
PLANAR_TOLERANCE = 0.25
# Contours closer than this (mm) along the slice normal lie in one plane.
SAME_PLANE_MM = 0.05
# Distances in slices that differ by less than this are the same.
SAME_PLACE = 1e-6
# No slice of a CT beside a PET is thicker. Planes farther apart are not neighbours, so nothing lies between them.
THICKEST_SLICE_MM = 6.0
# A ROI whose planes all lie farther apart than this many slices was perhaps meant to be filled in between.
SPARSE = 1.5
# A contour this close to a slice of the PET (share of the spacing) lies in it: GE bed joints shift slices by a few %.
ON_SLICE = 0.1


def read_rtstruct(
    path: str | Path, geometry: Geometry, *, frame_of_reference_uid: str, series_uid: str = ""
) -> tuple[list[Roi], list[str]]:
    """Every ROI of a structure set on the PET grid, and warnings.

    A voxel belongs to a ROI if its centre lies inside an odd number of the contours of its plane (`fill_loops`).
    Each slice takes the contours of the plane nearest to it, provided that it lies within half a slice: between two
    planes the thicker of the PET's and of those that were drawn on, beyond the first and the last plane of those
    that were drawn on (the PET's, where no slice of it would be left). A slice exactly half-way takes the plane of
    higher index, so that n planes half-way between slices fill n slices. Contours drawn on CT slices thus fill the
    PET slices between them, and of several planes within one PET slice the nearest counts. How thick the slices are
    that were drawn on, the contours tell: the smallest distance of two planes of the ROI, but no more than that of
    most ROIs of the file and than `THICKEST_SLICE_MM`. Contours drawn in slices of the PET itself (it is named, and
    every contour of the ROI lies in one of its slices) belong to those slices alone. So a contour never reaches
    beyond the slice that it was drawn in.

    Parameters
    ----------
    geometry : of the PET
    frame_of_reference_uid : of the PET; every ROI must refer to it
    series_uid : of the PET; a structure set that names no frame of reference must refer to this series

    Returns
    -------
    rois : in the order of the file; a ROI wholly outside the PET has no voxel
    warnings : sentences about contours outside the PET, that stand twice (counted once) or lie far apart, and about
        ROIs without a closed contour (left out)

    Raises
    ------
    RoiError
        Not an RTSTRUCT, a file cut short, no ROI with a closed contour, another frame of reference, one number of two
        ROIs or of two items of contours, contours of no ROI, that are open or not parallel to the PET slices,
        coordinates that are not triples of numbers.
    """
    path = Path(path)
    header = read_whole(path, "RTSTRUCT", ("StructureSetROISequence", "ROIContourSequence"))
    _check_frame(path, header, frame_of_reference_uid, series_uid)
    contours = {item.get("ReferencedROINumber"): item for item in header.ROIContourSequence}
    _check_numbers(path, header)
    on_pet = series_uid != "" and series_uid in referenced_series(header)
    rois, warnings = [], []
    drawn: dict[int, tuple[str, list[npt.NDArray[np.float64]]]] = {}
    for number, structure in enumerate(header.StructureSetROISequence, start=1):
        name = str(structure.get("ROIName", "") or f"ROI {number}")
        loops = _loops(path, number, contours.get(structure.get("ROINumber")))
        if not loops:
            warnings.append(f"{path.name}: ROI {number} has no closed contour and is left out.")
            continue
        # By the even-odd rule the same contour twice would be nothing.
        distinct = {_edges(points): points for points in loops}
        if len(distinct) < len(loops):
            warnings.append(
                f"{path.name}: {len(loops) - len(distinct)} contours of ROI {number} stand twice; counted once."
            )
        drawn[number] = name, [geometry.to_index(points) for points in distinct.values()]
    slice_mm = _slice_mm([loops for _, loops in drawn.values()], geometry)
    for number, (name, loops) in drawn.items():
        heights = np.concatenate([points[:, 0] for points in loops])
        on_slices = on_pet and bool(np.abs(heights - np.rint(heights)).max() <= ON_SLICE)
        gap_mm = _gap(loops, geometry)
        drawn_mm = 0.0 if on_slices else min(gap_mm, slice_mm)
        drawn_on = drawn_mm / geometry.spacing_mm[0] or 1.0  # in slices of the PET; 1 where nothing tells
        if SPARSE * max(1.0, drawn_on) < gap_mm / geometry.spacing_mm[0] < np.inf:
            warnings.append(
                f"{path.name}: the contours of ROI {number} lie {gap_mm:.3g} mm apart or more; "
                "each fills the slice that it was drawn in, and the slices between them stay empty."
            )
        roi, outside = _rasterise(path, number, name, loops, geometry, drawn_on)
        if roi.voxels == 0:
            warnings.append(f"{path.name}: ROI {number} holds no voxel of the PET.")
        elif outside:
            warnings.append(f"{path.name}: ROI {number} reaches beyond the PET and is cut off there.")
        rois.append(roi)
    if not rois:
        raise RoiError(
            f"{path}: none of its {len(header.StructureSetROISequence)} ROIs has a closed contour."
        )
    return rois, warnings


def _check_frame(path: Path, header: Dataset, frame_of_reference_uid: str, series_uid: str) -> None:
    frames = {
        str(item.ReferencedFrameOfReferenceUID)
        for item in header.StructureSetROISequence
        if item.get("ReferencedFrameOfReferenceUID")
    } or {
        str(item.FrameOfReferenceUID)
        for item in header.get("ReferencedFrameOfReferenceSequence", [])
        if item.get("FrameOfReferenceUID")
    }
    if not frames and series_uid and series_uid in referenced_series(header):
        return
    other = sorted(frames - {frame_of_reference_uid})
    if other or not frames:
        raise RoiError(
            f"{path}: ReferencedFrameOfReferenceUID (3006,0024) is {', '.join(other) or 'missing'}; "
            f"the PET's FrameOfReferenceUID (0020,0052) is {frame_of_reference_uid or 'missing'}. "
            "Contours in another frame of reference need a registration."
        )


def _check_numbers(path: Path, header: Dataset) -> None:
    """Each ROI has one number, and each item of contours is of one of them."""
    rois = [item.get("ROINumber") for item in header.StructureSetROISequence]
    contours = [item.get("ReferencedROINumber") for item in header.ROIContourSequence]
    for keyword, numbers in (("ROINumber (3006,0022)", rois), ("ReferencedROINumber (3006,0084)", contours)):
        if len(set(numbers)) < len(numbers):
            raise RoiError(f"{path}: {keyword} is the same in two items: whose contours are they?")
    if (stray := set(contours) - set(rois)) or None in contours:
        raise RoiError(
            f"{path}: contours refer to ROI {next(iter(stray), None)} (ReferencedROINumber (3006,0084)), which "
            "StructureSetROISequence (3006,0020) does not have."
        )


def referenced_series(header: Dataset) -> set[str]:
    """SeriesInstanceUIDs that a structure set or segmentation says it was drawn on."""
    series = {
        str(item.SeriesInstanceUID)
        for frame in header.get("ReferencedFrameOfReferenceSequence", [])
        for study in frame.get("RTReferencedStudySequence", [])
        for item in study.get("RTReferencedSeriesSequence", [])
        if item.get("SeriesInstanceUID")
    }
    return series | {
        str(item.SeriesInstanceUID)
        for item in header.get("ReferencedSeriesSequence", [])
        if item.get("SeriesInstanceUID")
    }


def _loops(path: Path, number: int, contour: Dataset | None) -> list[npt.NDArray[np.float64]]:
    """The closed contours (N, 3) of one ROI in LPS mm; points (POINT) enclose nothing and are passed over."""
    loops = []
    for item in (contour.get("ContourSequence", None) or []) if contour is not None else []:
        kind = item.get("ContourGeometricType", "")
        if kind == "POINT":
            continue
        if kind not in CLOSED:
            raise RoiError(
                f"{path}: ContourGeometricType (3006,0042) of ROI {number} is {kind!r}; "
                f"a volume needs {', '.join(sorted(CLOSED))}."
            )
        try:
            points = np.asarray(item.get("ContourData", []), float).reshape(-1, 3)
        except (ValueError, TypeError) as error:
            raise RoiError(
                f"{path}: ContourData (3006,0050) of ROI {number} is not a list of x\\y\\z triples."
            ) from error
        if not np.all(np.isfinite(points)):
            raise RoiError(f"{path}: ContourData (3006,0050) of ROI {number} is not finite.")
        if int(item.get("NumberOfContourPoints") or len(points)) != len(points):
            raise RoiError(
                f"{path}: NumberOfContourPoints (3006,0046) of ROI {number} is {item.NumberOfContourPoints}, "
                f"ContourData (3006,0050) has {len(points)}."
            )
        if len(points) >= 3:
            loops.append(points)
    return loops


def _edges(points: npt.NDArray[np.float64]) -> frozenset:
    """The edges of a contour (N, 3): the same wherever it begins, whichever way it goes, and if its end repeats it."""
    corners = [tuple(point) for point in points.tolist()]
    return frozenset(
        frozenset(edge) for edge in zip(corners, corners[1:] + corners[:1]) if edge[0] != edge[1]
    )


def _rasterise(
    path: Path,
    number: int,
    name: str,
    loops: list[npt.NDArray[np.float64]],
    geometry: Geometry,
    drawn_on: float,
) -> tuple[Roi, bool]:
    """One ROI from its loops (N, 3) in index coordinates (z, y, x), and whether it reaches beyond the grid.

    drawn_on : how thick the slices are that were drawn on, in slices of the PET
    """
    planes: dict[float, list[npt.NDArray]] = defaultdict(list)
    for points in loops:
        if np.ptp(points[:, 0]) > PLANAR_TOLERANCE:
            raise RoiError(
                f"{path}: a contour of ROI {number} is not parallel to the PET slices: it spans "
                f"{np.ptp(points[:, 0]) * geometry.spacing_mm[0]:.2f} mm across them."
            )
        planes[float(points[:, 0].mean())].append(points[:, 1:])
    heights, groups = _merge_planes(planes, SAME_PLANE_MM / geometry.spacing_mm[0])
    every = np.concatenate(loops)
    low, high = np.floor(every.min(axis=0)).astype(int), np.ceil(every.max(axis=0)).astype(int)
    outside = bool(
        np.any(every.min(axis=0) < -0.5) or np.any(every.max(axis=0) > np.array(geometry.shape) - 0.5)
    )
    thickest = max(1.0, drawn_on)
    low[0], high[0] = np.floor(heights[0] - thickest / 2), np.ceil(heights[-1] + thickest / 2)
    low, high = np.maximum(low, 0), np.minimum(high, np.array(geometry.shape) - 1)
    mask = np.zeros(tuple(np.maximum(high - low + 1, 0)), bool)
    if mask.size == 0:
        return Roi.from_mask(name, mask), outside
    slices = range(low[0], high[0] + 1)
    filled: dict[int, npt.NDArray[np.bool_]] = {}
    planes_of = _planes_of(slices, heights, drawn_on) or _planes_of(slices, heights, thickest)
    for z, nearest in planes_of.items():
        if nearest not in filled:
            filled[nearest] = fill_loops([loop - low[1:] for loop in groups[nearest]], mask.shape[1:])
        mask[z - low[0]] = filled[nearest]
    return Roi.from_mask(name, mask, (int(low[0]), int(low[1]), int(low[2]))), outside


def _planes_of(slices: Iterable[int], heights: npt.NDArray[np.float64], drawn_on: float) -> dict[int, int]:
    """Slice of the PET -> the plane (index into `heights`, ascending) whose contours it takes; see `read_rtstruct`.

    heights, drawn_on : in slices of the PET. A slice z takes a plane h if -reach <= z - h < reach.
    """
    thickness = max(1.0, drawn_on)
    found = {}
    for z in slices:
        distance = np.abs(heights - z)
        nearest = int(np.flatnonzero(distance <= distance.min() + SAME_PLACE)[-1])
        beyond = nearest + (1 if z > heights[nearest] else -1)
        joined = (
            0 <= beyond < len(heights) and abs(heights[beyond] - heights[nearest]) <= thickness + SAME_PLACE
        )
        reach = (thickness if joined else drawn_on) / 2
        if -reach - SAME_PLACE <= z - heights[nearest] < reach - SAME_PLACE:
            found[z] = nearest
    return found


def _gap(loops: list[npt.NDArray[np.float64]], geometry: Geometry) -> float:
    """The smallest distance of two planes of a ROI in mm; infinite where there is one plane."""
    heights = np.unique([points[:, 0].mean() for points in loops]) * geometry.spacing_mm[0]
    gaps = np.diff(heights)
    return float(gaps[gaps > SAME_PLANE_MM].min(initial=np.inf))


def _slice_mm(rois: list[list[npt.NDArray[np.float64]]], geometry: Geometry) -> float:
    """How thick the slices are that the ROIs were drawn on, as most of them tell; 0 if none does."""
    gaps = [gap for loops in rois if (gap := _gap(loops, geometry)) <= THICKEST_SLICE_MM]
    return median_low(gaps) if gaps else 0.0


def _merge_planes(
    planes: dict[float, list[npt.NDArray]], tolerance: float
) -> tuple[npt.NDArray[np.float64], list[list[npt.NDArray]]]:
    """Slice coordinates, ascending, of the distinct planes, and the loops in each."""
    heights: list[float] = []
    groups: list[list[npt.NDArray]] = []
    for height in sorted(planes):
        if heights and height - heights[-1] <= tolerance:
            groups[-1] += planes[height]
        else:
            heights.append(height)
            groups.append(list(planes[height]))
    return np.array(heights), groups
