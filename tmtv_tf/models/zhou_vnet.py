"""The multitask V-Net of Zhou et al. (Medical Image Analysis 70:101918, 2021), a comparator of Liu et al. (2022).

A simplification: Liu et al. say that the features before, at and after the bottom are fused for the
classification; here each is averaged over space, the three vectors are joined, and two fully connected layers
follow. The backbone is Milletari's V-Net (16 channels, kernels 5x5x5) with group normalisation, since a card holds
few of its volumes at a time.
"""

from __future__ import annotations

import keras
from keras import layers

from tmtv_tf.models._multitask_unet import INPUT_SHAPE
from tmtv_tf.models._vnet import vnet
from tmtv_tf.models.multitask_blocks import fully_connected_head, model_of, segmentation_head

CONVOLUTIONS = (1, 2, 3, 3)
BOTTOM_CONVOLUTIONS = 3


def zhou_vnet(
    input_shape: tuple[int, int, int, int] = INPUT_SHAPE,
    filters: int = 16,
    *,
    name: str = "zhou_vnet",
) -> keras.Model:
    """Joint segmentation and prognosis on a V-Net.

    Parameters
    ----------
    input_shape : (Z, Y, X, channels); Z, Y, X multiples of 16.
    filters : channels of the first level; each level below has twice as many.

    Returns
    -------
    Model from (B, Z, Y, X, channels) to `segmentation_1` (B, Z, Y, X, 2) and `prognosis` (B, 2), both float32
    softmax, channel 1 the lesion and the event within two years.
    """
    backbone = vnet(
        input_shape,
        filters,
        CONVOLUTIONS,
        BOTTOM_CONVOLUTIONS,
        normalization="group",
        name=f"{name}_backbone",
    )
    levels = len(CONVOLUTIONS)
    fused = [
        f"encoder_{levels}_{CONVOLUTIONS[-1]}_relu",
        f"bottom_{BOTTOM_CONVOLUTIONS}_relu",
        f"decoder_{levels}_{CONVOLUTIONS[-1]}_relu",
    ]
    averages = [
        layers.GlobalAveragePooling3D(name=f"prognosis_average_{i}")(backbone.get_layer(layer).output)
        for i, layer in enumerate(fused, start=1)
    ]
    vector = layers.Concatenate(name="prognosis_fused")(averages)
    features = backbone.get_layer("dropout").output
    outputs = {
        "segmentation_1": segmentation_head(features, "segmentation_1"),
        "prognosis": fully_connected_head(vector, "prognosis"),
    }
    return model_of(backbone.input, outputs, name)
