"""The engine under section 2.5: a mask and its connected components, as lists of voxels. Private.

The foreground of a whole-body map is about one voxel in a thousand, so after one pass over the map all work
is done on the list of its voxels: ascending flat (C order) indices, and one value or label for each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from petct import checks

IntVector = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]

# Rows of voxels (along X) that a row touches, as (dz, dy, reach along x); the opposite half follows by symmetry.
_NEIGHBOUR_ROWS = {
    6: ((0, 1, 0), (1, 0, 0)),
    18: ((0, 1, 1), (1, 0, 1), (1, -1, 0), (1, 1, 0)),
    26: ((0, 1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 1)),
}
_SLAB_VOXELS = 1 << 18  # voxels looked at together: they stay in the processor's cache


def foreground(probability: npt.NDArray, threshold: float = 0.5) -> IntVector:
    """Ascending flat indices of the voxels with probability > `threshold`.

    Raises
    ------
    ImageError
        A value that is NaN or outside [0, 1].
    """
    return voxels_above(probability, threshold, check=checks.require_probability)


def labelled(labels: npt.NDArray[np.integer]) -> tuple[IntVector, Labels]:
    """The voxels of a label image (Z, Y, X): ascending flat indices, and the label > 0 of each.

    Raises
    ------
    ImageError
        A label that is negative or above 65535.
    """
    index = voxels_above(labels, check=checks.require_label_range)
    return index, labels.reshape(-1)[index].astype(np.int32)


def checked_voxels(labels: npt.NDArray, suv: npt.NDArray) -> tuple[IntVector, Labels, npt.NDArray]:
    """`labelled` with the SUV of each voxel; refuses other arrays, other shapes, and SUV that are not finite."""
    checks.require_same_shape(labels=checks.require_labels(labels), suv=checks.require_volume("suv", suv))
    index, label = labelled(labels)
    values = suv.reshape(-1)[index]
    values = values if values.dtype.kind == "f" else values.astype(np.float32)
    checks.require_finite(values)
    return index, label, values


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


def label_voxels(index: IntVector, shape: tuple[int, ...], connectivity: int = 6) -> Labels:
    """Component (1..N by descending volume, ties by the first voxel) of each voxel in a list of ascending flat indices.

    The nodes of the graph are runs of voxels along X, its edges join runs that touch in neighbouring rows.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

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


def is_member(index: IntVector, voxels: IntVector) -> npt.NDArray[np.bool_]:
    """Which of some flat indices are among others, which ascend."""
    if not voxels.size:
        return np.zeros(index.size, bool)
    found = (index >= voxels[0]) & (index <= voxels[-1])  # the voxels of a lesion are near each other
    near = index[found]
    found[found] = voxels[np.searchsorted(voxels, near)] == near
    return found


def union(index: IntVector, voxels: IntVector) -> IntVector:
    """Two lists of ascending flat indices as one."""
    # A stable sort merges two sorted runs in one pass; np.union1d hashes every voxel.
    return np.sort(np.concatenate([index, voxels[~is_member(voxels, index)]]), kind="stable")


def numbers_of(label: npt.NDArray[np.integer]) -> IntVector:
    """The distinct labels >= 0, ascending."""
    return np.flatnonzero(np.bincount(label))


def lowest_touched(
    new: IntVector,
    component: Labels,
    index: IntVector,
    label: Labels,
    shape: tuple[int, ...],
    connectivity: int,
) -> Labels:
    """For each component 1..N of new voxels the lowest label among the voxels that touch it, 0 where none does.

    new, index : ascending flat indices, disjoint. Entry k belongs to component k; entry 0 is 0.
    """
    none = np.iinfo(np.int32).max
    lowest = np.full(int(component.max(initial=0)) + 1, none, np.int32)
    z, y, x = np.unravel_index(new, shape)
    steps = [
        step
        for step in np.ndindex(3, 3, 3)
        if 0 < sum(abs(s - 1) for s in step) <= {6: 1, 18: 2, 26: 3}[connectivity]
    ]
    for step in steps if index.size else ():
        dz, dy, dx = (s - 1 for s in step)
        inside = (z + dz >= 0) & (z + dz < shape[0]) & (y + dy >= 0) & (y + dy < shape[1])
        inside &= (x + dx >= 0) & (x + dx < shape[2])
        there = new + (dz * shape[1] + dy) * shape[2] + dx
        at = np.minimum(np.searchsorted(index, there), index.size - 1)
        touches = inside & (index[at] == there)
        np.minimum.at(lowest, component[touches], label[at[touches]])
    lowest[lowest == none] = 0
    lowest[0] = 0
    return lowest


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
