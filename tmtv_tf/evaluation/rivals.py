"""Two simple rivals of the network, chosen on the training split and tested like it.

1. One SUV threshold over the whole body.
2. The same, without the voxels that are hot in the mean of the training images (brain, heart, bladder ...),
   the images laid upon each other on the model grid: centred in x and y, top of the PET in z.

What they reach says how hard a cohort is: a network that does not beat them has learnt nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.image import Geometry, Image, read_image, resample
from petct.parallel import run_cases
from tmtv_tf.evaluation.overlap import confusion
from tmtv_tf.input.grid import ModelGrid, place_grid

# Coarse is enough to choose two thresholds; the test itself runs on the native PET grid.
GRID = ModelGrid(shape=(128, 64, 64), spacing_mm=(8.0, 8.0, 8.0))
MAXIMUM_SUV = 25.0  # the network's window; a bladder of SUV 100 in one patient is not 100 in the mean
THRESHOLDS = np.round(np.arange(1.0, 20.05, 0.1), 1)
HOT_LEVELS = np.append(np.round(np.arange(0.5, 10.05, 0.25), 2), np.inf)  # infinity: nothing is left out
MAXIMUM_CASES = 100


class RivalDice(TypedDict, total=False):
    """Dice of the two rivals on one case; empty where there is none."""

    dice_threshold: float
    dice_threshold_without_hot: float


@dataclass(frozen=True)
class Rivals:
    """The rivals as chosen: thresholds (strict, SUV > threshold), and their median Dice on the training cases.

    mean : mean SUV of the training images on GRID, clipped to [0, 25]. Voxels with mean > `hot_suv` are left out.
    """

    cases: int
    threshold_suv: float
    train_dice: float
    masked_threshold_suv: float
    hot_suv: float
    masked_train_dice: float
    mean: npt.NDArray[np.float32]

    def dice(self, pet: Image, truth: npt.NDArray[np.bool_]) -> RivalDice:
        """Dice of both rivals on one case, native PET grid, against `truth` (Z, Y, X)."""
        kept = pet.array > self.masked_threshold_suv
        index = np.argwhere(kept)
        if len(index):
            grid = place_grid(pet.geometry, GRID)
            where = grid.to_index(pet.geometry.to_world(index)).T
            kept[tuple(index.T)] = ndimage.map_coordinates(self.mean, where, order=1) <= self.hot_suv
        return {
            "dice_threshold": confusion(pet.array > self.threshold_suv, truth).dice,
            "dice_threshold_without_hot": confusion(kept, truth).dice,
        }


def choose_rivals(
    folders: Sequence[Path], *, workers: int = 1, scheduler: str | None = None
) -> Rivals | None:
    """Choose both rivals on the training cases in `folders`: the highest median Dice against TMTVprob > 0.5.

    At most MAXIMUM_CASES, evenly spread over the list. Cases that cannot be read are left out; None if no case
    remains. Each case's own image is left out of the mean it is judged with.
    """
    chosen = [folders[i] for i in np.unique(np.linspace(0, len(folders) - 1, MAXIMUM_CASES).astype(int))]
    outcomes = run_cases(
        coarse_case,
        [(folder.name, (folder,)) for folder in chosen],
        workers=workers,
        scheduler=scheduler,
        description="training cases, for the simple rivals",
    )
    pairs = [outcome.value for outcome in outcomes if outcome.error is None]
    if not pairs:
        return None
    total = np.sum([suv for suv, _ in pairs], axis=0, dtype=np.float64)
    tables = [
        dice_table(suv, (total - suv) / (len(pairs) - 1) if len(pairs) > 1 else np.zeros_like(suv), truth)
        for suv, truth in pairs
        if truth.any()
    ]
    if not tables:
        return None
    medians = np.median(tables, axis=0)
    single = int(np.argmax(medians[:, -1]))
    masked, hot = np.unravel_index(int(np.argmax(medians)), medians.shape)
    return Rivals(
        cases=len(pairs),
        threshold_suv=float(THRESHOLDS[single]),
        train_dice=float(medians[single, -1]),
        masked_threshold_suv=float(THRESHOLDS[masked]),
        hot_suv=float(HOT_LEVELS[hot]),
        masked_train_dice=float(medians[masked, hot]),
        mean=np.asarray(total / len(pairs), np.float32),
    )


def coarse_case(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """SUV clipped to [0, 25] and TMTVprob > 0.5 of a case on GRID."""
    pet = read_image(folder / "pet.nii.gz")
    grid: Geometry = place_grid(pet.geometry, GRID)
    suv = resample(pet, grid).array.clip(0, MAXIMUM_SUV).astype(np.float32)
    return suv, resample(read_image(folder / "tmtvprob.nii.gz"), grid).array > 0.5


def dice_table(
    suv: npt.NDArray[np.floating], mean: npt.NDArray[np.floating], truth: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Dice of (SUV > t and mean <= h) against `truth` for every t in THRESHOLDS (rows) and h in HOT_LEVELS.

    Every combination at once, from two joint histograms; equal to thresholding each time (tested).
    """
    above = np.searchsorted(THRESHOLDS, suv.ravel(), side="left")  # SUV > THRESHOLDS[i] for i < above
    below = np.searchsorted(HOT_LEVELS, mean.ravel(), side="left")  # mean <= HOT_LEVELS[j] for j >= below
    predicted = _kept(above, below)
    both = _kept(above[truth.ravel()], below[truth.ravel()])
    return 2 * both / np.maximum(predicted + np.count_nonzero(truth), 1)


def _kept(above: npt.NDArray[np.integer], below: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    rows, columns = len(THRESHOLDS) + 1, len(HOT_LEVELS)
    counts = np.bincount(above * columns + below, minlength=rows * columns).reshape(rows, columns)
    return counts[::-1].cumsum(axis=0)[::-1][1:].cumsum(axis=1)
