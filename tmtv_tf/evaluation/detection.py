"""Which lesions were missed, and which predicted ones are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from petct.image import Geometry


@dataclass(frozen=True)
class Focus:
    """A connected component of a mask; its centroid is in DICOM LPS mm."""

    volume_ml: float
    suv_max: float
    x_mm: float
    y_mm: float
    z_mm: float


def unmatched_components(
    mask: npt.NDArray[np.bool_],
    other: npt.NDArray[np.bool_],
    suv: npt.NDArray[np.floating],
    geometry: Geometry,
) -> tuple[list[Focus], int]:
    """The face-connected components of `mask` that share no voxel with `other`, and how many it has in all.

    The largest come first.
    With (reference, prediction) these are the missed lesions; with (prediction, reference) the false positives.
    An empty mask gives ([], 0). All arrays are (Z, Y, X) on the grid of `geometry`.
    """
    if not mask.any():
        return [], 0
    box = bounding_box(mask)
    labels, count = ndimage.label(mask[box])
    matched = np.unique(labels[other[box]])
    unmatched = np.setdiff1d(np.arange(1, count + 1), matched)
    corner = np.array([axis.start for axis in box])
    voxels = np.bincount(labels.ravel(), minlength=count + 1)
    foci = [
        Focus(float(voxels[i]) * geometry.voxel_ml, float(peak), *map(float, geometry.to_world(centre)[0]))
        for i, peak, centre in zip(
            unmatched,
            ndimage.maximum(suv[box], labels, unmatched),
            np.asarray(ndimage.center_of_mass(labels > 0, labels, unmatched)).reshape(-1, 3) + corner,
        )
    ]
    return sorted(foci, key=lambda focus: -focus.volume_ml), count
