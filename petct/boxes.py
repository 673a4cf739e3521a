"""Boxes around what is in a mask, so that work is done there and not on the whole image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def bounding_box(*masks: npt.NDArray[np.bool_], margin: Sequence[int] | None = None) -> tuple[slice, ...]:
    """The smallest box that holds every True voxel of all masks.

    Parameters
    ----------
    masks : of one shape, any number of axes
    margin : voxels to add on both sides of each axis, cut at the first voxel but not at the last

    Returns
    -------
    tuple of slice
        One per axis; all empty if no voxel is True.
    """
    box = []
    for axis in range(masks[0].ndim):
        others = tuple(other for other in range(masks[0].ndim) if other != axis)
        used = np.flatnonzero(np.logical_or.reduce([mask.any(axis=others) for mask in masks]))
        more = 0 if margin is None else margin[axis]
        box.append(slice(max(int(used[0]) - more, 0), int(used[-1]) + 1 + more) if used.size else slice(0, 0))
    return tuple(box)
