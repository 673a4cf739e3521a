"""The engine under section 2.5: the watershed that splits coalescent masses; markers are our own rule. Private."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from postprocess._components import IntVector, Labels, order_by_volume
from postprocess.ball import RELATIVE_TOLERANCE, ball

# "Over 30 mL" leaves room for spacings stored in single precision.
VOLUME_TOLERANCE = 1e-6
_GATHERED = 1 << 20  # values compared at once
_PLATEAU = 64  # more candidates of one height are tested together


def split_voxels(
    index: IntVector,
    label: Labels,
    values: npt.NDArray[np.floating],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    *,
    above_ml: float,
    peak_distance_mm: float,
    connectivity: int,
) -> Labels:
    """Split labels over `above_ml`: flat indices, labels 1..N and SUVs of a list of voxels; their new labels."""
    count = np.bincount(label)
    limit_mm3 = above_ml * 1000 * (1 + VOLUME_TOLERANCE)
    large = np.flatnonzero(count * math.prod(spacing_mm) > limit_mm3)
    large = large[large > 0]
    if large.size == 0:
        return order_by_volume(label)
    by_label = np.argsort(label, kind="stable")
    ends = np.cumsum(count)
    result = label.astype(np.int64)
    unused = int(label.max()) + 1
    for k in large:
        members = by_label[ends[k] - count[k] : ends[k]]
        parts = _split(
            np.stack(np.unravel_index(index[members], shape)),
            values[members],
            spacing_mm,
            peak_distance_mm,
            connectivity,
        )
        result[members] = unused + parts
        unused += int(parts.max()) + 1
    return order_by_volume(result)


def find_peaks(
    suv: npt.NDArray[np.floating], spacing_mm: tuple[float, float, float], distance_mm: float
) -> npt.NDArray[np.bool_]:
    """Voxels that no voxel within <= `distance_mm` exceeds; `suv` (Z, Y, X) is -inf outside the component."""
    from scipy.ndimage import distance_transform_edt, maximum_filter

    # A peak is also the highest in every box that fits into the ball: a quick filter that leaves few candidates.
    sides = [2 * int(distance_mm / math.sqrt(3) / s) + 1 for s in spacing_mm]
    candidate = (suv == maximum_filter(suv, sides, mode="constant", cval=-np.inf)) & np.isfinite(suv)
    highest = suv.max(initial=-np.inf)
    heights, count = np.unique(suv[candidate], return_counts=True)
    for height in heights[(count > _PLATEAU) & (heights < highest)]:
        to_higher_mm = distance_transform_edt(suv <= height, sampling=spacing_mm)
        candidate[(suv == height) & (to_higher_mm <= distance_mm * (1 + RELATIVE_TOLERANCE))] = False
    at = np.argwhere(candidate)
    at = at[np.isin(suv[candidate], heights[(count <= _PLATEAU) & (heights < highest)])]
    lower = at[suv[tuple(at.T)] < _maximum_around(suv, at, ball(distance_mm, spacing_mm))]
    candidate[tuple(lower.T)] = False
    return candidate


def _maximum_around(
    suv: npt.NDArray[np.floating], at: npt.NDArray[np.int64], footprint: npt.NDArray[np.bool_]
) -> npt.NDArray[np.floating]:
    """The maximum of `suv` over the footprint around each of the points `at` (N, 3)."""
    padded = np.pad(suv, [(n // 2, n // 2) for n in footprint.shape], constant_values=-np.inf)
    offset = np.ravel_multi_index(tuple(np.argwhere(footprint).T), padded.shape)
    corner = np.ravel_multi_index(tuple(at.T), padded.shape)  # of the footprint's box, in the padded volume
    highest = np.empty(len(at), suv.dtype)
    block = max(1, _GATHERED // offset.size)
    for i in range(0, len(at), block):
        highest[i : i + block] = padded.reshape(-1)[corner[i : i + block, None] + offset].max(axis=1)
    return highest


def _split(
    coordinates: npt.NDArray[np.int64],
    values: npt.NDArray[np.floating],
    spacing_mm: tuple[float, float, float],
    peak_distance_mm: float,
    connectivity: int,
) -> npt.NDArray[np.int64]:
    """Part (0, 1, ...) of each voxel of one component; coordinates (3, N) in z, y, x."""
    from skimage.measure import label as label_equal
    from skimage.segmentation import watershed

    place = tuple(coordinates - coordinates.min(axis=1, keepdims=True))
    suv = np.full([int(c.max()) + 1 for c in place], -np.inf, values.dtype)
    suv[place] = values
    peaks = find_peaks(suv, spacing_mm, peak_distance_mm)
    if np.count_nonzero(peaks) < 2:
        return np.zeros(values.size, np.int64)
    rank = np.zeros(suv.shape, np.int32)  # equal SUV, equal rank: `label_equal` joins neighbours of one rank
    rank[peaks] = np.unique(suv[peaks], return_inverse=True)[1] + 1
    markers, n = label_equal(rank, connectivity=1, return_num=True)
    if n < 2:
        return np.zeros(values.size, np.int64)
    inside = suv > -np.inf
    neighbours = {6: 1, 18: 2, 26: 3}[connectivity]
    # A label that is not connected may hold voxels that no marker reaches: they stay together as part 0.
    return watershed(-suv, markers, connectivity=neighbours, mask=inside)[place]
