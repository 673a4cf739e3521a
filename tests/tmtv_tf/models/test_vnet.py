"""The V-Net is the published one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.models import vnet
from tmtv_tf.models.losses import SegmentationLoss

SMALL = {"input_shape": (16, 16, 16, 2), "filters": 4, "convolutions": (1, 2), "bottom_convolutions": 1}


def test_the_published_network_has_10_986_489_parameters():
    model = vnet()
    assert model.input_shape == (None, 256, 128, 128, 2)
    assert model.output_shape == (None, 256, 128, 128, 1)
    assert model.count_params() == 10_986_489


def test_levels_convolutions_and_kernels():
    """Every convolution by name: levels 1, 2, 3, 3 both ways, 3 at the bottom, channels 8 to 128."""
    model = vnet((32, 16, 16, 2))
    kernels = {w.path: tuple(w.shape) for w in model.weights if w.path.endswith("/kernel")}
    expected = {"input_conv/kernel": (5, 5, 5, 2, 8), "output_conv/kernel": (5, 5, 5, 8, 1)}
    for level, (count, filters) in enumerate(zip((1, 2, 3, 3), (8, 16, 32, 64)), start=1):
        for i in range(1, count + 1):
            expected[f"encoder_{level}_{i}_conv/kernel"] = (5, 5, 5, filters, filters)
            expected[f"decoder_{level}_{i}_conv/kernel"] = (5, 5, 5, filters * (2 if i == 1 else 1), filters)
        expected[f"down_{level}_conv/kernel"] = (2, 2, 2, filters, 2 * filters)
        expected[f"up_{level}_conv/kernel"] = (2, 2, 2, filters, 2 * filters)
    expected |= {f"bottom_{i}_conv/kernel": (5, 5, 5, 128, 128) for i in (1, 2, 3)}
    assert kernels == expected


def test_output_is_a_float32_probability_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = vnet(**SMALL)
    finally:
        keras.config.set_dtype_policy(before)
    probability = model(np.random.default_rng(0).uniform(size=(1, 16, 16, 16, 2)).astype(np.float32))
    assert probability.dtype == "float32"
    assert 0 <= float(np.min(probability)) <= float(np.max(probability)) <= 1


# Of SMALL: input_conv, encoder_1_1, down_1, encoder_2_1, encoder_2_2, down_2, bottom_1, up_2, decoder_2_1,
# decoder_2_2, up_1, decoder_1_1. Each is followed by a normalisation, if there is one, and an activation.
CHANNELS = [4, 4, 8, 8, 8, 16, 16, 8, 8, 8, 4, 4]


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize(
    ("options", "layer", "weights"),
    [
        ({"activation": "prelu"}, "PReLU", sum(CHANNELS)),  # one slope a channel
        ({"normalization": "batch"}, "BatchNormalization", 4 * sum(CHANNELS)),
        ({"normalization": "group"}, "GroupNormalization", 2 * sum(CHANNELS)),
    ],
)
def test_a_variant_has_one_more_layer_after_every_convolution(options, layer, weights):
    """By hand: as many layers of that kind as convolutions, and as many weights more as they have."""
    plain, variant = vnet(**SMALL), vnet(**SMALL, **options)
    assert layer not in kinds(plain)
    assert kinds(variant).count(layer) == len(CHANNELS)
    assert variant.count_params() - plain.count_params() == weights
    assert kinds(variant).count("ReLU") == (0 if layer == "PReLU" else len(CHANNELS))


def test_group_normalisation_makes_groups_of_each_sample():
    """Scaling an image leaves the features after the first normalisation as they are, but for its epsilon."""
    model = vnet(**SMALL, normalization="group")
    norm = model.get_layer("input_norm")
    assert (norm.groups, model.get_layer("bottom_1_norm").groups) == (4, 8)
    seen = keras.Model(model.input, norm.output)
    image = np.random.default_rng(0).uniform(10, 20, (1, 16, 16, 16, 2)).astype(np.float32)
    np.testing.assert_allclose(seen(image), seen(7 * image), atol=0.01)
    assert np.abs(np.mean(seen(image), axis=(1, 2, 3))).max() < 1e-3


def test_a_negative_input_of_prelu_has_a_slope():
    """The slope is learnt and starts at 0, Milletari's ReLU; set to 0.5 it halves what is below zero."""
    prelu = vnet(**SMALL, activation="prelu").get_layer("input_prelu")
    x = np.array([-2.0, -2.0, 3.0, 3.0], np.float32).reshape(1, 1, 1, 1, 4)
    assert np.ravel(prelu(x)).tolist() == [0, 0, 3, 3]
    prelu.set_weights([np.array([0.5, 0.0, 0.5, 0.0], np.float32).reshape(1, 1, 1, 4)])
    assert np.ravel(prelu(x)).tolist() == [-1, 0, 3, 3]


def test_the_kernel_size_is_that_of_every_convolution_that_keeps_the_size():
    model = vnet(**SMALL, kernel_size=3)
    sizes = {layer.name: layer.kernel_size for layer in model.layers if hasattr(layer, "kernel_size")}
    assert {size for name, size in sizes.items() if name.startswith(("down", "up"))} == {(2, 2, 2)}
    assert {size for name, size in sizes.items() if not name.startswith(("down", "up"))} == {(3, 3, 3)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_shape": (24, 16, 18, 2)},
        {"input_shape": (16, 16, 2)},
        {"convolutions": (1, 0)},
        {"kernel_size": 4},
        {"activation": "gelu"},
        {"normalization": "instance"},
        {"initial_probability": 1.0},
    ],
)
def test_what_cannot_be_built_is_refused(wrong):
    with pytest.raises(ParameterError):
        vnet(**{**SMALL, **wrong})


def test_the_untrained_network_answers_the_initial_probability():
    """Without a bias about one half; an image of zeros gives the probability to float rounding."""
    image = np.zeros((1, *SMALL["input_shape"]), np.float32)
    for initial_probability in (0.5, 0.02):
        model = vnet(**SMALL, initial_probability=initial_probability)
        np.testing.assert_allclose(model.predict(image, verbose=0), initial_probability, rtol=1e-5)


def test_it_learns_two_cases_by_heart():
    """Bright balls on noise: soft Dice loss below 0.1 after some steps."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    z, y, x = np.indices((16, 16, 16))
    truth = np.stack(
        [(z - 5) ** 2 + (y - 8) ** 2 + (x - 6) ** 2 < 9, (z - 10) ** 2 + (y - 6) ** 2 + (x - 9) ** 2 < 12]
    )[..., None].astype(np.float32)
    image = (rng.uniform(0, 0.2, (2, 16, 16, 16, 2)) + 0.5 * truth).astype(np.float32)
    model = vnet(**SMALL, kernel_size=3, dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), loss=SegmentationLoss())
    loss = [float(model.train_on_batch(image, truth)) for _ in range(60)]
    assert model.evaluate(image, truth, verbose=0) < 0.1
    assert loss[0] > 0.5
