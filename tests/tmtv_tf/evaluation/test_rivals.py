"""Truth: thresholding again and again, and cohorts drawn so that the best thresholds are known."""

from __future__ import annotations

import numpy as np
import pytest

from petct.image import Geometry, Image, write_image
from tmtv_tf.evaluation.overlap import confusion
from tmtv_tf.evaluation.rivals import HOT_LEVELS, THRESHOLDS, choose_rivals, dice_table

GEOMETRY = Geometry((40, 24, 24), (8.0, 8.0, 8.0))


def test_the_table_equals_thresholding_each_time():
    rng = np.random.default_rng(1)
    suv, mean = rng.gamma(2, 2, (9, 8, 7)).round(1), rng.gamma(2, 2, (9, 8, 7)).round(1)  # many exact ties
    truth = rng.random((9, 8, 7)) < 0.2
    table = dice_table(suv, mean, truth)
    for i in range(0, len(THRESHOLDS), 17):
        for j in [*range(0, len(HOT_LEVELS), 9), len(HOT_LEVELS) - 1]:
            kept = (suv > THRESHOLDS[i]) & ~(mean > HOT_LEVELS[j])
            assert table[i, j] == pytest.approx(confusion(kept, truth).dice)


def make_training_case(folder, lesion_z):
    """A brain of SUV 10 at one place, a lesion of SUV 6 that moves from patient to patient, body of SUV 1."""
    suv = np.full(GEOMETRY.shape, 1.0, np.float32)
    suv[36:39, 8:16, 8:16] = 10
    truth = np.zeros(GEOMETRY.shape, np.float32)
    truth[lesion_z : lesion_z + 3, 10:14, 10:14] = 1
    suv[truth > 0] = 6
    write_image(folder / "pet.nii.gz", Image(suv, GEOMETRY))
    write_image(folder / "tmtvprob.nii.gz", Image(truth, GEOMETRY))
    return folder, suv, truth > 0


def test_what_is_hot_in_the_mean_is_left_out(tmp_path):
    """With the brain left out, any threshold from 1 to 6 finds the lesion exactly: Dice 1. Without, the brain's 192
    voxels beside the lesion's 48 leave 2 * 48 / (48 + 240) = 1 / 3."""
    cases = [make_training_case(tmp_path / str(i), lesion_z=4 + 5 * i) for i in range(5)]
    rivals = choose_rivals([folder for folder, _, _ in cases[:4]])
    assert rivals is not None
    assert rivals.cases == 4
    assert rivals.train_dice == pytest.approx(1 / 3)
    assert rivals.masked_train_dice == pytest.approx(1)
    _, suv, truth = cases[4]
    found = rivals.dice(Image(suv, GEOMETRY), truth)
    assert found == {
        "dice_threshold": pytest.approx(1 / 3),
        "dice_threshold_without_hot": pytest.approx(1),
    }


def test_the_mean_follows_the_top_of_the_pet(tmp_path):
    """A scan that starts lower down has its brain at other indices, and at the same place below its top."""
    cases = [make_training_case(tmp_path / str(i), lesion_z=6 + 5 * i) for i in range(4)]
    rivals = choose_rivals([folder for folder, _, _ in cases[:3]])
    assert rivals is not None
    _, suv, truth = cases[3]
    cut = Geometry((30, 24, 24), GEOMETRY.spacing_mm, origin_mm=(7.0, -31.0, 444.0))
    found = rivals.dice(Image(suv[10:], cut), truth[10:])
    assert found["dice_threshold_without_hot"] == pytest.approx(1)


def test_no_case_no_rivals(tmp_path):
    assert choose_rivals([tmp_path / "missing"]) is None
