"""The nine models of the paper's Tables 2 to 4 by name, each scalable in width for studies on small machines."""

from __future__ import annotations

from collections.abc import Callable

import keras

from petct.errors import ParameterError
from tmtv_tf.models._multitask_unet import (
    FILTERS,
    INPUT_SHAPE,
    encoder_classifier,
    multitask_unet,
    segmentation_unet,
)
from tmtv_tf.models.densenet import densenet121
from tmtv_tf.models.resnet import resnet34
from tmtv_tf.models.zhou_vnet import zhou_vnet

Shape = tuple[int, int, int, int]


def _unet(
    function: Callable[..., keras.Model], **switches: bool
) -> Callable[[Shape, float, str], keras.Model]:
    def build(shape: Shape, width: float, name: str) -> keras.Model:
        return function(shape, tuple(_scaled(n, width) for n in FILTERS), name=name, **switches)

    return build


def _scaled(channels: int, width: float) -> int:
    return max(2, round(channels * width))


# In the order of Table 3, then Table 4. A to E are the paper's ablations.
STUDY_MODELS: dict[str, Callable[[Shape, float, str], keras.Model]] = {
    "resnet34": lambda shape, width, name: resnet34(shape, _scaled(64, width), name=name),
    "densenet121": lambda shape, width, name: densenet121(shape, _scaled(32, width), name=name),
    "segmentation_unet": _unet(segmentation_unet),  # A
    "encoder_classifier": _unet(encoder_classifier),  # B
    "multitask_unet_plain": _unet(
        multitask_unet, supervise_segmentation=False, supervise_classification=False
    ),  # C
    "zhou_vnet": lambda shape, width, name: zhou_vnet(shape, _scaled(16, width), name=name),
    "multitask_unet_segmentation": _unet(multitask_unet, supervise_classification=False),  # D
    "multitask_unet_classification": _unet(multitask_unet, supervise_segmentation=False),  # E
    "multitask_unet": _unet(multitask_unet),  # the method
}


def build_model(name: str, input_shape: Shape = INPUT_SHAPE, *, width: float = 1.0) -> keras.Model:
    """One of the nine models of the second paper's study, by name.

    Parameters
    ----------
    name : one of STUDY_MODELS.
    input_shape : (Z, Y, X, channels).
    width : multiplies every channel count; 1 is the network as published.

    Returns
    -------
    keras.Model
        Its outputs are a dict: `segmentation_1`, ... and `prognosis`, as far as the model has them.

    Raises
    ------
    ParameterError
        Unknown name, or a shape that the model cannot halve.

    Examples
    --------
    >>> import tmtv_tf
    >>> model = tmtv_tf.models.build_model("segmentation_unet", (32, 16, 16, 1), width=0.125)
    >>> {name: output.shape for name, output in model.output.items()}
    {'segmentation_1': (None, 32, 16, 16, 2)}
    """
    if name not in STUDY_MODELS:
        raise ParameterError(f"Unknown model. Expected one of {', '.join(STUDY_MODELS)}. Received: {name}.")
    return STUDY_MODELS[name](tuple(input_shape), width, name)
