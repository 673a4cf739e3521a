"""Lesion by lesion: what challenges score, which lesions are found, how far the surfaces lie apart.

A lesion here is a component with 18 neighbours (faces and edges), as in the autoPET challenges.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from tmtv_tf.evaluation.overlap import confusion

NAN = float("nan")
NEIGHBOURS_18 = ndimage.generate_binary_structure(3, 2)
SURFACE_TOLERANCE_MM = 4.0  # one voxel of the published network's grid

Mask = npt.NDArray[np.bool_]


class AutopetMetrics(TypedDict):
    """What the autoPET challenges score, see `autopet_metrics`."""

    autopet_dice: float
    autopet_fpv_ml: float
    autopet_fnv_ml: float
    autopet3_dice: float
    autopet3_fnv_ml: float


# See `lesion_detection`.
LesionDetection = TypedDict(
    "LesionDetection",
    {
        "lesions_true": int,
        "lesions_predicted": int,
        "lesion_precision_iou_0": float,
        "lesion_recall_iou_0": float,
        "lesion_f1_iou_0": float,
        "lesion_precision_iou_0.5": float,
        "lesion_recall_iou_0.5": float,
        "lesion_f1_iou_0.5": float,
        "lesions_found_by_suvmax": int,
        "lesion_recall_suvmax": float,
    },
)


class SurfaceMetrics(TypedDict):
    """How far the surfaces lie apart, see `surface_metrics`."""

    hd95_mm: float
    surface_dice: float


def autopet_metrics(prediction: Mask, truth: Mask, voxel_ml: float) -> AutopetMetrics:
    """Dice, false-positive and false-negative volume as the autoPET challenges compute them.

    A predicted component that shares no voxel with the truth counts whole as false-positive volume, a component of
    the truth that shares none with the prediction as false-negative volume.

    Parameters
    ----------
    prediction, truth : (Z, Y, X) masks of one shape
    voxel_ml : volume of one voxel

    Returns
    -------
    AutopetMetrics
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


def lesion_detection(prediction: Mask, truth: Mask, suv: npt.NDArray[np.floating]) -> LesionDetection:
    """Precision, recall and F1 of lesions, and how many are found by their hottest voxel.

    A predicted and a true component match if their intersection over union is > 0, or > 0.5. Precision is the share of
    predicted components that match one, recall the share of true components that do; above 0.5 no component can match
    two. `lesions_found_by_suvmax`: true components whose hottest voxel (the first of equals) is predicted. Ratios are
    NaN where there is nothing to divide by; F1 of no match is 0.
    """
    box = bounding_box(prediction, truth)
    found, n_found = ndimage.label(prediction[box], NEIGHBOURS_18)
    expected, n_expected = ndimage.label(truth[box], NEIGHBOURS_18)
    overlap = _overlaps(found, expected, n_found, n_expected)
    touched, half = _rates(overlap > 0), _rates(overlap > 0.5)
    by_maximum = 0
    if n_expected:
        hottest = ndimage.maximum_position(suv[box], expected, np.arange(1, n_expected + 1))
        by_maximum = int(sum(found[tuple(place)] > 0 for place in hottest))
    return {
        "lesions_true": n_expected,
        "lesions_predicted": n_found,
        "lesion_precision_iou_0": touched[0],
        "lesion_recall_iou_0": touched[1],
        "lesion_f1_iou_0": touched[2],
        "lesion_precision_iou_0.5": half[0],
        "lesion_recall_iou_0.5": half[1],
        "lesion_f1_iou_0.5": half[2],
        "lesions_found_by_suvmax": by_maximum,
        "lesion_recall_suvmax": by_maximum / n_expected if n_expected else NAN,
    }


def surface_metrics(
    prediction: Mask,
    truth: Mask,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float = SURFACE_TOLERANCE_MM,
) -> SurfaceMetrics:
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


def _rates(matched: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall and F1 of predicted (rows) and true components; an empty side has none (NaN)."""
    precision, recall = (
        float(side.mean()) if side.size else NAN for side in (matched.any(axis=1), matched.any(axis=0))
    )
    f1 = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return precision, recall, f1
