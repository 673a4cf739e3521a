"""SUVpeak: the mean SUV of a 1 mL sphere, placed where that mean is highest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from postprocess._components import IntVector
from postprocess.ball import ball

# A sphere of 1 mL: (3 / (4 pi)) ** (1/3) cm. Wahl et al. 2009 (PERCIST) and IBSI (local intensity, section 3.2).
PEAK_RADIUS_MM = 6.2035


def sphere_means(
    suv: npt.NDArray[np.floating], index: IntVector, spacing_mm: tuple[float, float, float]
) -> npt.NDArray[np.float64]:
    """Mean SUV over the voxel centres within <= 6.2035 mm of each of the voxels with flat indices `index`.

    Voxels outside the lesion are included, those outside the image are left out. `suv` is (Z, Y, X).
    """
    footprint = ball(PEAK_RADIUS_MM, spacing_mm)
    reach = np.array(footprint.shape) // 2
    place = np.stack(np.unravel_index(index, suv.shape))
    size = np.array(suv.shape)[:, None]
    at_border = ((place < reach[:, None]) | (place >= size - reach[:, None])).any(axis=0)
    offsets = np.argwhere(footprint) - reach
    flat = suv.reshape(-1)
    inner = index[~at_border]
    total = np.zeros(inner.size)
    for dz, dy, dx in offsets:
        total += flat[inner + ((dz * suv.shape[1] + dy) * suv.shape[2] + dx)]
    mean = np.empty(index.size)
    mean[~at_border] = total / len(offsets)
    if at_border.any():
        mean[at_border] = _means_at_border(suv, place[:, at_border], offsets)
    return mean


def _means_at_border(
    suv: npt.NDArray[np.floating], place: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    total, count = np.zeros(place.shape[1]), np.zeros(place.shape[1])
    size = np.array(suv.shape)[:, None]
    for offset in offsets:
        there = place + offset[:, None]
        inside = ((there >= 0) & (there < size)).all(axis=0)
        total[inside] += suv[tuple(there[:, inside])]
        count += inside
    return total / count


def maximum_per_label(
    values: npt.NDArray[np.floating], label: npt.NDArray[np.integer], count: int | None = None
) -> npt.NDArray:
    """Maximum of `values` per label: entry k belongs to label k, -inf where a label does not occur."""
    size = (int(label.max(initial=0)) if count is None else count) + 1
    highest = np.full(size, -math.inf, values.dtype)
    np.maximum.at(highest, label, values)
    return highest
