"""The packed network is the plain network: same outputs, same gradients, same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from petct.errors import ParameterError
from tmtv_tf.models import vnet
from tmtv_tf.models.losses import soft_dice_loss
from tmtv_tf.models.packed import pack, pack_voxels, scatter_kernel, unpack_voxels


def small(**options) -> keras.Model:
    keras.utils.set_random_seed(3)
    return vnet(
        **{"input_shape": (16, 8, 12, 2), "filters": 4, "convolutions": (1, 2), "bottom_convolutions": 1}
        | {"dropout": 0.0}
        | options
    )


def test_packing_is_undone_by_unpacking():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 8, 3)).astype(np.float32)
    packed = pack_voxels(tf.constant(x))
    assert packed.shape == (2, 2, 3, 4, 24)
    # sub-voxel (z, y, x) = (1, 0, 1) of packed voxel (1, 2, 3) is voxel (3, 4, 7)
    np.testing.assert_array_equal(packed[0, 1, 2, 3, 5 * 3 : 6 * 3], x[0, 3, 4, 7])
    np.testing.assert_array_equal(unpack_voxels(packed), x)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_one_convolution_borders_included(size):
    rng = np.random.default_rng(1)
    x = tf.constant(rng.normal(size=(1, 6, 4, 8, 2)), tf.float64)
    kernel = tf.constant(rng.normal(size=(size, size, size, 2, 3)), tf.float64)
    plain = tf.nn.conv3d(x, kernel, [1] * 5, "SAME")
    packed = unpack_voxels(tf.nn.conv3d(pack_voxels(x), scatter_kernel(kernel), [1] * 5, "SAME"))
    np.testing.assert_allclose(packed, plain, rtol=0, atol=1e-12)


def test_the_scattered_kernel_of_5_is_58_percent_full():
    """Per axis 10 of 12 taps are used: (10 / 12) ** 3 = 0.579."""
    full = np.count_nonzero(scatter_kernel(tf.ones((5, 5, 5, 1, 1)))) / (27 * 64)
    assert full == pytest.approx((10 / 12) ** 3)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_outputs_and_gradients_are_those_of_the_plain_network(kernel_size):
    plain = small(kernel_size=kernel_size)
    packed = pack(plain)
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(2, 16, 8, 12, 2)).astype(np.float32)
    y = (rng.uniform(size=(2, 16, 8, 12, 1)) > 0.7).astype(np.float32)

    def gradients(model):
        with tf.GradientTape() as tape:
            probability = model(x, training=True)
            loss = tf.reduce_mean(soft_dice_loss(y, probability))
        return probability, tape.gradient(loss, [v.value for v in model.trainable_variables])

    (p_plain, g_plain), (p_packed, g_packed) = gradients(plain), gradients(packed)
    np.testing.assert_allclose(p_packed, p_plain, rtol=0, atol=2e-6)
    for a, b in zip(g_plain, g_packed, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=2e-6 * float(np.abs(a).max() + 1e-3) + 1e-8)


def test_weights_are_interchangeable():
    plain, packed = small(), pack(small())
    assert [w.path for w in packed.weights] == [w.path for w in plain.weights]
    assert [w.shape for w in packed.weights] == [w.shape for w in plain.weights]
    assert packed.count_params() == plain.count_params()


def test_the_papers_network_packs():
    plain = vnet((32, 16, 16, 2))
    assert plain.count_params() == 10_986_489
    assert pack(plain).count_params() == 10_986_489


@pytest.mark.parametrize("option", [{"normalization": "group"}, {"activation": "prelu"}])
def test_what_cannot_be_packed_is_refused(option):
    with pytest.raises(ParameterError, match="cannot be packed"):
        pack(small(**option))
