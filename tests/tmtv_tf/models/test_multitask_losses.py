"""Equations 1 to 6 of Liu et al. by hand."""

import math

import keras
import numpy as np
import pytest

from petct.errors import CaseError
from tmtv_tf.models.multitask_losses import (
    CrossEntropyLoss,
    StageDiceLoss,
    class_weights,
    cross_entropy,
    multitask_losses,
    prognosis_weights,
    stage_dice_loss,
)


def two_channels(lesion):
    lesion = np.asarray(lesion, np.float32)
    return np.stack([1 - lesion, lesion], axis=-1)


def test_stage_dice_by_hand_per_patient():
    truth = np.zeros((2, 1, 2, 2, 1), np.float32)
    truth[0, 0, 0, :, 0] = 1
    lesion = np.zeros((2, 1, 2, 2), np.float32)
    lesion[0, 0] = [[0.5, 1.0], [0.25, 0.0]]
    loss = np.asarray(stage_dice_loss(truth, two_channels(lesion)))
    assert loss.shape == (2,)
    # overlap 1.5, sum(p) 1.75, sum(y) 2: 1 - (3 + 1) / (3.75 + 1); the second patient has nothing and none found
    np.testing.assert_allclose(loss, [1 - 4 / 4.75, 0.0], atol=1e-6)


def test_stage_dice_of_a_perfect_and_an_absent_segmentation():
    truth = np.ones((1, 4, 4, 4, 1), np.float32)
    np.testing.assert_allclose(stage_dice_loss(truth, two_channels(truth[..., 0])), [0], atol=1e-6)
    np.testing.assert_allclose(
        stage_dice_loss(truth, two_channels(0 * truth[..., 0])), [1 - 1 / 65], atol=1e-6
    )


def test_cross_entropy_by_hand():
    p = two_channels([0.8, 0.3, 0.5])
    loss = np.asarray(cross_entropy(np.array([[1], [0], [1]]), p))
    np.testing.assert_allclose(loss, [-math.log(0.8), -math.log(0.7), math.log(2)], rtol=1e-6)


@pytest.mark.parametrize("event", [0, 1])
def test_cross_entropy_is_finite_at_certainty_and_keeps_small_losses(event):
    wrong = two_channels([1.0 - event])
    assert np.asarray(cross_entropy(np.array([event]), wrong))[0] == pytest.approx(-math.log(1e-7), rel=1e-5)
    certain = np.array([[1e-9, 1.0]], np.float32)[:, :: 1 if event else -1]
    assert np.asarray(cross_entropy(np.array([event]), certain))[0] == 0


def test_class_weights_are_equation_3():
    events = [1] * 89 + [0] * 180 + [math.nan] * 7
    w_p, w_n = class_weights(events)
    assert (w_p, w_n) == pytest.approx((180 / 269, 89 / 269))
    np.testing.assert_allclose(prognosis_weights([1, 0, math.nan], w_p, w_n), [w_p, w_n, 0], rtol=1e-6)
    with pytest.raises(CaseError, match="0 events"):
        class_weights([0, 0, math.nan])


def test_total_of_a_compiled_model_is_equation_6():
    """Four stages and the fused prognosis, two patients: one lacks its outcome, the other its contours."""
    rng = np.random.default_rng(0)
    shapes = {f"segmentation_{s}": (16 >> s, 8 >> s, 8 >> s) for s in (1, 2, 3)} | {
        "segmentation_4": (1, 1, 1)
    }
    truth = {name: rng.integers(0, 2, (2, *shape, 1)).astype(np.float32) for name, shape in shapes.items()}
    truth["prognosis"] = np.array([[1], [0]], np.float32)
    predicted = {name: two_channels(rng.random((2, *shape))) for name, shape in shapes.items()}
    predicted["prognosis"] = two_channels(rng.random(2))
    weights = {name: np.array([1, 0], np.float32) for name in shapes}
    weights["prognosis"] = prognosis_weights([math.nan, 0], 0.6, 0.4)

    inputs = {name: keras.Input(value.shape[1:], name=f"in_{name}") for name, value in predicted.items()}
    outputs = {name: keras.layers.Identity(name=name)(x) for name, x in inputs.items()}
    outputs["prognosis_1"] = keras.layers.Identity(name="prognosis_1")(inputs["prognosis"])  # carries no loss
    model = keras.Model(list(inputs.values()), outputs)
    losses, loss_weights = multitask_losses(list(outputs))
    model.compile(loss=losses, loss_weights=loss_weights)
    total = model.evaluate(
        list(predicted.values()), truth, sample_weight=weights, batch_size=2, verbose=0, return_dict=True
    )["loss"]

    stages = [np.asarray(stage_dice_loss(truth[n], predicted[n]))[0] for n in sorted(shapes)]
    segmentation = sum(w * s for w, s in zip((0.53, 0.27, 0.13, 0.07), stages, strict=True)) / 2
    classification = 0.4 * -math.log(predicted["prognosis"][1, 0]) / 2
    assert total == pytest.approx(0.1 * segmentation + 0.9 * classification, rel=1e-5)


def test_single_task_models_have_no_lambda():
    _, weights = multitask_losses(["segmentation_1"])
    assert weights == {"segmentation_1": 1.0}
    _, weights = multitask_losses(["prognosis"])
    assert weights == {"prognosis": 1.0}
    _, weights = multitask_losses(["prognosis", "segmentation_1"])
    assert weights == pytest.approx({"segmentation_1": 0.1, "prognosis": 0.9})


@pytest.mark.parametrize("loss", [StageDiceLoss(smooth=2.0), CrossEntropyLoss()])
def test_losses_survive_serialisation(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
