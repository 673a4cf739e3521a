"""Into which groups a lesion that the reader wants to split falls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from postprocess._components import Labels, is_member, label_voxels, order_by_volume
from postprocess._watershed import split_voxels
from postprocess.edited import EditedLesions

# Nearer than this, two peaks are one to a PET camera.
PEAK_DISTANCES_MM = (20.0, 10.0, 5.0)


def groups_of(state: EditedLesions, label: int, voxels: npt.NDArray[np.int64]) -> Labels:
    """Groups 1..N, by descending volume, of the voxels of a lesion and its part (ascending flat indices).

    The lesion falls into its parts, where it has several (a component that section 2.5 split); else into its pieces,
    where it is not connected; else by the watershed of section 2.5 without its 30 mL, at the largest of
    `PEAK_DISTANCES_MM` that finds two peaks. What of its part is below the threshold goes with the group it touches.

    Raises
    ------
    ParameterError
        It has one peak only.
    """
    own = state.index[state.label == label]
    groups = _groups(state, own)
    if groups.max(initial=0) < 2:
        raise ParameterError(
            f"Lesion {label} under {state.method} has no two peaks {PEAK_DISTANCES_MM[-1]:g} mm apart to split it by."
        )
    if voxels.size == own.size:
        return groups
    return order_by_volume(_flooded(state, voxels, own, groups))


def _groups(state: EditedLesions, own: npt.NDArray[np.int64]) -> Labels:
    work = state.work
    parts = np.zeros(own.size, np.int32)
    inside = is_member(own, work.index)
    parts[inside] = work.parts[np.searchsorted(work.index, own[inside])]
    if np.unique(parts).size > 1:
        return order_by_volume(parts + 1)
    shape, connectivity = work.suv.shape, work.config.connectivity
    groups = label_voxels(own, shape, connectivity)
    values = work.suv.reshape(-1)[own]
    for distance_mm in PEAK_DISTANCES_MM:
        if groups.max(initial=0) > 1:
            break
        groups = split_voxels(
            own,
            groups,
            values,
            shape,
            work.spacing_mm,
            above_ml=0.0,
            peak_distance_mm=distance_mm,
            connectivity=connectivity,
        )
    return groups


def _flooded(
    state: EditedLesions, voxels: npt.NDArray[np.int64], own: npt.NDArray[np.int64], groups: Labels
) -> Labels:
    """The groups of `own` spread over `voxels`, the hotter first; what none of them reaches is of group 1."""
    from skimage.segmentation import watershed

    shape = state.work.suv.shape
    place = np.stack(np.unravel_index(voxels, shape))
    low = place.min(axis=1, keepdims=True)
    at = tuple(place - low)
    suv = np.full(place.max(axis=1) - low[:, 0] + 1, -np.inf, state.work.suv.dtype)
    suv[at] = state.work.suv.reshape(-1)[voxels]
    markers = np.zeros(suv.shape, np.int32)
    markers[tuple(np.stack(np.unravel_index(own, shape)) - low)] = groups
    spread = watershed(-suv, markers, mask=suv > -np.inf)[at].astype(np.int32)
    return np.where(spread == 0, 1, spread)
