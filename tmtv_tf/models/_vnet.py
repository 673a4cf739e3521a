"""V-Net of Revailler et al. 2022 (Diagnostics 12:417, section 2.4) after Milletari et al. 2016.

Four levels, 8 channels in the first, one sigmoid output. What the paper leaves out follows the network its
authors trained: convolutions per level (1, 2, 3, 3) and 3 at the bottom, kernels 5x5x5, ReLU, Glorot-normal, no
normalisation, dropout 0.2 before the last convolution. 10 986 489 parameters with two input channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from petct.errors import ParameterError
from tmtv_tf.input.grid import ModelGrid

ACTIVATIONS = ("relu", "prelu")
NORMALIZATIONS = (None, "batch", "group")


def vnet(
    input_shape: Sequence[int] = ModelGrid().input_shape,
    filters: int = 8,
    convolutions: Sequence[int] = (1, 2, 3, 3),
    bottom_convolutions: int = 3,
    *,
    kernel_size: int = 5,
    activation: str = "relu",
    normalization: str | None = None,
    dropout: float = 0.2,
    initial_probability: float = 0.5,
    name: str = "vnet",
) -> keras.Model:
    """The network: image (B, Z, Y, X, C) in [0, 1] -> probability (B, Z, Y, X, 1), float32.

    Parameters
    ----------
    input_shape : (Z, Y, X, C); Z, Y, X divisible by 2 ** len(convolutions).
    filters : channels of the first level; every level below has twice as many.
    convolutions : number of convolutions of each level, on the way down and on the way up.
    bottom_convolutions : number of convolutions below the last level.
    kernel_size : edge of the cubic kernels, odd.
    activation : "relu" (the paper's), or "prelu" (Milletari's; one slope per channel).
    normalization : None (the paper's), "batch" or "group" (8 groups), after every convolution.
    dropout : rate before the last convolution.
    initial_probability : about what the untrained network answers, by the bias of the last convolution. 0.5 is no
        bias (the paper's). Near the square root of the share of lesion voxels (0.02), where the soft Dice loss of a
        constant answer is least, training starts without the plateau that the many voxels without a lesion cause
        (after Lin et al. 2017, "Focal loss", section 3.3).
    name : of the Keras model.

    Returns
    -------
    keras.Model
        Not compiled; float32 output whatever the policy.

    Raises
    ------
    ParameterError
        An input shape that the levels cannot halve, or an unknown option.

    Examples
    --------
    >>> import tmtv_tf
    >>> model = tmtv_tf.models.vnet()
    >>> model.count_params(), model.output_shape
    (10986489, (None, 256, 128, 128, 1))
    """
    _check(input_shape, convolutions, activation, normalization, kernel_size)
    if not 0 < initial_probability < 1:
        raise ParameterError(f"The initial probability lies in (0, 1). Received: {initial_probability}.")
    style = {"kernel_size": kernel_size, "activation": activation, "normalization": normalization}
    image = keras.Input(tuple(input_shape), name="image")
    x = convolution(image, filters, "input", **style)

    skips = []
    for level, count in enumerate(convolutions, start=1):
        x = residual_block(x, x, filters, count, f"encoder_{level}", **style)
        skips.append(x)
        filters *= 2
        x = down(x, filters, f"down_{level}", activation, normalization)

    x = residual_block(x, x, filters, bottom_convolutions, "bottom", **style)

    for level, count in reversed(list(enumerate(convolutions, start=1))):
        filters //= 2
        x = up(x, filters, f"up_{level}", activation, normalization)
        both = layers.Concatenate(name=f"decoder_{level}_concatenate")([x, skips.pop()])
        x = residual_block(both, x, filters, count, f"decoder_{level}", **style)

    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv3D(
        1,
        kernel_size,
        padding="same",
        kernel_initializer="glorot_normal",
        bias_initializer=keras.initializers.Constant(
            math.log(initial_probability / (1 - initial_probability))
        ),
        name="output_conv",
    )(x)
    probability = layers.Activation("sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name=name)


def residual_block(x, residual, filters: int, count: int, name: str, **style):
    """`count` convolutions of `x`, `residual` added to the last one before its activation."""
    for i in range(1, count):
        x = convolution(x, filters, f"{name}_{i}", **style)
    return convolution(x, filters, f"{name}_{count}", residual=residual, **style)


def convolution(
    x, filters: int, name: str, *, kernel_size: int, activation: str, normalization: str | None, residual=None
):
    """Convolution of the same size (+ normalisation) (+ residual) + activation."""
    x = layers.Conv3D(
        filters, kernel_size, padding="same", kernel_initializer="glorot_normal", name=f"{name}_conv"
    )(x)
    x = _normalize(x, normalization, name)
    if residual is not None:
        x = layers.Add(name=f"{name}_add")([x, residual])
    return _activate(x, activation, name)


def down(x, filters: int, name: str, activation: str, normalization: str | None):
    """Half the resolution: 2x2x2 convolution of stride 2."""
    x = layers.Conv3D(filters, 2, strides=2, kernel_initializer="glorot_normal", name=f"{name}_conv")(x)
    return _activate(_normalize(x, normalization, name), activation, name)


def up(x, filters: int, name: str, activation: str, normalization: str | None):
    """Twice the resolution: transposed 2x2x2 convolution of stride 2."""
    x = layers.Conv3DTranspose(
        filters, 2, strides=2, kernel_initializer="glorot_normal", name=f"{name}_conv"
    )(x)
    return _activate(_normalize(x, normalization, name), activation, name)


def _activate(x, activation: str, name: str):
    if activation == "prelu":
        return layers.PReLU(shared_axes=(1, 2, 3), name=f"{name}_prelu")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _normalize(x, normalization: str | None, name: str):
    if normalization == "batch":
        return layers.BatchNormalization(name=f"{name}_norm")(x)
    if normalization == "group":
        return layers.GroupNormalization(groups=min(8, x.shape[-1]), name=f"{name}_norm")(x)
    return x


def _check(input_shape, convolutions, activation, normalization, kernel_size) -> None:
    factor = 2 ** len(convolutions)
    if len(input_shape) != 4 or any(n is None or n < factor or n % factor for n in input_shape[:3]):
        raise ParameterError(
            f"Input shape (Z, Y, X, C) needs Z, Y, X divisible by {factor} for {len(convolutions)} levels. "
            f"Received: {tuple(input_shape)}."
        )
    if not convolutions or min(convolutions) < 1:
        raise ParameterError(f"Every level needs at least one convolution. Received: {tuple(convolutions)}.")
    if kernel_size % 2 == 0:
        raise ParameterError(f"The kernel size must be odd. Received: {kernel_size}.")
    if activation not in ACTIVATIONS:
        raise ParameterError(f"Activation must be one of {ACTIVATIONS}. Received: {activation!r}.")
    if normalization not in NORMALIZATIONS:
        raise ParameterError(f"Normalization must be one of {NORMALIZATIONS}. Received: {normalization!r}.")
