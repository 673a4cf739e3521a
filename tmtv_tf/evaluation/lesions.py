"""Lesion by lesion: what challenges score, which lesions are found, how far the surfaces lie apart.

A lesion here is a component with 18 neighbours (faces and edges), as in the autoPET challenges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from tmtv_tf.evaluation.overlap import confusion

NAN = float("nan")
NEIGHBOURS_18 = ndimage.generate_binary_structure(3, 2)
SURFACE_TOLERANCE_MM = 4.0  # one voxel of the published network's grid
IOU = (0.0, 0.5)

Mask = npt.NDArray[np.bool_]


def autopet_metrics(prediction: Mask, truth: Mask, voxel_ml: float) -> dict[str, float]:
    """Dice, false-positive and false-negative volume as the autoPET challenges compute them.

    A predicted component that shares no voxel with the truth counts whole as false-positive volume, a component of
    the truth that shares none with the prediction as false-negative volume.

    Parameters
    ----------
    prediction, truth : (Z, Y, X) masks of one shape
    voxel_ml : volume of one voxel

    Returns
    -------
    dict
        `autopet_fpv_ml`, `autopet_fnv_ml`, `autopet_dice`: autoPET I, II and IV (lab-midas/autoPET and autoPETCTIV,
        evaluation scripts). An empty truth has a false-negative volume of 0, and a Dice of 0, or NaN if the prediction
        is empty too. `autopet3_fnv_ml`, `autopet3_dice`: autoPET III (ClinicalDataScience/autoPETIII); both are NaN
        for an empty truth.
    """
    box = bounding_box(prediction, truth)
    found, expected = prediction[box], truth[box]
    dice, empty = confusion(prediction, truth).dice, not truth.any()
    fnv_ml = _untouched(expected, found) * voxel_ml
    return {
        "autopet_dice": dice,
        "autopet_fpv_ml": _untouched(found, expected) * voxel_ml,
        "autopet_fnv_ml": fnv_ml,
        "autopet3_dice": NAN if empty else dice,
        "autopet3_fnv_ml": NAN if empty else fnv_ml,
    }


def lesion_detection(
    prediction: Mask, truth: Mask, suv: npt.NDArray[np.floating], iou: Sequence[float] = IOU
) -> dict[str, float]:
    """Precision, recall and F1 of lesions, and how many are found by their hottest voxel.

    A predicted and a true component match if their intersection over union is > each value of `iou`. Precision is the
    share of predicted components that match one, recall the share of true components that do; above 0.5 no component
    can match two. `lesions_found_by_suvmax`: true components whose hottest voxel (the first of equals) is predicted.
    Ratios are NaN where there is nothing to divide by; F1 of no match is 0.
    """
    box = bounding_box(prediction, truth)
    found, n_found = ndimage.label(prediction[box], NEIGHBOURS_18)
    expected, n_expected = ndimage.label(truth[box], NEIGHBOURS_18)
    result: dict[str, float] = {"lesions_true": n_expected, "lesions_predicted": n_found}
    overlap = _overlaps(found, expected, n_found, n_expected)
    for limit in iou:
        name = f"iou_{limit:g}"
        matched = overlap > limit
        precision = _share(matched.any(axis=1))
        recall = _share(matched.any(axis=0))
        result |= {
            f"lesion_precision_{name}": precision,
            f"lesion_recall_{name}": recall,
            f"lesion_f1_{name}": _f1(precision, recall),
        }
    by_maximum = 0
    if n_expected:
        hottest = ndimage.maximum_position(suv[box], expected, np.arange(1, n_expected + 1))
        by_maximum = int(sum(found[tuple(place)] > 0 for place in hottest))
    result["lesions_found_by_suvmax"] = by_maximum
    result["lesion_recall_suvmax"] = by_maximum / n_expected if n_expected else NAN
    return result


def surface_metrics(
    prediction: Mask,
    truth: Mask,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float = SURFACE_TOLERANCE_MM,
) -> dict[str, float]:
    """95 % Hausdorff distance in mm and surface Dice at a tolerance, by google-deepmind/surface-distance.

    Nikolov et al., J Med Internet Res 2021;23:e26151. Both empty: NaN. One empty: no distance (NaN), surface Dice 0.
    """
    if not prediction.any() or not truth.any():
        return {"hd95_mm": NAN, "surface_dice": 0.0 if prediction.any() or truth.any() else NAN}
    from surface_distance import (
        compute_robust_hausdorff,
        compute_surface_dice_at_tolerance,
        compute_surface_distances,
    )

    box = bounding_box(prediction, truth)
    distances = compute_surface_distances(truth[box], prediction[box], spacing_mm)
    return {
        "hd95_mm": float(compute_robust_hausdorff(distances, 95)),
        "surface_dice": float(compute_surface_dice_at_tolerance(distances, tolerance_mm)),
    }


def _untouched(mask: Mask, other: Mask) -> int:
    """Voxels in components of `mask` that share none with `other`."""
    labels, count = ndimage.label(mask, NEIGHBOURS_18)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    touched = np.zeros(count + 1, bool)
    touched[labels[other]] = True
    touched[0] = True
    return int(size[~touched].sum())


def _overlaps(
    found: npt.NDArray[np.integer], expected: npt.NDArray[np.integer], n_found: int, n_expected: int
) -> npt.NDArray[np.float64]:
    """Intersection over union of every predicted (rows) and true component (columns)."""
    both = (found > 0) & (expected > 0)
    pairs = found[both].astype(np.int64) * (n_expected + 1) + expected[both]
    shared = np.bincount(pairs, minlength=(n_found + 1) * (n_expected + 1))
    shared = shared.reshape(n_found + 1, n_expected + 1)[1:, 1:]
    of_found = np.bincount(found.ravel(), minlength=n_found + 1)[1:, None]
    of_expected = np.bincount(expected.ravel(), minlength=n_expected + 1)[None, 1:]
    return shared / (of_found + of_expected - shared)


def _share(matched: npt.NDArray[np.bool_] | np.bool_) -> float:
    return float(matched.mean()) if matched.size else NAN


def _f1(precision: float, recall: float) -> float:
    if not precision + recall > 0:  # NaN stays: an empty side has no F1
        return 0.0 if precision + recall == 0 else NAN
    return 2 * precision * recall / (precision + recall)
