"""Segmentation losses against numbers worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.models.losses import SegmentationLoss, dice_cross_entropy_loss, soft_dice_loss, tversky_loss


def volume(*values: float) -> np.ndarray:
    """One sample (1, 1, 1, N, 1)."""
    return np.array(values, np.float32).reshape(1, 1, 1, -1, 1)


def test_soft_dice_by_hand():
    """p = (0.5, 1, 0), g = (1, 0.5, 0): 1 - (2 * 1 + 0.1) / (1.25 + 1.25 + 0.1) = 1 - 2.1 / 2.6."""
    loss = soft_dice_loss(volume(1, 0.5, 0), volume(0.5, 1, 0))
    assert loss.shape == (1,)
    assert float(loss[0]) == pytest.approx(1 - 2.1 / 2.6, abs=1e-6)


def test_soft_dice_of_two_empty_masks_is_0_and_of_equal_masks_is_0():
    assert float(soft_dice_loss(volume(0, 0), volume(0, 0))[0]) == 0
    assert float(soft_dice_loss(volume(0.75, 0, 1), volume(0.75, 0, 1))[0]) == pytest.approx(0, abs=1e-7)


def test_soft_dice_of_a_missed_lesion():
    """Nothing predicted, three voxels true: 1 - 0.1 / 3.1."""
    assert float(soft_dice_loss(volume(1, 1, 1), volume(0, 0, 0))[0]) == pytest.approx(1 - 0.1 / 3.1)


def test_each_sample_has_its_own_loss():
    y = np.concatenate([volume(1, 0), volume(0, 0)])
    p = np.concatenate([volume(1, 0), volume(1, 1)])
    np.testing.assert_allclose(soft_dice_loss(y, p), [0, 1 - 0.1 / 2.1], atol=1e-6)


def test_tversky_with_equal_halves_is_a_dice_of_plain_sums():
    y, p = volume(1, 0.5, 0, 1), volume(0.5, 1, 0.25, 0)
    dice = (2 * np.sum(y * p) + 2e-3) / (np.sum(y) + np.sum(p) + 2e-3)
    assert float(tversky_loss(y, p, 0.5, 0.5, 1e-3)[0]) == pytest.approx(1 - dice, abs=1e-6)


def test_cross_entropy_is_added():
    """g = (1, 0), p = (0.5, 0.5): entropy ln 2; Dice 1 - (1 + 0.1) / (1 + 0.5 + 0.1)."""
    loss = float(dice_cross_entropy_loss(volume(1, 0), volume(0.5, 0.5))[0])
    assert loss == pytest.approx(np.log(2) + 1 - 1.1 / 1.6, abs=1e-6)


def test_as_a_keras_loss_it_is_the_mean_over_the_batch():
    y = np.concatenate([volume(1, 0), volume(0, 0)])
    p = np.concatenate([volume(1, 0), volume(1, 1)])
    assert float(SegmentationLoss()(y, p)) == pytest.approx((1 - 0.1 / 2.1) / 2, abs=1e-6)


def test_the_binarised_target_is_at_least_three_of_four_masks():
    y, p = volume(0.25, 0.5, 0.75, 1), volume(0, 0, 1, 1)
    assert float(SegmentationLoss(binarize_target=True)(y, p)) == pytest.approx(0, abs=1e-6)


def test_configuration_round_trip():
    loss = SegmentationLoss("tversky", options={"alpha": 0.2, "beta": 0.8})
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    with pytest.raises(ParameterError, match="soft_dice"):
        SegmentationLoss("dise")
