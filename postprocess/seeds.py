"""A lesion that the map missed: found from a point in it, by the threshold of a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess._components import IntVector, foreground, label_voxels
from postprocess.ball import RELATIVE_TOLERANCE
from postprocess.methods import ADAPTIVE_ABOVE_PEAK, ADAPTIVE_SUV, Method, parse_method
from postprocess.peak import sphere_means
from postprocess.segmentation import Segmentation
from postprocess.thresholds import otsu_threshold, share_of

# A click need not hit the hottest voxel: the maximum is looked for in the region of SUV >= 70 % of the voxel clicked
# (Burggraaff et al., Mol Imaging Biol 2020;22:1102, methods).
ROBUST_MAXIMUM_FRACTION = 0.7
SEED_LIMIT_MM = 30.0
# A click beside a lesion means its hottest voxel, if that is within this distance.
SNAP_MM = 10.0


def voxel_of(geometry: Geometry, point_mm: Sequence[float]) -> IntVector:
    """The voxel (z, y, x) that holds an LPS point; one outside the image, or NaN, raises ParameterError."""
    place = geometry.to_index(point_mm)[0]
    if not ((place >= -0.5) & (place < np.array(geometry.shape) - 0.5)).all():
        name = ", ".join(f"{v:g}" for v in point_mm)
        raise ParameterError(f"The point {name} mm (LPS) lies outside the PET.")
    return np.floor(place + 0.5).astype(np.int64)


def snap_seed(
    suv: npt.NDArray, geometry: Geometry, seed_mm: Sequence[float], within_mm: float = SNAP_MM
) -> tuple[tuple[float, float, float], str]:
    """Move a reader's point to the hottest voxel centre within <= `within_mm` of it.

    Parameters
    ----------
    suv : (Z, Y, X) SUVbw
    geometry : its grid
    seed_mm : LPS point (x, y, z)
    within_mm : 0 keeps the point where it is

    Returns
    -------
    point_mm : LPS centre of that voxel; of several equally hot ones the nearest, then the first in (Z, Y, X)
        order. The point itself if the voxel that holds it is as hot as any.
    said : one sentence with the SUV at the point and, if it moved, where to, how far and the SUV there

    Raises
    ------
    ParameterError
        The point lies outside the image.
    """
    place = geometry.to_index(seed_mm)[0]
    at = voxel_of(geometry, seed_mm)
    name = ", ".join(f"{v:g}" for v in seed_mm)
    reach = np.ceil(within_mm / np.array(geometry.spacing_mm)).astype(int)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, geometry.shape)
    box = np.indices(high - low).reshape(3, -1).T + low
    distance_mm = np.linalg.norm((box - place) * geometry.spacing_mm, axis=1)
    near = (distance_mm <= within_mm * (1 + RELATIVE_TOLERANCE)) | (box == at).all(axis=1)
    box, distance_mm = box[near], distance_mm[near]
    values = suv[tuple(box.T)]
    hottest = np.lexsort((distance_mm, -values))[0]
    here = float(suv[tuple(at)])
    if values[hottest] <= here:
        return (
            float(seed_mm[0]),
            float(seed_mm[1]),
            float(seed_mm[2]),
        ), f"SUV {here:.2f} at the point {name} mm."
    x, y, z = geometry.to_world(box[hottest])[0].tolist()
    said = (
        f"SUV {here:.2f} at the point {name} mm; moved by {distance_mm[hottest]:.1f} mm to the hottest voxel within "
        f"{within_mm:g} mm, {x:g}, {y:g}, {z:g} mm (SUV {values[hottest]:.2f})."
    )
    return (x, y, z), said


def grow_seed(
    work: Segmentation, geometry: Geometry, seed_mm: Sequence[float], method: str, limit_mm: float
) -> tuple[IntVector, list[str]]:
    """Flat indices of the component of SUV over the method's threshold that holds a point, and warnings.

    Thresholds relative to a lesion refer to the region of SUV >= 70 % of the point's SUV; Otsu's to all voxels
    within `limit_mm`. `raw` and `parts`, which have no threshold, use that of `41`. None is over it: no voxel.

    Raises
    ------
    ParameterError
        The point lies outside the image.
    """
    centre = voxel_of(geometry, seed_mm)
    low, near = _within(centre, geometry, limit_mm)
    suv = work.suv[tuple(slice(a, a + n) for a, n in zip(low, near.shape))]
    seed = tuple(centre - low)

    core = _holding(near & (suv >= ROBUST_MAXIMUM_FRACTION * suv[seed]), seed, work.config.connectivity)
    core_index = np.ravel_multi_index(tuple(np.argwhere(core).T + low[:, None]), geometry.shape)
    rule = parse_method("41" if method in ("raw", "parts") else method, work.config)
    over = _over_threshold(work, rule, suv, near, float(suv[core].max()), core_index)
    region = _holding(near & over, seed, work.config.connectivity)
    name = ", ".join(f"{v:g}" for v in seed_mm)
    warnings = []
    if not region.any():
        warnings.append(f"the point {name} mm is not over the threshold: nothing added.")
    elif (region & ~_inner(near)).any():
        warnings.append(f"the region of the point {name} mm was cut at {limit_mm:g} mm.")
    return np.ravel_multi_index(tuple(np.argwhere(region).T + low[:, None]), geometry.shape), warnings


def _within(
    centre: IntVector, geometry: Geometry, limit_mm: float
) -> tuple[IntVector, npt.NDArray[np.bool_]]:
    """First voxel of the box around `centre` inside the image, and which of its voxels lie within <= `limit_mm`."""
    reach_mm = limit_mm * (1 + RELATIVE_TOLERANCE)
    shape = np.array(geometry.shape)
    reach = np.minimum(reach_mm / np.array(geometry.spacing_mm), shape).astype(int)
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, shape)
    z, y, x = np.ix_(
        *((np.arange(a, b) - c) * s for a, b, c, s in zip(low, high, centre, geometry.spacing_mm))
    )
    return low, z**2 + y**2 + x**2 <= reach_mm**2


def _over_threshold(
    work: Segmentation,
    rule: Method,
    suv: npt.NDArray,
    near: npt.NDArray[np.bool_],
    suv_max: float,
    core_index: IntVector,
) -> npt.NDArray[np.bool_]:
    if rule.kind == "suv_above":
        return suv > rule.number
    if rule.kind == "suv_at_least":
        return suv >= rule.number
    if rule.kind == "suvmax_fraction":
        return suv >= share_of(suv_max, rule.number, suv.dtype)
    peak = sphere_means(work.suv, core_index, work.spacing_mm).max()
    if rule.kind == "suvpeak_fraction":
        return suv >= share_of(peak, rule.number, suv.dtype)
    if rule.kind == "a50p":
        return suv >= share_of(peak + rule.number, 0.5, suv.dtype)
    if rule.kind == "adaptive" and peak > ADAPTIVE_ABOVE_PEAK:
        return suv > ADAPTIVE_SUV
    if rule.kind == "otsu":
        return suv > otsu_threshold(suv[near])
    rules = [parse_method(voter, work.config) for voter in rule.voters]
    votes: Any = sum(_over_threshold(work, r, suv, near, suv_max, core_index).astype(int) for r in rules)
    return votes >= rule.number


def _holding(mask: npt.NDArray[np.bool_], seed: tuple[int, ...], connectivity: int) -> npt.NDArray[np.bool_]:
    """The component of a mask that holds a voxel; nothing if the voxel is not in the mask."""
    if not mask[seed]:
        return np.zeros_like(mask)
    index = foreground(mask)
    label = label_voxels(index, mask.shape, connectivity)
    at = np.searchsorted(index, np.ravel_multi_index(seed, mask.shape))
    result = np.zeros(mask.size, bool)
    result[index[label == label[at]]] = True
    return result.reshape(mask.shape)


def _inner(near: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The voxels of a ball none of whose face neighbours lies beyond it."""
    from scipy.ndimage import binary_erosion

    return binary_erosion(near, border_value=1)
