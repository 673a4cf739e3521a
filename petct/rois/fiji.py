"""ROIs of the Fiji PET/CT viewer (petctviewer.org): its CSV, checked against its own table.

The file: a results table (one row per ROI, voxel lists first, then drawn ROIs), an empty row, `Number of ROIs = N`
with one row per drawn ROI, `Number of Nifti ROIs = N` with lists of voxels, and the lower SUV threshold in the last
row. Axial slices count from the head; the z of voxel lists and of coronal and sagittal ROIs counts from the feet.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import RoiError
from petct.image import Geometry, Image
from petct.rois.polygon import fill_loops
from petct.rois.roi import Roi

# Columns of the results table, counted from 0.
MEAN_COLUMN, MAX_COLUMN = 5, 11
# The table's SUVmax and SUVmean are matched within this share, and half a unit of their last printed digit.
TABLE_TOLERANCE = 0.01
# Type of a drawn ROI -> array axis across its planes; 10 more is the ellipsoid.
AXES = {1: 0, 2: 1, 3: 2}

DRAWN = re.compile(r"\s*Number of ROIs\s*=\s*(\d+)")
LISTS = re.compile(r"\s*Number of Nifti ROIs\s*=\s*(\d+)")
POINTS = re.compile(r"\s*num points\s*=\s*(\d+)")

Rows = list[list[str]]
Fill = Callable[[npt.NDArray, tuple[int, int]], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Drawn:
    """A drawn ROI: planes first..last (1-based, inclusive) across `axis`; points (N, 2) as the file's x y."""

    name: str
    axis: int
    ellipsoid: bool
    first: int
    last: int
    points: npt.NDArray[np.float64]


def read_fiji(path: str | Path, pet: Image) -> list[Roi]:
    """The ROIs of a Fiji table on the PET grid: voxel lists first, then the drawn ones, as in its results.

    The file does not say whether a pixel on an outline is inside. Of the known rules (see `OUTLINES`) the first that
    reproduces the table is taken, one for the whole file.

    Parameters
    ----------
    pet : SUVbw on its native grid, the grid the ROIs were drawn on

    Raises
    ------
    RoiError
        Not such a file; a ROI beyond the PET; or SUVmax or SUVmean of a ROI above the file's threshold differs from
        the file's own table: another image, another SUV, or a file that is understood wrongly.
    """
    path = Path(path)
    rows = _rows(path)
    drawn, lists = _drawn(path, rows), _voxel_lists(path, rows, pet.geometry)
    if not drawn and not lists:
        raise RoiError(
            f"{path}: it holds no ROI (no row 'Number of ROIs = N' or 'Number of Nifti ROIs = N')."
        )
    table = _table(path, rows, len(drawn) + len(lists))
    keep = _threshold(path, rows)
    complaint = ""
    for fill in OUTLINES:
        rois = [*lists, *(_rasterise(path, roi, pet.geometry, fill) for roi in drawn)]
        difference = _first_difference(path, rois, table, pet.array, keep)
        if difference is None:
            return rois
        complaint = complaint or difference
    raise RoiError(complaint)


def _rows(path: Path) -> Rows:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise RoiError(f"{path}: cannot be read ({error.strerror}).") from error
    return [[field.strip() for field in row] for row in csv.reader(text.splitlines())]


def _is_empty(row: Sequence[str]) -> bool:
    return not any(row)


def _drawn(path: Path, rows: Rows) -> list[Drawn]:
    start = next((i for i, row in enumerate(rows) if row and DRAWN.fullmatch(row[0])), None)
    if start is None:
        return []
    count = int(DRAWN.fullmatch(rows[start][0])[1])  # type: ignore[index]
    rois = []
    for row in rows[start + 1 : start + 1 + count]:
        try:
            name, kind, first, last = row[0], int(row[1]), int(row[2]), int(row[3])
            expected = int(POINTS.fullmatch(row[4])[1])  # type: ignore[index]
            points = np.array([[float(v) for v in field.split()] for field in row[5:] if field])
        except (ValueError, IndexError, TypeError) as error:
            raise RoiError(f"{path}: not a ROI row: {','.join(row[:6])!r}.") from error
        if kind % 10 not in AXES or kind not in (*AXES, *(k + 10 for k in AXES)):
            raise RoiError(f"{path}: ROI type {kind} is not known (1, 2, 3, 11, 12, 13).")
        ellipsoid = kind > 10
        if points.shape != (expected, 2) or expected < 3:
            raise RoiError(
                f"{path}: a ROI of type {kind} has {len(points)} points of {expected}; at least 3 needed."
            )
        rois.append(Drawn(name, AXES[kind % 10], ellipsoid, min(first, last), max(first, last), points))
    if len(rois) != count:
        raise RoiError(f"{path}: 'Number of ROIs = {count}' but {len(rois)} ROI rows.")
    return rois


def _voxel_lists(path: Path, rows: Rows, geometry: Geometry) -> list[Roi]:
    """ROIs given voxel by voxel, `x y z` with z from the feet."""
    start = next((i for i, row in enumerate(rows) if row and LISTS.fullmatch(row[0])), None)
    if start is None:
        return []
    count = int(LISTS.fullmatch(rows[start][0])[1])  # type: ignore[index]
    rois: list[Roi] = []
    at = start + 1
    for _ in range(count):
        while at < len(rows) and _is_empty(rows[at]):
            at += 1
        if at >= len(rows) or len(rows[at]) < 2 or not (points := POINTS.fullmatch(rows[at][1])):
            raise RoiError(f"{path}: 'Number of Nifti ROIs = {count}' but {len(rois)} lists of voxels.")
        name, expected = rows[at][0], int(points[1])
        fields = rows[at][2:]
        at += 1
        while at < len(rows) and not _is_empty(rows[at]) and sum(map(bool, fields)) < expected:
            fields += rows[at]
            at += 1
        try:
            voxels = np.array([[int(v) for v in field.split()] for field in fields if field])
        except ValueError as error:
            raise RoiError(f"{path}: a list of voxels has a field that is not 'x y z'.") from error
        if voxels.shape != (expected, 3):
            raise RoiError(f"{path}: a list of voxels has {len(voxels)} of {expected} voxels.")
        index = voxels[:, ::-1].copy()  # z, y, x
        index[:, 0] = _from_feet(index[:, 0], geometry)
        rois.append(_roi_of_voxels(path, name, index, geometry))
    return rois


def _roi_of_voxels(path: Path, name: str, index: npt.NDArray[np.int64], geometry: Geometry) -> Roi:
    if index.min() < 0 or np.any(index >= geometry.shape):
        raise RoiError(f"{path}: a ROI has voxels beyond the PET of {geometry.shape} (z, y, x) voxels.")
    corner = index.min(axis=0)
    mask = np.zeros(index.max(axis=0) - corner + 1, bool)
    mask[tuple((index - corner).T)] = True
    return Roi(name, (int(corner[0]), int(corner[1]), int(corner[2])), mask)


def _from_feet(z: npt.NDArray[np.int64], geometry: Geometry) -> npt.NDArray[np.int64]:
    """Array index of slices counted from the feet (0-based)."""
    return z if _array_starts_at_feet(geometry) else geometry.shape[0] - 1 - z


def _array_starts_at_feet(geometry: Geometry) -> bool:
    """LPS z grows towards the head; the slice direction's z tells which end comes first in the array."""
    return geometry.direction[8] > 0


def _table(path: Path, rows: Rows, count: int) -> list[tuple[str, str]]:
    """(SUVmax, SUVmean) as printed, one per ROI."""
    found = rows[1 : 1 + count]
    if len(found) < count or any(len(row) <= MAX_COLUMN for row in found):
        raise RoiError(
            f"{path}: its results table has not one row of {MAX_COLUMN + 1} columns for each of {count} ROIs."
        )
    return [(row[MAX_COLUMN], row[MEAN_COLUMN]) for row in found]


def _threshold(path: Path, rows: Rows) -> Callable[[npt.NDArray], npt.NDArray]:
    """What of a ROI's values counts in the table: those at or above the threshold of the last row."""
    text = next((row[0] for row in reversed(rows) if not _is_empty(row)), "")
    try:
        number = float(text.rstrip("% "))
    except ValueError as error:
        raise RoiError(f"{path}: its last row must be the SUV threshold. Received: {text!r}.") from error
    if text.endswith("%"):
        return lambda values: values[values >= number / 100 * values.max(initial=0)]
    return lambda values: values[values >= number]


def _rasterise(path: Path, roi: Drawn, geometry: Geometry, fill: Fill) -> Roi:
    """A drawn ROI on the PET grid."""
    shape = geometry.shape
    plane_axes = [axis for axis in range(3) if axis != roi.axis]
    plane = (shape[plane_axes[0]], shape[plane_axes[1]])
    if roi.first < 1 or roi.last > shape[roi.axis]:
        raise RoiError(
            f"{path}: a ROI spans slices {roi.first} to {roi.last}; the PET has {shape[roi.axis]} in that direction."
        )
    points = roi.points[:, ::-1]  # file: x y (axial), x z (coronal), y z (sagittal)
    if roi.ellipsoid:
        sections = [_ellipse(roi, points, plane, number) for number in range(roi.first, roi.last + 1)]
    else:
        sections = [fill(points, plane)] * (roi.last - roi.first + 1)
    stack = np.stack(sections)  # in the file's own order
    if roi.axis == 0:  # axial slices count from the head
        start = int(_from_feet(np.array([shape[0] - roi.first, shape[0] - roi.last]), geometry).min())
        stack = stack[::-1] if _array_starts_at_feet(geometry) else stack
    else:
        start = roi.first - 1
        stack = stack if _array_starts_at_feet(geometry) else stack[:, ::-1]
    corner = tuple(start if axis == roi.axis else 0 for axis in range(3))
    return Roi.from_mask(roi.name, np.moveaxis(stack, 0, roi.axis), (corner[0], corner[1], corner[2]))


def _ellipse(roi: Drawn, points: npt.NDArray, plane: tuple[int, int], number: int) -> npt.NDArray[np.bool_]:
    """Section of an ellipsoid: full in the middle plane, shrinking with the square root to both ends."""
    middle, half = (roi.first + roi.last) / 2, (roi.last - roi.first) / 2
    shrink = 1.0 if half == 0 else math.sqrt(max(0.0, half**2 - (number - middle) ** 2)) / half
    centre, on_x, on_y = points[:3]
    radius = np.abs([on_y[0] - centre[0], on_x[1] - centre[1]]) * shrink
    if radius.min() <= 0:
        return np.zeros(plane, bool)
    rows, columns = np.ogrid[: plane[0], : plane[1]]
    return ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 <= 1


def _centres(loop: npt.NDArray, plane: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Points are pixel centres; a centre on the outline is in on the sides of low index (Java's Polygon)."""
    return fill_loops([loop], plane)


def _outline_in(loop: npt.NDArray, plane: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Points are pixel centres; a centre on the outline is in."""
    return np.any(_nudged(loop, plane), axis=0)


def _outline_out(loop: npt.NDArray, plane: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Points are pixel centres; a centre on the outline is out."""
    return np.all(_nudged(loop, plane), axis=0)


def _corners(loop: npt.NDArray, plane: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Points are the corners of low index of pixels (ImageJ's drawing)."""
    return fill_loops([loop - 0.5], plane)


def _nudged(loop: npt.NDArray, plane: tuple[int, int]) -> list[npt.NDArray[np.bool_]]:
    return [fill_loops([loop + np.array([dy, dx])], plane) for dy in (-1e-4, 1e-4) for dx in (-1e-4, 1e-4)]


# The rules by which a pixel is inside a polygon, in the order in which they are tried.
OUTLINES: tuple[Fill, ...] = (_centres, _outline_in, _outline_out, _corners)


def _first_difference(
    path: Path,
    rois: Sequence[Roi],
    table: Sequence[tuple[str, str]],
    suv: npt.NDArray,
    keep: Callable[[npt.NDArray], npt.NDArray],
) -> str | None:
    """The first ROI whose SUVmax or SUVmean is not that of the table, as a sentence."""
    for number, (roi, printed) in enumerate(zip(rois, table), start=1):
        values = keep(roi.values(suv)).astype(np.float64)
        measured = (values.max(), values.mean()) if values.size else (0.0, 0.0)
        for name, text, value in zip(("SUVmax", "SUVmean"), printed, measured):
            if not _matches(text, value):
                return (
                    f"{path}: {name} of ROI {number} is {text} in the file's own table and {value:.4g} on this PET: "
                    "another image, another SUV, or a file that is not understood."
                )
    return None


def _matches(text: str, value: float) -> bool:
    try:
        printed = float(text or 0)
    except ValueError:
        return False
    if not math.isfinite(printed):
        return value == 0
    decimals = len(text.partition(".")[2]) if "e" not in text.lower() else 6
    return abs(printed - value) <= TABLE_TOLERANCE * abs(value) + 0.5 * 10**-decimals
