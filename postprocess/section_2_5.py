"""Section 2.5 of Revailler et al. 2022, in the paper's order: from a probability map to lesions and their volume.

Probability > 0.5 is the raw mask; its connected components are lesions; those over 30 mL are split by watershed on
the SUV; of each part the voxels of at least 41 % of its SUVmax stay. `segment` does all of it, and every other method.

Diagnostics 2022;12:417. Arrays are (Z, Y, X); `spacing_mm` is (sz, sy, sx). Nobody can see in an array whether its axes
are in that order: give images of the type `petct.Image` where you have them, and leave `spacing_mm` out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from petct import checks
from petct.geometry import Image, unpack
from postprocess._components import (
    Labels,
    checked_voxels,
    foreground,
    label_voxels,
    labelled,
    paint,
    voxels_above,
)
from postprocess._watershed import split_voxels
from postprocess.config import Config
from postprocess.methods import parse_method
from postprocess.segmentation import Instances, Segmentation
from postprocess.thresholds import above_suvmax_fraction


def threshold_probability(probability: npt.NDArray, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
    """The raw mask: voxels with probability > `threshold` (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    probability : (Z, Y, X) ndarray, values in [0, 1]; bool will do
    threshold : in [0, 1); a voxel exactly on it is not kept

    Returns
    -------
    (Z, Y, X) bool
        No voxel above it: all False.

    Raises
    ------
    ImageError
        Not 3-D, no numbers, a value that is NaN or outside [0, 1].
    ParameterError
        A threshold outside [0, 1).

    Examples
    --------
    >>> threshold_probability(np.array([[[0.4, 0.5, 0.6]]]))
    array([[[False, False,  True]]])
    """
    checks.require_volume("probability", probability, "fiub")
    threshold = Config(probability_threshold=threshold).probability_threshold
    index = foreground(probability, threshold)
    mask = np.zeros(probability.shape, bool)
    mask.reshape(-1)[index] = True
    return mask


def label_components(mask: npt.NDArray[np.bool_], connectivity: int = 6) -> Labels:
    """Connected components of a mask (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    mask : (Z, Y, X) bool, or whole numbers of which those above 0 are in the mask
    connectivity : 6 (faces), 18 (and edges) or 26 (and corners)

    Returns
    -------
    (Z, Y, X) int32
        Labels 1..N by descending volume, ties by the first voxel in (Z, Y, X) order; 0 is background. An empty
        mask gives all zeros.

    Raises
    ------
    ImageError
        Not 3-D, or not a mask.
    ParameterError
        Another connectivity.

    Examples
    --------
    >>> label_components(np.array([[[True, False, True, True]]]))
    array([[[2, 0, 1, 1]]], dtype=int32)
    """
    checks.require_volume("mask", mask, "biu")
    connectivity = Config(connectivity=connectivity).connectivity
    index = voxels_above(mask)
    return paint(index, label_voxels(index, mask.shape, connectivity), mask.shape)


def split_large_components(
    labels: npt.NDArray[np.integer],
    suv: npt.NDArray | Image,
    spacing_mm: checks.Spacing | None = None,
    *,
    above_ml: float = Config.split_above_ml,
    peak_distance_mm: float = Config.peak_distance_mm,
    connectivity: int = Config.connectivity,
) -> Labels:
    """Split every component over `above_ml` into parts, one around each of its SUV peaks.

    The paper's watershed (Revailler et al. 2022, section 2.5); the markers are our own rule. A component is split if
    n * voxel_mm3 > 1000 * above_ml * (1 + 1e-6). Its markers are the voxels whose SUV is the highest of the
    component within <= `peak_distance_mm` (Euclidean); face-connected ones of equal SUV are one marker. The
    watershed of -SUV grows them inside the component.

    Parameters
    ----------
    labels : (Z, Y, X) ndarray of whole numbers: label image of components; 0 is background
    suv : (Z, Y, X) ndarray, SUVbw; or a petct.Image
    spacing_mm : (sz, sy, sx), all > 0; left out with an Image
    above_ml : >= 0; a component of exactly this volume stays whole
    peak_distance_mm : >= 0, in mm, so that the answer does not depend on the voxel size
    connectivity : 6, 18 or 26, of the watershed

    Returns
    -------
    (Z, Y, X) int32
        Parts 1..N by descending volume, ties by the first voxel in (Z, Y, X) order. No voxel is lost or gained.
        An empty image gives all zeros.

    Raises
    ------
    ImageError, ParameterError
        Arrays, spacing or options that cannot be used; an SUV of a component that is not finite.

    Examples
    --------
    Two peaks 30 mm apart in 40 mL are two parts:

    >>> suv = np.ones((1, 1, 5), np.float32)
    >>> suv[0, 0, [0, 3]] = 9, 8
    >>> split_large_components(np.ones((1, 1, 5), np.int32), suv, (20.0, 40.0, 10.0))
    array([[[2, 2, 1, 1, 1]]], dtype=int32)
    """
    (suv_array,), spacing, _ = unpack(spacing_mm, suv=suv)
    index, label, values = checked_voxels(labels, suv_array)
    config = Config(split_above_ml=above_ml, peak_distance_mm=peak_distance_mm, connectivity=connectivity)
    parts = split_voxels(
        index,
        label,
        values,
        labels.shape,
        spacing,
        above_ml=config.split_above_ml,
        peak_distance_mm=config.peak_distance_mm,
        connectivity=config.connectivity,
    )
    return paint(index, parts, labels.shape)


def threshold_suvmax_fraction(
    labels: npt.NDArray[np.integer], suv: npt.NDArray | Image, fraction: float = 0.41
) -> Labels:
    """Keep in each label the voxels with SUV >= `fraction` of that label's SUVmax (Revailler et al. 2022, section 2.5).

    Parameters
    ----------
    labels : (Z, Y, X) ndarray of whole numbers: label image of parts; 0 is background
    suv : (Z, Y, X) ndarray, SUVbw; or a petct.Image
    fraction : above 0 and at most 1. The threshold is rounded to the precision of `suv`, so that 4.1 is kept
        beside a maximum of 10.

    Returns
    -------
    (Z, Y, X) int32
        The same labels; voxels that are not kept become 0. An empty image gives all zeros.

    Raises
    ------
    ImageError
        Arrays that are not 3-D or differ in shape; an SUV in a label that is not finite.
    ParameterError
        `fraction` is not above 0 and at most 1: 41 for 0.41 would keep nothing.

    Examples
    --------
    >>> threshold_suvmax_fraction(np.array([[[1, 1, 1]]]), np.float32([[[10.0, 4.1, 4.0]]]))
    array([[[1, 1, 0]]], dtype=int32)
    """
    fraction = checks.require_fraction(fraction)
    index, label, values = checked_voxels(labels, suv.array if isinstance(suv, Image) else suv)
    kept = above_suvmax_fraction(values, label, fraction)
    return paint(index[kept], label[kept], labels.shape)


def segment(
    probability: npt.NDArray | Image,
    suv: npt.NDArray | Image,
    spacing_mm: checks.Spacing | None = None,
    method: str = "41",
    config: Config | None = None,
    *,
    instances: npt.NDArray[np.integer] | None = None,
) -> Labels:
    """Lesions of one method: section 2.5 as a whole, from probability to parts and what the method keeps of each.

    Parameters
    ----------
    probability : (Z, Y, X) ndarray, values in [0, 1], or a bool mask; or a petct.Image
    suv : (Z, Y, X) ndarray, SUVbw; or a petct.Image on the same grid
    spacing_mm : (sz, sy, sx), all > 0; left out with images: `segment(probability, pet, method="41")`. Nobody can
        tell an array in (X, Y, Z) order from one in (Z, Y, X); images know their own order.
    method : one of `METHODS`
    config : shared parameters; defaults as published
    instances : (Z, Y, X) label image of regions that were told apart, such as `rois.nii.gz`
        Each is one lesion under every method, never split, with the label it has here. Voxels outside them are
        left out.

    Returns
    -------
    (Z, Y, X) int32
        1..N by descending volume, ties by the first voxel in (Z, Y, X) order; 0 is background. For `41`, `otsu`,
        `50p`, `a50p`, `adaptive` a lesion is a part, even where its threshold disconnects it; for all other methods it
        is a connected component of the final mask. An empty mask gives all zeros.

    Raises
    ------
    ImageError, ParameterError
        Data or parameters that cannot be used: arrays that are not 3-D or differ in shape, images on two grids,
        probabilities outside [0, 1], an SUV in the mask that is not finite, a spacing that is not three positive
        numbers, no such method.

    References
    ----------
    Revailler et al., Diagnostics 2022;12:417, section 2.5.

    Examples
    --------
    >>> probability = np.array([[[0.9, 0.9, 0.9, 0.0, 0.9]]])
    >>> suv = np.array([[[10.0, 4.1, 4.0, 1.0, 2.0]]])
    >>> segment(probability, suv, (4.0, 4.0, 4.0), "41")
    array([[[1, 1, 0, 0, 2]]], dtype=int32)

    The same step by step:

    >>> parts = split_large_components(
    ...     label_components(threshold_probability(probability)), suv, (4.0, 4.0, 4.0))
    >>> threshold_suvmax_fraction(parts, suv, 0.41)
    array([[[1, 1, 0, 0, 2]]], dtype=int32)
    """
    config = Config() if config is None else config
    checks.require_instance("config", config, Config)
    parse_method(method, config)
    (map_array, suv_array), spacing, _ = unpack(spacing_mm, probability=probability, suv=suv)
    work = Segmentation(map_array, suv_array, spacing, config, instances=_instances(instances, suv_array))
    return work.lesions(method).paint()


def _instances(labels: npt.NDArray[np.integer] | None, suv: npt.NDArray) -> Instances | None:
    if labels is None:
        return None
    checks.require_same_shape(instances=checks.require_labels(labels, "instances"), suv=suv)
    return Instances(*labelled(labels))
