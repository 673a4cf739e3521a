"""3D ResNet34 (He et al., CVPR 2016, with 3-D kernels): a comparator of Liu et al. (IEEE Access 2022, Table 3)."""

from __future__ import annotations

import keras
from keras import layers

from tmtv_tf.models._multitask_unet import INPUT_SHAPE
from tmtv_tf.models.multitask_blocks import BATCH_NORM, CLASSES, conv_bn_relu, model_of


def resnet34(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    filters: int = 64,
    *,
    name: str = "resnet34",
) -> keras.Model:
    """Prognosis alone: stem 7x7x7 of stride 2, max-pooling, basic blocks (3, 4, 6, 3), average, softmax.

    Parameters
    ----------
    input_shape : (Z, Y, X, channels).
    filters : channels of the stem; each of the four stages after the first doubles them.

    Returns
    -------
    Model from (B, Z, Y, X, channels) to `{"prognosis": (B, 2)}` float32, channel 1 the event within two years.
    """
    image = keras.Input(input_shape, name="pet")
    x = conv_bn_relu(image, filters, "stem", kernel=7, strides=2)
    x = layers.MaxPooling3D(3, 2, "same", name="stem_pool")(x)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(1, blocks + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = basic_block(x, filters * 2 ** (stage - 1), f"stage{stage}_block{block}", strides=strides)
    x = layers.GlobalAveragePooling3D(name="average")(x)
    x = layers.Dense(CLASSES, name="prognosis_fc")(x)
    return model_of(image, {"prognosis": layers.Softmax(dtype="float32", name="prognosis")(x)}, name)


def basic_block(x, filters: int, name: str, *, strides: int = 1):
    """Two convolutions of 3 beside the identity, or beside a 1x1x1 convolution where the shape changes."""
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = _conv_bn(x, filters, 1, strides, f"{name}_shortcut")
    x = conv_bn_relu(x, filters, f"{name}_1", strides=strides)
    x = _conv_bn(x, filters, 3, 1, f"{name}_2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv_bn(x, filters: int, kernel: int, strides: int, name: str):
    x = layers.Conv3D(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    return layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
