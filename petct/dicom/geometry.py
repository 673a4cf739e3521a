"""The order of the slices of a series and the grid they make, from their headers: checked, never resampled.

Rules: DICOM PS3.3 C.7.6.2 (image plane).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.dicom.headers import Instance, Series
from petct.dicom.values import tag_name, whole_number
from petct.errors import DicomError
from petct.image import Geometry

# A slice may lie this share of the spacing away from its place on the uniform grid; warned of above the second.
PLACE_TOLERANCE = 0.10
PLACE_WARNING = 0.01
# A gap above this many times the median gap means that a slice is missing; below half of it, one too many.
MISSING_SLICE_GAP = 1.5
DOUBLED_SLICE_GAP = 0.5
# Direction cosines may differ by this between slices, and from an orthonormal pair.
COSINE_TOLERANCE = 1e-3
# In-plane spacing may differ by this share between slices.
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SortedSlices:
    """The files of a series in order along the slice normal, and the grid they make."""

    instances: tuple[Instance, ...]
    geometry: Geometry
    warnings: tuple[str, ...]


def sort_slices(series: Series) -> SortedSlices:
    """Order the slices along their normal and check that they make one uniform grid. Reads no file.

    Raises
    ------
    DicomError
        As for `read_volume`, all that does not concern pixels.
    """
    for conflict in series.conflicts:
        raise DicomError(conflict)
    if series.damaged:
        raise DicomError(
            f"{series.damaged[0]}: not readable as DICOM, and it may be or hold a slice of the {series.modality} "
            "series in the same folder; repair it, or remove it if it is not."
        )
    first = series.instances[0]
    row, column, pixel_spacing = _check_planes(series)
    normal = np.cross(row, column)
    if np.abs(normal).argmax() != 2:
        raise DicomError(
            f"{first.path}: {tag_name('ImageOrientationPatient')} is {list(first.orientation or ())}: the slices "
            "are not axial; only axial and oblique-axial slices are read."
        )
    if len(series.instances) < 2:
        raise DicomError(f"{first.path}: the only slice of its series; a volume needs at least two.")
    instances = sorted(series.instances, key=lambda i: float(np.dot(normal, i.position_mm or ())))
    positions = np.array([instance.position_mm for instance in instances])
    spacing, warnings = _check_spacing(instances, positions, normal)
    rows, columns = int(first.rows or 0), int(first.columns or 0)
    geometry = Geometry(
        shape=(len(instances), rows, columns),
        spacing_mm=(spacing, pixel_spacing[0], pixel_spacing[1]),
        origin_mm=(float(positions[0, 0]), float(positions[0, 1]), float(positions[0, 2])),
        direction=tuple(float(v) for v in np.stack([row, column, normal], axis=1).ravel()),
    )
    warnings += _check_order(instances)
    declared = whole_number(series.header, "NumberOfSlices") or 0
    if series.modality == "PT" and declared > len(instances):
        warnings.append(
            f"NumberOfSlices (0054,0081) is {declared}, but {len(instances)} slices are here: "
            "part of the body may be missing."
        )
    if series.unread:
        warnings.append(
            f"{series.unread[0]}: this folder beside the series cannot be read; slices in it are missing here."
        )
    return SortedSlices(tuple(instances), geometry, tuple(warnings))


def _check_planes(series: Series) -> tuple[npt.NDArray, npt.NDArray, tuple[float, float]]:
    """Row and column direction (unit vectors) and (row, column) spacing, the same in every slice."""
    first = series.instances[0]
    for instance in series.instances:
        for keyword, value in (
            ("ImagePositionPatient", instance.position_mm),
            ("ImageOrientationPatient", instance.orientation),
            ("PixelSpacing", instance.pixel_spacing_mm),
            ("Rows", instance.rows),
            ("Columns", instance.columns),
        ):
            numbers = (value,) if isinstance(value, int) else value
            if not numbers or not all(map(math.isfinite, numbers)):
                raise DicomError(f"{instance.path}: {tag_name(keyword)} is missing or not made of numbers.")
        spacing = instance.pixel_spacing_mm or ()
        if min(spacing) <= 0 or not instance.rows or not instance.columns:
            raise DicomError(
                f"{instance.path}: {tag_name('PixelSpacing')} is {list(spacing)}; it must be positive."
            )
        if (instance.rows, instance.columns) != (first.rows, first.columns):
            raise DicomError(
                f"{instance.path}: its matrix is {instance.rows} x {instance.columns}, that of {first.path} is "
                f"{first.rows} x {first.columns}; all slices of a series must have one size."
            )
        if not np.allclose(spacing, first.pixel_spacing_mm or (), rtol=SPACING_TOLERANCE, atol=0):
            raise DicomError(
                f"{instance.path}: {tag_name('PixelSpacing')} is {list(spacing)}, that of {first.path} is "
                f"{list(first.pixel_spacing_mm or ())}; all slices of a series must have one."
            )
        if not np.allclose(
            instance.orientation or (), first.orientation or (), rtol=0, atol=COSINE_TOLERANCE
        ):
            raise DicomError(
                f"{instance.path}: {tag_name('ImageOrientationPatient')} is {list(instance.orientation or ())}, "
                f"that of {first.path} is {list(first.orientation or ())}; all slices must have one orientation."
            )
    row, column = np.reshape(first.orientation or (), (2, 3))
    products = (row @ row, column @ column, row @ column)
    if not np.allclose(products, (1, 1, 0), rtol=0, atol=COSINE_TOLERANCE):
        raise DicomError(
            f"{first.path}: {tag_name('ImageOrientationPatient')} is {list(first.orientation or ())}: "
            "not two perpendicular unit vectors."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    dy, dx = first.pixel_spacing_mm or (0.0, 0.0)
    return row, column, (float(dy), float(dx))


def _check_spacing(
    instances: list[Instance], positions: npt.NDArray, normal: npt.NDArray
) -> tuple[float, list[str]]:
    """The uniform spacing (last - first) / (n - 1), or a refusal naming the slice at fault."""
    along = positions @ normal
    gaps = np.diff(along)
    median = float(np.median(gaps))
    by_uid = {instance.sop_instance_uid: instance for instance in reversed(instances)}
    for k, gap in enumerate(gaps):
        before, after = instances[k].path, instances[k + 1].path
        if gap < DOUBLED_SLICE_GAP * median or gap <= 0:
            uid = instances[k].sop_instance_uid
            copy = (
                " Both carry one SOPInstanceUID (0008,0018): the input holds the series twice. Give one copy of it."
                if uid and uid == instances[k + 1].sop_instance_uid
                else ""
            )
            raise DicomError(
                f"{after}: a doubled slice, {gap:.3f} mm from {before} (ImagePositionPatient (0020,0032); the "
                f"median gap is {median:.3f} mm).{copy}"
            )
        if gap > MISSING_SLICE_GAP * median:
            raise DicomError(
                f"{after}: a slice is missing between it and {before}: {gap:.3f} mm apart "
                f"(ImagePositionPatient (0020,0032)), the median gap is {median:.3f} mm."
            )
    if len(by_uid) < len(instances) and "" not in by_uid:
        twice = next(i for i in instances if by_uid[i.sop_instance_uid] is not i)
        raise DicomError(
            f"{twice.path}: carries the same SOPInstanceUID (0008,0018) as "
            f"{by_uid[twice.sop_instance_uid].path}, at another position."
        )
    spacing = float(along[-1] - along[0]) / (len(instances) - 1)
    places = positions[0] + np.arange(len(instances))[:, None] * spacing * normal
    distance = np.linalg.norm(positions - places, axis=1)
    worst = int(distance.argmax())
    share = float(distance[worst]) / spacing
    if share > PLACE_TOLERANCE:
        raise DicomError(
            f"{instances[worst].path}: ImagePositionPatient (0020,0032) is {distance[worst]:.3f} mm from its "
            f"place on a uniform grid of {spacing:.4f} mm ({100 * share:.0f} % of the spacing; at most "
            f"{100 * PLACE_TOLERANCE:.0f} % is accepted)."
        )
    warnings = []
    if share > PLACE_WARNING:
        warnings.append(
            f"Slices lie up to {distance[worst]:.3f} mm ({100 * share:.1f} % of the spacing) from a uniform grid of "
            f"{spacing:.4f} mm; that grid is used and no voxel is changed."
        )
    return spacing, warnings


def _check_order(instances: list[Instance]) -> list[str]:
    """Whether InstanceNumber and SliceLocation run with the positions (in either direction); mostly they do.

    Where both are there and neither does, two positions were swapped: refused. One alone is mentioned.
    """
    against = {}
    for keyword, values in (
        ("InstanceNumber", [instance.number for instance in instances]),
        ("SliceLocation", [instance.location_mm for instance in instances]),
    ):
        if None in values or len(set(values)) < len(values):
            continue
        steps = np.sign(np.diff(np.array(values, float)))
        rises = np.count_nonzero(steps > 0)
        if 0 < rises < len(steps):
            odd = int(np.flatnonzero(steps == (-1 if 2 * rises >= len(steps) else 1))[0]) + 1
            against[keyword] = (instances[odd].path, values[odd])
    if not against:
        return []
    names = " and ".join(f"{tag_name(keyword)} ({value:g})" for keyword, (_, value) in against.items())
    path = next(iter(against.values()))[0]
    if len(against) == 2:
        raise DicomError(
            f"{path}: {names} contradict ImagePositionPatient (0020,0032): along it they rise and fall; were "
            "positions swapped?"
        )
    return [f"{names} of a slice does not follow ImagePositionPatient (0020,0032), which alone was used."]
