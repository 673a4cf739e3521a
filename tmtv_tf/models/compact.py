"""A small segmentation network for any scanner and a CPU: a residual-free U-Net behind a stem of stride 2.

The stem reads 2x2x2 voxels into channels and the head writes them back, so that every costly convolution runs at half
resolution with enough channels to fill a matrix unit (compare `tmtv_tf.models.packed`). Instance normalisation makes it
indifferent to how an image is scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from petct.errors import ParameterError


def compact_unet(
    input_shape: Sequence[int],
    filters: Sequence[int] = (16, 32, 64, 96),
    *,
    dropout: float = 0.0,
    initial_probability: float = 0.02,
    name: str = "compact_unet",
) -> keras.Model:
    """The network: image (B, Z, Y, X, C) in [0, 1] -> probability (B, Z, Y, X, 1), float32.

    Parameters
    ----------
    input_shape : (Z, Y, X, C); Z, Y, X divisible by 2 ** len(filters).
    filters : channels per level, the first at half the image's resolution; two 3x3x3 convolutions each.
    dropout : rate before the head.
    initial_probability : about what the untrained network answers (see `vnet`).

    Raises
    ------
    ParameterError
        An input shape that the levels cannot halve.
    """
    factor = 2 ** len(filters)
    if len(input_shape) != 4 or any(n is None or n < factor or n % factor for n in input_shape[:3]):
        raise ParameterError(
            f"Input shape (Z, Y, X, C) needs Z, Y, X divisible by {factor} for {len(filters)} levels. "
            f"Received: {tuple(input_shape)}."
        )
    image = keras.Input(tuple(input_shape), name="image")
    x = down(image, filters[0], "stem")
    skips = []
    for level, width in enumerate(filters[:-1], start=1):
        x = block(x, width, f"encoder_{level}")
        skips.append(x)
        x = down(x, filters[level], f"down_{level}")
    x = block(x, filters[-1], "bottom")
    for level, width in reversed(list(enumerate(filters[:-1], start=1))):
        x = layers.Conv3DTranspose(
            width, 2, strides=2, kernel_initializer="he_normal", name=f"up_{level}_conv"
        )(x)
        x = layers.Concatenate(name=f"decoder_{level}_concatenate")([x, skips.pop()])
        x = block(x, width, f"decoder_{level}")
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    bias = keras.initializers.Constant(math.log(initial_probability / (1 - initial_probability)))
    x = layers.Conv3DTranspose(1, 2, strides=2, bias_initializer=bias, name="head_conv")(x)
    probability = layers.Activation("sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name=name)


def block(x, filters: int, name: str):
    """Two 3x3x3 convolutions, each with instance normalisation and ReLU."""
    for k in (1, 2):
        x = layers.Conv3D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_{k}_conv",
        )(x)
        x = layers.GroupNormalization(groups=-1, name=f"{name}_{k}_norm")(x)
        x = layers.ReLU(name=f"{name}_{k}_relu")(x)
    return x


def down(x, filters: int, name: str):
    """Half the resolution: 2x2x2 convolution of stride 2."""
    return layers.Conv3D(filters, 2, strides=2, kernel_initializer="he_normal", name=f"{name}_conv")(x)
