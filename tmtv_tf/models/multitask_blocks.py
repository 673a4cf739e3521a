"""The blocks that the models of Liu et al. (IEEE Access 2022) and their comparators share. Tensor in, tensor out."""

from __future__ import annotations

import keras
from keras import layers

HEAD_UNITS = 64
# The paper's framework is PyTorch; these are its defaults, which matter to a cohort of few batches per epoch.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
CLASSES = 2  # channel 0: background or no event; channel 1: lesion or event within two years


def conv_bn_relu(x, filters: int, name: str, *, kernel: int = 3, strides: int = 1):
    """Convolution without bias, batch normalisation, ReLU."""
    x = layers.Conv3D(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def double_conv(x, filters: int, name: str):
    """The two convolutions of one U-Net level."""
    x = conv_bn_relu(x, filters, f"{name}_1")
    return conv_bn_relu(x, filters, f"{name}_2")


def up_bn_relu(x, filters: int, name: str):
    """Twice the resolution: transposed convolution 2x2x2 of stride 2, batch normalisation, ReLU."""
    x = layers.Conv3DTranspose(
        filters, 2, 2, use_bias=False, kernel_initializer="he_normal", name=f"{name}_transposed"
    )(x)
    x = layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def segmentation_head(features, name: str):
    """Convolution of 3 to two channels, softmax: (B, Z, Y, X, 2) float32, channel 1 is the lesion."""
    x = layers.Conv3D(CLASSES, 3, padding="same", name=f"{name}_conv")(features)
    return layers.Softmax(dtype="float32", name=name)(x)


def prognosis_head(features, name: str, *, pool_first: bool = True):
    """Two convolutions with pooling, global average, two fully connected layers, softmax: (B, 2) float32.

    `pool_first=False` leaves the first max-pooling out, as the paper does at the lowest resolution.
    """
    x = conv_bn_relu(features, HEAD_UNITS, f"{name}_1")
    if pool_first:
        x = layers.MaxPooling3D(name=f"{name}_1_pool")(x)
    x = conv_bn_relu(x, HEAD_UNITS, f"{name}_2")
    x = layers.MaxPooling3D(padding="same", name=f"{name}_2_pool")(x)
    return fully_connected_head(layers.GlobalAveragePooling3D(name=f"{name}_average")(x), name)


def fully_connected_head(vector, name: str):
    """Two fully connected layers and a softmax: (B, 2) float32, channel 1 is the event within two years."""
    x = layers.Dense(HEAD_UNITS, "relu", name=f"{name}_fc1")(vector)
    x = layers.Dense(CLASSES, name=f"{name}_fc2")(x)
    return layers.Softmax(dtype="float32", name=name)(x)


def weighted_average(outputs: list, weights: tuple[float, ...], name: str):
    """Equation 2: sum of w_i p_i, in float32. Built-in layers only, so a saved model loads without this code."""
    weighted = [
        layers.Rescaling(weight, dtype="float32", name=f"{name}_weight_{stage}")(output)
        for stage, (output, weight) in enumerate(zip(outputs, weights, strict=True), start=1)
    ]
    return layers.Add(dtype="float32", name=name)(weighted)


def model_of(image, outputs: dict, name: str) -> keras.Model:
    """A functional model whose outputs are a dict named like their layers."""
    return keras.Model(image, outputs, name=name)
