"""Start a training from another model's weights: layers are matched by name, and misfits are refused by name."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from petct.errors import ModelError

SHOWN = 5  # layers that a refusal names


def transfer_weights(path: str | Path, model: keras.Model) -> None:
    """Copy the weights of the model file `path` into `model`, layer by layer.

    A model of PET + CT may start from one of PET alone: the first convolution's kernel gets zeros for the CT, so that
    it answers at first what the other one does.

    Raises
    ------
    ModelError
        A layer with weights is missing on either side, or has another shape; at most SHOWN of them are named.
    """
    from tmtv_tf.models.file import load_model

    source, _ = load_model(path)
    theirs = {layer.name: layer.get_weights() for layer in source.layers if layer.weights}
    ours = {layer.name: layer for layer in model.layers if layer.weights}
    problems = [f"{name} is not in the configured network" for name in theirs.keys() - ours.keys()]
    fitting = {}
    for name, layer in ours.items():
        if name not in theirs:
            problems.append(f"{name} is not in the file")
            continue
        weights = [_with_silent_ct(w, v.shape) for w, v in zip(theirs[name], layer.weights)]
        shapes, wanted = [w.shape for w in weights], [tuple(v.shape) for v in layer.weights]
        if len(weights) != len(layer.weights) or shapes != wanted:
            problems.append(f"{name} has {_first_difference(shapes, wanted)}")
        fitting[name] = weights
    if problems:
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ModelError(
            f"{path}: its weights do not fit the configured network: {'; '.join(sorted(problems)[:SHOWN])}{more}. "
            "Set model (and grid.channels) as in the file's own configuration, or leave model.initial_weights out."
        )
    for name, weights in fitting.items():
        ours[name].set_weights(weights)


def _with_silent_ct(weight: np.ndarray, wanted) -> np.ndarray:
    """A kernel of one input channel widened to two, the second one zero; anything else unchanged."""
    if weight.ndim == 5 and weight.shape[3] == 1 and tuple(wanted) == (*weight.shape[:3], 2, weight.shape[4]):
        return np.concatenate([weight, np.zeros_like(weight)], axis=3)
    return weight


def _first_difference(shapes, wanted) -> str:
    for there, here in zip(shapes, wanted):
        if there != here:
            return f"a weight of {there} in the file and {here} here"
    return f"{len(shapes)} weights in the file and {len(wanted)} here"
