"""Which SUV of a part a method keeps: 41 % of SUVmax, a share of any other reference, Otsu. The one place for each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from postprocess._components import Labels
from postprocess.peak import maximum_per_label

Kept = npt.NDArray[np.bool_]

OTSU_BINS = 256


def share_of(reference: npt.ArrayLike, fraction: float, dtype: npt.DTypeLike) -> npt.NDArray:
    """`fraction` * reference, rounded to the precision of the SUV: 4.1 is kept beside a maximum of 10."""
    return (fraction * np.asarray(reference, np.float64)).astype(dtype)


def above_fraction_of_maximum(values: npt.NDArray, fraction: float) -> Kept:
    """SUV >= `fraction` of the highest of these values (41 %: Meignan et al. 2014; Boellaard et al. 2015)."""
    return values >= share_of(values.max(), fraction, values.dtype)


def above_fraction_of(
    values: npt.NDArray, label: Labels, reference: npt.NDArray[np.floating], fraction: float
) -> Kept:
    """SUV >= `fraction` * reference[label] of a list of voxels and their labels."""
    return values >= share_of(reference, fraction, values.dtype)[label]


def above_suvmax_fraction(values: npt.NDArray, label: Labels, fraction: float) -> Kept:
    """`above_fraction_of_maximum` in each part of a list of voxels and their labels."""
    return above_fraction_of(values, label, maximum_per_label(values, label), fraction)


def otsu_threshold(values: npt.NDArray) -> float:
    """Otsu's threshold of values (256 bins), of which those above it are kept; -inf if all are equal: all are kept."""
    from skimage.filters import threshold_otsu

    if values.min() == values.max():
        return -np.inf
    return threshold_otsu(values, nbins=OTSU_BINS)


def above_otsu(values: npt.NDArray, label: Labels) -> Kept:
    """SUV > Otsu's threshold of the part, for a list of voxels and their labels."""
    kept = np.zeros(values.size, bool)
    by_label = np.argsort(label, kind="stable")
    for members in np.split(by_label, np.cumsum(np.bincount(label)))[1:]:
        part = values[members]
        if part.size:
            kept[members] = part > otsu_threshold(part)
    return kept
