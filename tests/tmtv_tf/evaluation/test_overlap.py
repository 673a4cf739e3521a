"""Truth: masks drawn in the test, formulas by hand, scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from petct.errors import ParameterError
from tmtv_tf.evaluation.overlap import confusion, soft_dice

PREDICTION = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
REFERENCE = np.array([[0, 1, 1, 1], [1, 0, 0, 0]], bool)


def test_counts_of_a_drawn_pair():
    """Two voxels in common, one predicted only, two of the reference only, three in neither."""
    found = confusion(PREDICTION, REFERENCE)
    assert (found.true_positive, found.false_positive, found.false_negative, found.true_negative) == (
        2,
        1,
        2,
        3,
    )
    assert found.dice == 4 / 7
    assert found.jaccard == 2 / 5
    assert found.sensitivity == 2 / 4
    assert found.specificity == 3 / 4
    assert found.ppv == 2 / 3
    assert found.npv == 3 / 5


def test_voxels_outside_a_box_are_true_negatives():
    assert confusion(PREDICTION, REFERENCE, outside=16) == confusion(
        np.pad(PREDICTION, ((1, 1), (0, 2))), np.pad(REFERENCE, ((1, 1), (0, 2)))
    )


masks = arrays(bool, (4, 3, 5))


@given(masks, masks)
def test_equals_scikit_learn(prediction, reference):
    found = confusion(prediction, reference)
    if prediction.any() or reference.any():
        assert found.dice == pytest.approx(metrics.f1_score(reference.ravel(), prediction.ravel()))
        assert found.jaccard == pytest.approx(metrics.jaccard_score(reference.ravel(), prediction.ravel()))
        assert found.dice == pytest.approx(2 * found.jaccard / (1 + found.jaccard))
    if reference.any():
        assert found.sensitivity == pytest.approx(metrics.recall_score(reference.ravel(), prediction.ravel()))


def test_undefined_where_the_denominator_is_zero():
    empty, full = np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool)
    both_empty = confusion(empty, empty)
    assert math.isnan(both_empty.dice)
    assert math.isnan(both_empty.jaccard)
    assert math.isnan(both_empty.sensitivity)
    assert math.isnan(both_empty.ppv)
    assert both_empty.specificity == both_empty.npv == 1
    missed = confusion(empty, full)
    assert missed.dice == 0
    assert math.isnan(missed.ppv)
    assert math.isnan(missed.specificity)
    assert confusion(full, empty).dice == 0


def test_other_shapes_are_refused():
    with pytest.raises(ParameterError, match=r"\(1, 4\)"):
        confusion(PREDICTION[:1], REFERENCE)


def test_soft_dice_by_hand():
    """p = (1, 0.5, 0), g = (0.75, 0.25, 0.5): 2 (0.75 + 0.125) / (1.25 + 0.875) = 1.75 / 2.125."""
    p, g = np.array([1, 0.5, 0], np.float32), np.array([0.75, 0.25, 0.5], np.float32)
    assert soft_dice(p, g) == pytest.approx(1.75 / 2.125)
    assert math.isnan(soft_dice(0 * p, 0 * g))


def test_soft_dice_sums_in_float64():
    """2^24 + 8 voxels of 1: a float32 running sum stops at 16 777 216."""
    ones = np.ones(2**24 + 8, np.float32)
    half = np.full(2**24 + 8, 0.5, np.float32)
    assert soft_dice(ones, half) == pytest.approx(2 * 0.5 / 1.25, abs=1e-12)


@given(masks, masks)
def test_soft_dice_of_masks_is_dice(prediction, reference):
    if prediction.any() or reference.any():
        hard = confusion(prediction, reference).dice
        assert soft_dice(prediction.astype(float), reference.astype(float)) == pytest.approx(hard)
