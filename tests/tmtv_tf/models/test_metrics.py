"""Hard Dice during training."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tmtv_tf.models.metrics import HardDice


def volume(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, 1, -1, 1)


def test_half_is_neither_predicted_nor_true():
    """P = {1, 2}, G = {2, 3}: 2 * 1 / 4."""
    metric = HardDice()
    metric.update_state(volume(0.5, 0.25, 1, 0.75), volume(0.5, 0.51, 0.9, 0.5))
    assert float(metric.result()) == pytest.approx(2 * 1 / 4)


def test_empty_samples_are_left_out_of_the_mean():
    metric = HardDice()
    metric.update_state(
        np.concatenate([volume(1, 1), volume(0, 0)]), np.concatenate([volume(1, 0), volume(0, 0)])
    )
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_nothing_seen_is_no_number():
    assert math.isnan(float(HardDice().result()))
