"""Which voxels of each part a method keeps. Parts are lists: SUVs and labels 1..N, one entry a voxel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from postprocess.components import Labels
from postprocess.peak import maximum_per_label

Kept = npt.NDArray[np.bool_]


def threshold_suvmax_fraction(
    labels: Labels, suv: npt.NDArray[np.floating], fraction: float = 0.41
) -> Labels:
    """Keep in each label the voxels with SUV >= `fraction` of that label's SUVmax (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    labels : (Z, Y, X) label image; 0 is background
    suv : (Z, Y, X) SUVbw
    fraction : above 0 and at most 1. The threshold is rounded to the precision of `suv`, so that 4.1 is kept
        beside a maximum of 10.

    Returns
    -------
    (Z, Y, X) int32
        The same labels; voxels that are not kept become 0.

    Raises
    ------
    ParameterError
        `fraction` is not above 0 and at most 1: 41 for 0.41 would keep nothing.

    Examples
    --------
    >>> threshold_suvmax_fraction(np.array([[[1, 1, 1]]]), np.float32([[[10.0, 4.1, 4.0]]]))
    array([[[1, 1, 0]]], dtype=int32)
    """
    if not 0 < fraction <= 1:
        hint = f" Did you mean {fraction / 100:g}?" if 1 < fraction <= 100 else ""
        raise ParameterError(f"The fraction of SUVmax must be in (0, 1]. Received: {fraction}.{hint}")
    kept = above_suvmax_fraction(suv.reshape(-1), labels.reshape(-1), fraction).reshape(labels.shape)
    return np.where(kept, labels, 0).astype(np.int32)


def above_suvmax_fraction(values: npt.NDArray, label: Labels, fraction: float) -> Kept:
    """SUV >= `fraction` * SUVmax of the voxel's part (41 %: Meignan et al. 2014; Boellaard et al. 2015)."""
    return above_fraction_of(values, label, maximum_per_label(values, label), fraction)


def above_fraction_of(
    values: npt.NDArray, label: Labels, reference: npt.NDArray[np.floating], fraction: float
) -> Kept:
    """SUV >= `fraction` * reference[label], compared in the precision of the SUVs."""
    threshold = (fraction * reference.astype(np.float64)).astype(values.dtype)
    return values >= threshold[label]


def above_otsu(values: npt.NDArray, label: Labels) -> Kept:
    """SUV > Otsu's threshold (256 bins) of the voxel's part; a part of one voxel or of equal SUVs is kept whole."""
    from skimage.filters import threshold_otsu

    kept = np.zeros(values.size, bool)
    by_label = np.argsort(label, kind="stable")
    for members in np.split(by_label, np.cumsum(np.bincount(label)))[1:]:
        part = values[members]
        if part.size:
            kept[members] = True if part.min() == part.max() else part > threshold_otsu(part, nbins=256)
    return kept
