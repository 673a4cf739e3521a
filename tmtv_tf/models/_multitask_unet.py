"""The multitask U-Net of Liu et al. (IEEE Access 2022, figure 1), its two single-task parts and its ablations.

Stages count from the highest resolution. At 224x64x64 the features are

    stage   resolution (Z, Y, X)   channels   segmentation weight   prognosis output (weight)
    1       224x64x64              32         0.53                  -
    2       112x32x32              64         0.27                  prognosis_1 (0.1)
    3       56x16x16               128        0.13                  prognosis_2 (0.2)
    4       28x8x8 (the bottom)    256        0.07                  prognosis_3 (0.7)
"""

from __future__ import annotations

import keras
from keras import layers

from petct.errors import ParameterError
from tmtv_tf.input.multitask_input import MultitaskGrid
from tmtv_tf.models.multitask_blocks import (
    double_conv,
    fully_connected_head,
    model_of,
    prognosis_head,
    segmentation_head,
    up_bn_relu,
    weighted_average,
)

INPUT_SHAPE = MultitaskGrid().input_shape
FILTERS = (32, 64, 128, 256)
# Weights of equation 2, for prognosis_1 (half resolution), prognosis_2 and prognosis_3 (the bottom).
PROGNOSIS_WEIGHTS = (0.1, 0.2, 0.7)


def multitask_unet(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    filters: tuple[int, int, int, int] = FILTERS,
    *,
    supervise_segmentation: bool = True,
    supervise_classification: bool = True,
    name: str = "multitask_unet",
) -> keras.Model:
    """Joint segmentation and prognosis. Both switches on: the method; off: models C, D and E of its Table 2.

    Parameters
    ----------
    input_shape : (Z, Y, X, channels); Z, Y and X multiples of 8 and at least 16.
    filters : channels per stage, from the highest resolution to the bottom.
    supervise_segmentation : a segmentation at each of the four stages, else at full resolution only.
    supervise_classification : a prognosis at stages 2, 3 and 4, fused by PROGNOSIS_WEIGHTS; else one head on
        the bottom features.
    name : of the Keras model.

    Returns
    -------
    keras.Model
        From (B, Z, Y, X, channels) to a dict of float32 softmax outputs: `segmentation_1` (to
        `segmentation_4`) (B, Z, Y, X, 2), channel 1 the lesion, each stage half the size of the one before;
        `prognosis` (B, 2), channel 1 the event within two years (and `prognosis_1` to `prognosis_3`).

    Raises
    ------
    ParameterError
        The shape does not halve three times.

    Examples
    --------
    >>> import tmtv_tf
    >>> model = tmtv_tf.models.multitask_unet(filters=(4, 8, 16, 32))
    >>> model.output["segmentation_4"].shape, model.output["prognosis"].shape
    ((None, 28, 8, 8, 2), (None, 2))
    """
    image, features = _unet_features(input_shape, filters)
    if supervise_segmentation:
        outputs = {f"segmentation_{stage}": x for stage, x in enumerate(features, start=1)}
    else:
        outputs = {"segmentation_1": features[0]}
    outputs = {output: segmentation_head(x, output) for output, x in outputs.items()}
    if supervise_classification:
        _, half, quarter, bottom = features
        heads = [
            prognosis_head(half, "prognosis_1"),
            prognosis_head(quarter, "prognosis_2"),
            prognosis_head(bottom, "prognosis_3", pool_first=False),
        ]
        outputs |= {f"prognosis_{i}": head for i, head in enumerate(heads, start=1)}
        outputs["prognosis"] = weighted_average(heads, PROGNOSIS_WEIGHTS, "prognosis")
    else:
        outputs["prognosis"] = prognosis_head(features[-1], "prognosis", pool_first=False)
    return model_of(image, outputs, name)


def segmentation_unet(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    filters: tuple[int, int, int, int] = FILTERS,
    *,
    name: str = "segmentation_unet",
) -> keras.Model:
    """Model A: the 3D U-Net for segmentation alone; output `segmentation_1` as in `multitask_unet`."""
    image, features = _unet_features(input_shape, filters)
    return model_of(image, {"segmentation_1": segmentation_head(features[0], "segmentation_1")}, name)


def encoder_classifier(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    filters: tuple[int, int, int, int] = FILTERS,
    *,
    name: str = "encoder_classifier",
) -> keras.Model:
    """Model B: the U-Net's encoder, global average, two fully connected layers; output `prognosis` (B, 2)."""
    image = _input(input_shape)
    bottom = encoder(image, filters)[-1]
    average = layers.GlobalAveragePooling3D(name="prognosis_average")(bottom)
    return model_of(image, {"prognosis": fully_connected_head(average, "prognosis")}, name)


def encoder(image, filters: tuple[int, ...]) -> list:
    """Features of each stage, the bottom last; max-pooling 2x2x2 between stages."""
    features = [double_conv(image, filters[0], "encoder_1")]
    for stage, channels in enumerate(filters[1:], start=2):
        x = layers.MaxPooling3D(name=f"encoder_{stage}_pool")(features[-1])
        features.append(double_conv(x, channels, f"encoder_{stage}"))
    return features


def decoder(encoded: list, filters: tuple[int, ...]) -> list:
    """Features of each stage on the way up, full resolution first, the bottom (unchanged) last."""
    features = [encoded[-1]]
    for stage in range(len(filters) - 1, 0, -1):
        x = up_bn_relu(features[0], filters[stage - 1], f"decoder_{stage}_up")
        x = layers.Concatenate(name=f"decoder_{stage}_skip")([encoded[stage - 1], x])
        features.insert(0, double_conv(x, filters[stage - 1], f"decoder_{stage}"))
    return features


def _unet_features(input_shape: tuple[int, int, int, int], filters: tuple[int, ...]):
    image = _input(input_shape)
    return image, decoder(encoder(image, filters), filters)


def _input(input_shape: tuple[int, int, int, int]):
    if len(input_shape) != 4 or any(n % 8 or n < 16 for n in input_shape[:3]):
        raise ParameterError(
            "The input shape must be (Z, Y, X, channels) with Z, Y and X multiples of 8 and at least 16. "
            f"Received: {tuple(input_shape)}."
        )
    return keras.Input(input_shape, name="pet")
