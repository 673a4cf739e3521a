"""3D DenseNet121 (Huang et al., CVPR 2017, with 3-D kernels): a comparator of Liu et al. (2022, Table 3)."""

from __future__ import annotations

import keras
from keras import layers

from tmtv_tf.models._multitask_unet import INPUT_SHAPE
from tmtv_tf.models.multitask_blocks import BATCH_NORM, CLASSES, conv_bn_relu, model_of


def densenet121(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    growth: int = 32,
    *,
    name: str = "densenet121",
) -> keras.Model:
    """Prognosis alone: stem 7x7x7 of stride 2, max-pooling, dense blocks (6, 12, 24, 16), average, softmax.

    Parameters
    ----------
    input_shape : (Z, Y, X, channels).
    growth : channels that each dense layer adds; the stem has twice as many, bottlenecks four times.

    Returns
    -------
    Model from (B, Z, Y, X, channels) to `{"prognosis": (B, 2)}` float32, channel 1 the event within two years.
    """
    image = keras.Input(input_shape, name="pet")
    x = conv_bn_relu(image, 2 * growth, "stem", kernel=7, strides=2)
    x = layers.MaxPooling3D(3, 2, "same", name="stem_pool")(x)
    for block, depth in enumerate((6, 12, 24, 16), start=1):
        if block > 1:
            x = transition(x, f"transition{block - 1}")
        for layer in range(1, depth + 1):
            x = dense_layer(x, growth, f"block{block}_layer{layer}")
    x = layers.ReLU(name="final_relu")(layers.BatchNormalization(**BATCH_NORM, name="final_bn")(x))
    x = layers.GlobalAveragePooling3D(name="average")(x)
    x = layers.Dense(CLASSES, name="prognosis_fc")(x)
    return model_of(image, {"prognosis": layers.Softmax(dtype="float32", name="prognosis")(x)}, name)


def dense_layer(x, growth: int, name: str):
    """BN, ReLU, 1x1x1 to 4 * growth channels, BN, ReLU, 3x3x3 to `growth` channels, added to the input's."""
    y = _bn_relu_conv(x, 4 * growth, 1, f"{name}_1")
    y = _bn_relu_conv(y, growth, 3, f"{name}_2")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def transition(x, name: str):
    """BN, ReLU, 1x1x1 to half the channels, average-pooling 2x2x2."""
    x = _bn_relu_conv(x, x.shape[-1] // 2, 1, name)
    return layers.AveragePooling3D(2, padding="same", name=f"{name}_pool")(x)


def _bn_relu_conv(x, filters: int, kernel: int, name: str):
    x = layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.Conv3D(
        filters, kernel, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
