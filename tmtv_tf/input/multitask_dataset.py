"""Batches for the networks of Liu et al.: PET, the truth at four resolutions, the outcome, and their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from petct.errors import ParameterError
from tmtv_tf.input.augment import augment
from tmtv_tf.input.augmentation import Augmentation, Liu2022Augmentation
from tmtv_tf.input.dataset import batches, epoch_order
from tmtv_tf.input.multitask_input import MultitaskArrays, resized_geometry


@dataclass(frozen=True)
class Example:
    """One patient: arrays, outcome (1 event, 0 none, NaN unknown) and the weight of its prognosis loss."""

    arrays: MultitaskArrays
    event: float
    prognosis_weight: float


def stage_truth(truth, stages: int = 4) -> dict[str, tf.Tensor]:
    """`segmentation_1` to `segmentation_4`: the truth (Z, Y, X, 1), each stage half the size of the one before.

    Nearest neighbour: the voxel at the centre of each block (of two equally near ones, the later).
    """
    steps = [2**stage for stage in range(stages)]
    return {f"segmentation_{i}": truth[n // 2 :: n, n // 2 :: n, n // 2 :: n] for i, n in enumerate(steps, 1)}


def training_batches(
    examples: Sequence[Example],
    outputs: Sequence[str],
    *,
    batch: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    augmentation: Augmentation | None = Liu2022Augmentation(),
    worker: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """(image (B, Z, Y, X, 1), targets, weights) of all epochs in a row, float32; the last two dicts by output.

    The order and every draw follow from (seed, epoch, case): `tmtv_tf.input.dataset.epoch_order`.

    Parameters
    ----------
    outputs : names of the network's outputs. The target of every `prognosis...` is the patient's event.
    augmentation : a new draw for each case in each epoch; None for none.
    worker : (index, number) of the workers of a job: only this one's share of each batch is read.
    """
    order = epoch_order(len(examples), batch, seed, first_epoch, epochs)[first_step * batch :]
    if not len(order):
        raise ParameterError(f"No training step left: epoch {first_epoch} of {epochs}.")
    load = _loader(examples)
    arrays = examples[0].arrays
    spacing_mm = resized_geometry(arrays.crop, arrays.grid.size).spacing_mm

    def example(epoch_case: tf.Tensor):
        epoch, case = epoch_case[0], epoch_case[1]
        image, truth, event, weights = load(case)
        if augmentation is not None:
            draw = tf.stack([tf.constant(seed, tf.int32), epoch * len(examples) + case])
            image, truth = augment(image, truth, augmentation, spacing_mm, draw)
            truth = tf.cast(truth > 0.5, tf.float32)
        return _element(image, truth, event, weights, outputs)

    return batches(order, example, batch, worker)


def validation_batches(examples: Sequence[Example], outputs: Sequence[str], *, batch: int) -> tf.data.Dataset:
    """Every case once, in order, unchanged; the last batch may be smaller."""
    load = _loader(examples)
    order = np.stack([np.zeros(len(examples)), np.arange(len(examples))], axis=1).astype(np.int32)
    return batches(order, lambda epoch_case: _element(*load(epoch_case[1]), outputs), batch)


def image_batches(arrays: Sequence[MultitaskArrays], *, batch: int) -> tf.data.Dataset:
    """Images alone (B, Z, Y, X, 1), in order: for `keras.Model.predict`."""
    examples = [Example(a, math.nan, 0.0) for a in arrays]
    load = _loader(examples)
    order = np.stack([np.zeros(len(arrays)), np.arange(len(arrays))], axis=1).astype(np.int32)
    return batches(order, lambda epoch_case: load(epoch_case[1])[0], batch)


def _loader(examples: Sequence[Example]) -> Callable[[Any], tuple[Any, Any, Any, Any]]:
    """Case index -> image, truth (both (Z, Y, X, 1)), event (1,), weights of its segmentation and prognosis."""
    grid = examples[0].arrays.grid
    images = tf.constant([str(e.arrays.image) for e in examples])
    truths = tf.constant([str(e.arrays.truth) for e in examples])
    events = tf.constant([[0.0 if math.isnan(e.event) else e.event] for e in examples], tf.float32)
    weights = tf.constant([[float(e.arrays.has_truth), e.prognosis_weight] for e in examples], tf.float32)

    def load(case: tf.Tensor):
        image = tf.io.decode_raw(tf.io.read_file(images[case]), tf.float16)
        truth = tf.io.decode_raw(tf.io.read_file(truths[case]), tf.uint8)
        image = tf.reshape(tf.cast(image, tf.float32), grid.input_shape)
        truth = tf.reshape(tf.cast(truth, tf.float32), grid.input_shape)
        return image, truth, events[case], weights[case]

    return load


def _element(image, truth, event, weights, outputs: Sequence[str]):
    truths = stage_truth(truth)
    targets = {name: truths.get(name, event) for name in outputs}
    return image, targets, {name: weights[0 if name in truths else 1] for name in outputs}
