"""Probability to mask, mask to connected components.

The foreground of a whole-body map is about one voxel in a thousand, so after one pass over the map all work
is done on the list of its voxels: ascending flat (C order) indices, and one value or label for each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError, ParameterError

IntVector = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]

# Rows of voxels (along X) that a row touches, as (dz, dy, reach along x); the opposite half follows by symmetry.
_NEIGHBOUR_ROWS = {
    6: ((0, 1, 0), (1, 0, 0)),
    18: ((0, 1, 1), (1, 0, 1), (1, -1, 0), (1, 1, 0)),
    26: ((0, 1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 1)),
}
_SLAB_VOXELS = 1 << 18  # voxels looked at together: they stay in the processor's cache


def threshold_probability(probability: npt.NDArray, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
    """The raw mask: voxels with probability > `threshold` (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    probability : (Z, Y, X), values in [0, 1]
    threshold : a voxel exactly on it is not kept

    Returns
    -------
    (Z, Y, X) bool

    Raises
    ------
    ImageError
        A value that is NaN or outside [0, 1].

    Examples
    --------
    >>> threshold_probability(np.array([[[0.4, 0.5, 0.6]]]))
    array([[[False, False,  True]]])
    """
    if probability.size:
        require_probability(float(probability.min()), float(probability.max()))
    return probability > threshold


def foreground(probability: npt.NDArray, threshold: float = 0.5) -> IntVector:
    """Ascending flat indices of the voxels with probability > `threshold`.

    Raises
    ------
    ImageError
        A value that is NaN or outside [0, 1].
    """
    return voxels_above(probability, threshold, check=require_probability)


def voxels_above(
    array: npt.NDArray, threshold: float = 0, check: Callable[[float, float], None] | None = None
) -> IntVector:
    """Ascending flat indices of the voxels > `threshold`; `check` sees the lowest and highest value of each slab."""
    found = []
    planes = max(1, _SLAB_VOXELS // max(1, array[:1].size))
    for z in range(0, array.shape[0], planes):
        slab = array[z : z + planes].reshape(-1)
        if check is not None and slab.dtype != bool and slab.size:
            check(float(slab.min()), float(slab.max()))
        index = np.flatnonzero(slab > threshold)
        if index.size:
            found.append(index + z * array[0].size)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def label_components(mask: npt.NDArray[np.bool_], connectivity: int = 6) -> Labels:
    """Connected components of a mask (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    mask : (Z, Y, X) bool
    connectivity : 6 (faces), 18 (and edges) or 26 (and corners)

    Returns
    -------
    (Z, Y, X) int32
        Labels 1..N by descending volume, ties by the first voxel in (Z, Y, X) order; 0 is background. An empty
        mask gives all zeros.

    Examples
    --------
    >>> label_components(np.array([[[True, False, True, True]]]))
    array([[[2, 0, 1, 1]]], dtype=int32)
    """
    index = voxels_above(mask)
    return paint(index, label_voxels(index, mask.shape, connectivity), mask.shape)


def label_voxels(index: IntVector, shape: tuple[int, ...], connectivity: int = 6) -> Labels:
    """Component (1..N, ordered as in `label_components`) of each voxel in a list of ascending flat indices.

    The nodes of the graph are runs of voxels along X, its edges join runs that touch in neighbouring rows.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if connectivity not in _NEIGHBOUR_ROWS:
        raise ParameterError(f"Connectivity must be 6, 18 or 26. Received: {connectivity}.")
    if index.size == 0:
        return np.empty(0, np.int32)
    _, height, width = shape
    begins = np.concatenate(([True], (np.diff(index) != 1) | (index[1:] % width == 0)))
    first = np.flatnonzero(begins)
    length = np.diff(np.append(first, index.size))
    start = index[first]
    stop = start + length

    row_start = start - start % width
    y = start // width % height
    here, there = [], []
    for dz, dy, reach in _NEIGHBOUR_ROWS[connectivity]:
        shift = (dz * height + dy) * width
        inside = np.flatnonzero((y + dy >= 0) & (y + dy < height))
        low = np.maximum(start[inside] - reach, row_start[inside]) + shift
        high = np.minimum(stop[inside] + reach, row_start[inside] + width) + shift
        left = np.searchsorted(stop, low, side="right")
        count = np.maximum(np.searchsorted(start, high, side="left") - left, 0)
        here.append(np.repeat(inside, count))
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        there.append(np.repeat(left, count) + within)
    rows, columns = np.concatenate(here), np.concatenate(there)
    graph = coo_matrix((np.ones(rows.size, np.int8), (rows, columns)), shape=(start.size, start.size))
    _, component = connected_components(graph, directed=False)
    return order_by_volume(np.repeat(component + 1, length))


def order_by_volume(label: npt.NDArray[np.integer]) -> Labels:
    """Renumber labels 1..N by descending number of voxels, ties by their first voxel; 0 stays 0."""
    count = np.bincount(label)
    first = np.empty(count.size, np.int64)
    first[label[::-1]] = np.arange(label.size - 1, -1, -1)  # the last assignment, of the first voxel, stays
    names = np.flatnonzero(count)
    names = names[names != 0]
    ranked = names[np.lexsort((first[names], -count[names]))]
    number = np.zeros(count.size, np.int32)
    number[ranked] = np.arange(1, ranked.size + 1, dtype=np.int32)
    return number[label]


def paint(index: IntVector, label: npt.NDArray, shape: tuple[int, ...]) -> Labels:
    """A label volume (Z, Y, X), int32, from a list of voxels and their labels."""
    labels = np.zeros(shape, np.int32)
    labels.reshape(-1)[index] = label
    return labels


def require_probability(lowest: float, highest: float) -> None:
    """Refuse a map whose lowest and highest value are not in [0, 1]."""
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ImageError("The probability map holds NaN or infinite values.")
    if lowest < 0 or highest > 1:
        kind = (
            "These look like logits: apply the sigmoid or softmax first."
            if lowest < 0
            else ("Labels or a mask belong to --mask; scaled integers need their scale factor in the file.")
        )
        raise ImageError(f"Probabilities must be in [0, 1]. Received: {lowest:g} to {highest:g}. {kind}")
