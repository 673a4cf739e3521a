"""What a reader changes: lesions or regions taken out, missed ones added by a point. Results say what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess.ball import RELATIVE_TOLERANCE, ball
from postprocess.components import IntVector, foreground, label_voxels
from postprocess.methods import VOTERS, Method, parse_method
from postprocess.peak import sphere_means
from postprocess.segmentation import Segmentation

# A click need not hit the hottest voxel: the maximum is looked for in the region of SUV >= 70 % of the voxel clicked
# (Burggraaff et al., Mol Imaging Biol 2020;22:1102, methods).
ROBUST_MAXIMUM_FRACTION = 0.7
SEED_LIMIT_MM = 30.0
# A click beside a lesion means its hottest voxel, if that is within this distance.
SNAP_MM = 10.0


@dataclass(frozen=True)
class Edits:
    """A reader's changes to one case.

    Attributes
    ----------
    exclude : (method, label) of lesions to take out, numbered as in the unedited result. A lesion of a method whose
        lesions are parts takes its whole part out of every method; any other its voxels.
    seeds_mm : LPS points (x, y, z); each adds the component of SUV over a method's threshold that holds it
    seed_limit_mm : that component ends at this distance from its point
    """

    exclude: tuple[tuple[str, int], ...] = ()
    seeds_mm: tuple[tuple[float, float, float], ...] = ()
    seed_limit_mm: float = SEED_LIMIT_MM

    def __post_init__(self) -> None:
        if not self.seed_limit_mm > 0:
            raise ParameterError(
                f"The growth limit of a seed must be positive. Received: {self.seed_limit_mm}."
            )


def excluded_voxels(work: Segmentation, exclude: Sequence[tuple[str, int]]) -> npt.NDArray[np.bool_]:
    """Which voxels of `work.index` the excluded lesions take out of every method.

    Raises
    ------
    ParameterError
        A label that its method does not have.
    """
    gone = np.zeros(work.index.size, bool)
    for method, label in exclude:
        lesions = work.lesions(method)
        members = np.searchsorted(work.index, lesions.index[lesions.label == label])
        if members.size == 0:
            raise ParameterError(
                f"--exclude {method}:{label}: there is no such lesion; {method} has {lesions.label.max(initial=0)}."
            )
        if work.instances is not None:
            gone |= work.parts == label
        elif parse_method(method, work.config).per_part:
            gone |= work.parts == work.parts[members[0]]
        else:
            gone[members] = True
    return gone


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
    at = np.rint(place).astype(int)
    name = ", ".join(f"{v:g}" for v in seed_mm)
    if (at < 0).any() or (at >= geometry.shape).any():
        raise ParameterError(f"The point {name} mm (LPS) lies outside the PET.")
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
    centre = np.rint(geometry.to_index(seed_mm)[0]).astype(int)
    if (centre < 0).any() or (centre >= geometry.shape).any():
        raise ParameterError(f"The point {tuple(seed_mm)} mm lies outside the PET.")
    near = ball(limit_mm, geometry.spacing_mm)
    reach = np.array(near.shape) // 2
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, geometry.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high))
    near = near[tuple(slice(a, b) for a, b in zip(low - centre + reach, high - centre + reach))]
    suv = work.suv[box]
    seed = tuple(centre - low)

    core = _holding(near & (suv >= ROBUST_MAXIMUM_FRACTION * suv[seed]), seed, work.config.connectivity)
    core_index = np.ravel_multi_index(tuple(np.argwhere(core).T + low[:, None]), geometry.shape)
    rule = parse_method("41" if method in ("raw", "parts") else method, work.config)
    over = _over_threshold(work, rule, suv, near, float(suv[core].max()), core_index)
    region = _holding(near & over, seed, work.config.connectivity)
    name = ", ".join(f"{v:g}" for v in seed_mm)
    warnings = []
    if not region.any():
        warnings.append(f"{method}: the point {name} mm is not over the threshold: nothing added.")
    elif (region & ~_inner(near)).any():
        warnings.append(f"{method}: the region of the point {name} mm was cut at {limit_mm:g} mm.")
    return np.ravel_multi_index(tuple(np.argwhere(region).T + low[:, None]), geometry.shape), warnings


def _over_threshold(
    work: Segmentation,
    rule: Method,
    suv: npt.NDArray,
    near: npt.NDArray[np.bool_],
    suv_max: float,
    core_index: IntVector,
) -> npt.NDArray[np.bool_]:
    from skimage.filters import threshold_otsu

    if rule.kind == "suv_above":
        return suv > rule.number
    if rule.kind == "suv_at_least":
        return suv >= rule.number
    if rule.kind == "suvmax_fraction":
        return suv >= suv.dtype.type(rule.number * suv_max)
    if rule.kind == "suvpeak_fraction":
        peak = sphere_means(work.suv, core_index, work.spacing_mm).max()
        return suv >= suv.dtype.type(rule.number * peak)
    if rule.kind == "otsu":
        values = suv[near]
        return suv > threshold_otsu(values, nbins=256) if values.min() < values.max() else near
    rules = [parse_method(voter, work.config) for voter in VOTERS]
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
