"""Dice and AUC while the networks of Liu et al. train, by hand."""

import numpy as np
import pytest

from tmtv_tf.models.multitask_metrics import EventAUC, LesionDice


def volumes(*lesions: tuple[int, ...]) -> np.ndarray:
    """(B, 1, 1, 4, 1): the lesion's voxels of each patient are 1."""
    return np.array([[1.0 * (x in lesion) for x in range(4)] for lesion in lesions], np.float32).reshape(
        -1, 1, 1, 4, 1
    )


def two_channels(lesion: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - lesion, lesion], axis=-1)


def test_patients_without_weight_or_without_lesion_are_left_out():
    truth = volumes((0, 1), (), (0, 1))
    found = two_channels(volumes((1, 2), (), (3,)))
    metric = LesionDice()
    metric.update_state(truth, found)
    assert float(metric.result()) == pytest.approx((0.5 + 0) / 2)
    metric.reset_state()
    metric.update_state(truth, found, sample_weight=np.array([1, 1, 0]))
    assert float(metric.result()) == pytest.approx(0.5)


def test_one_half_is_no_lesion():
    metric = LesionDice()
    metric.update_state(volumes((0,)), two_channels(volumes((0,)) * 0.5))
    assert float(metric.result()) == 0


def test_the_order_of_the_known_patients_counts():
    """Event 0.9 above no event 0.1: AUC 1. The unknown one would turn it to one half."""
    event = np.array([[1.0], [0.0], [1.0]])
    probability = np.array([0.9, 0.1, 0.05])
    predicted = np.stack([1 - probability, probability], axis=1)
    metric = EventAUC()
    metric.update_state(event, predicted, sample_weight=np.array([1, 1, 0]))
    assert float(metric.result()) == pytest.approx(1, abs=1e-3)
    metric.reset_state()
    metric.update_state(event, predicted)
    assert float(metric.result()) == pytest.approx(0.5, abs=1e-3)
