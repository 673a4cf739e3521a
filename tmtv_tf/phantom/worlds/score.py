"""How well a probability map fits a sample: the figures that the bench of worlds reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.sample import Sample

VOXEL_ML = VOXEL_MM**3 / 1000
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Score:
    """One case. `dice` is NaN where truth and prediction are empty; volumes in mL.

    drawn, drawn_found : lesions that were drawn and have a voxel with TMTVprob > 0.5; those of which one is predicted.
    lesions, found : 6-connected components of TMTVprob > 0.5, and those that the prediction touches. A lesion may fall
        apart into several, most of them a few voxels, so these are more than the lesions.
    false_ml : predicted components that touch no reference voxel. hot_ml : predicted in brain, heart, kidneys, bladder.
    """

    dice: float
    lesions: int
    found: int
    drawn: int
    drawn_found: int
    false_ml: float
    hot_ml: float
    truth_ml: float
    predicted_ml: float


def score(
    probability: npt.NDArray[np.floating], sample: Sample, ignored: npt.NDArray[np.bool_] | None = None
) -> Score:
    """Probability > 0.5 against TMTVprob > 0.5 on the sample's grid; `ignored` voxels count for nothing."""
    predicted, truth = probability > 0.5, sample.tmtvprob > 0.5
    if ignored is not None:
        predicted, truth = predicted & ~ignored, truth & ~ignored
    both = int(np.count_nonzero(predicted & truth))
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    lesions, count = ndimage.label(truth)
    parts, number = ndimage.label(predicted)
    sizes = np.bincount(parts.ravel(), minlength=number + 1)
    sizes[0] = 0
    sizes[np.unique(parts[truth])] = 0
    touched = np.unique(lesions[predicted & truth])
    return Score(
        dice=2 * both / total if total else float("nan"),
        lesions=int(count),
        found=int(len(touched[touched > 0])),
        drawn=_numbers(sample.lesions[truth]),
        drawn_found=_numbers(sample.lesions[truth & predicted]),
        false_ml=float(sizes.sum()) * VOXEL_ML,
        hot_ml=float(np.count_nonzero(predicted & sample.hot)) * VOXEL_ML,
        truth_ml=float(np.count_nonzero(truth)) * VOXEL_ML,
        predicted_ml=float(np.count_nonzero(predicted)) * VOXEL_ML,
    )


def _numbers(lesions: npt.NDArray[np.uint8]) -> int:
    """How many lesions have a voxel here; 0 is none."""
    return int(np.count_nonzero(np.bincount(lesions)[1:]))


def summary(scores: Sequence[Score]) -> dict[str, float | list[float] | int]:
    """Median Dice with its 95 % bootstrap interval, lesions found (pooled), false and hot volumes over the cases."""
    dice = np.array([s.dice for s in scores])
    dice = dice[~np.isnan(dice)]
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(dice, (BOOTSTRAPS, len(dice))), axis=1) if len(dice) else np.full(2, np.nan)
    lesions, drawn = sum(s.lesions for s in scores), sum(s.drawn for s in scores)
    return {
        "cases": len(scores),
        "median_dice": float(np.median(dice)) if len(dice) else float("nan"),
        "median_dice_95": [float(v) for v in np.percentile(draws, (2.5, 97.5))],
        "lesions": lesions,
        "lesions_found": sum(s.found for s in scores) / lesions if lesions else float("nan"),
        "drawn": drawn,
        "drawn_found": sum(s.drawn_found for s in scores) / drawn if drawn else float("nan"),
        "median_false_ml": float(np.median([s.false_ml for s in scores])),
        "share_hot_at_most_20_ml": float(np.mean([s.hot_ml <= 20 for s in scores])),
    }
