"""Normal uptake that looks like lymphoma: how hot it gets, and how often."""

import numpy as np

from tmtv_tf.phantom.worlds import uptake
from tmtv_tf.phantom.worlds.tissues import Tissue as T

SEEDS = range(60)


def painted(function, labels, level):
    """SUV after `function` of one pattern, of each seed."""
    for seed in SEEDS:
        suv = np.full(labels.shape, level, np.float32)
        function(suv, labels, np.random.default_rng(seed))
        yield suv


def test_muscle_that_was_used_is_never_hotter_than_muscle_gets():
    labels = np.full((40, 40, 40), T.MUSCLE, np.uint8)
    hottest = [suv.max() for suv in painted(uptake._muscle, labels, 0.7)]
    assert max(hottest) <= 7.0
    assert 0.1 < np.mean(np.array(hottest) > 1.5) < 0.5


def test_muscle_that_was_not_used_keeps_its_level():
    labels = np.full((40, 40, 40), T.FAT, np.uint8)
    assert all((suv == np.float32(0.3)).all() for suv in painted(uptake._muscle, labels, 0.3))


def test_one_worn_joint_may_glow_and_its_fellow_not():
    labels = np.zeros((40, 20, 100), np.uint8)
    left, right = np.s_[15:22, 8:14, 10:17], np.s_[15:22, 8:14, 83:90]
    labels[left] = labels[right] = T.JOINT
    ratios = [suv[left].mean() / suv[right].mean() for suv in painted(uptake._joints, labels, 1.5)]
    assert np.mean(np.abs(np.log(ratios)) > np.log(2)) > 0.1
    assert all(suv[0, 0, 0] == np.float32(1.5) for suv in painted(uptake._joints, labels, 1.5))


def test_metformin_makes_the_bowel_glow_in_some_patients_and_no_more_than_bowel_gets():
    labels = np.full((30, 30, 30), T.COLON, np.uint8)
    means = []
    for seed in range(120):
        suv, hu = np.full(labels.shape, 4.0, np.float32), np.zeros(labels.shape, np.float32)
        uptake._gut(suv, hu, labels, np.zeros(labels.shape, np.float32), np.random.default_rng(seed))
        assert suv.max() <= 18
        means.append(suv.mean())
    assert 0.02 < np.mean(np.array(means) > 7.5) < 0.2
