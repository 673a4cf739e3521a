"""Model-grid arrays as a stream of batches (tf.data). Nothing loads the cohort into memory.

The order of the cases, and every random draw, follow from (seed, epoch, case): an interrupted run that starts
again at epoch n sees exactly what it would have seen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from petct.errors import ParameterError
from tmtv_tf.input.arrays import TARGET_ONE, ModelArrays
from tmtv_tf.input.augment import Augmentation, augment

# Batches ready before they are asked for. Two hide the reading of one behind the use of the other.
PREFETCH = 2
# Examples read and augmented at a time. One takes up to 0.2 GB at the paper's size, so memory stays under 3 GB.
PARALLEL = min(8, os.cpu_count() or 1)


def training_dataset(
    arrays: Sequence[ModelArrays],
    *,
    batch: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    augmentation: Augmentation | None = None,
    augmented_later: bool = False,
    worker: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Batches (image (B, Z, Y, X, C), target (B, Z, Y, X, 1)), float32, of all epochs, one after the other.

    Every epoch is a new permutation of the cases, cut into `steps_per_epoch` whole batches (see `epoch_order`).
    `fit` needs `steps_per_epoch`.

    Parameters
    ----------
    batch : size of the global batch (over all replicas).
    first_epoch, first_step : where to begin, counted from 0 (resumed runs).
    augmentation : a new draw for each case in each epoch; None for none.
    augmented_later : leave the augmentation to the training step (`augment_batch`): the images come unmoved, with
        the numbers of their draws, (B,) int32, as a third element.
    worker : (index, number) of the workers of a job: only this one's share of each batch is read.
    """
    steps = steps_per_epoch(len(arrays), batch)
    order = epoch_order(len(arrays), batch, seed, first_epoch, epochs)[first_step * batch :]
    grid = arrays[0].grid
    load = _loader(arrays)

    def example(epoch_case: tf.Tensor):
        epoch, case = epoch_case[0], epoch_case[1]
        image, target = load(case)
        draw = epoch * len(arrays) + case
        if augmented_later:
            return image, target, draw
        if augmentation is not None:
            seeds = tf.stack([tf.constant(seed, tf.int32), draw])
            image, target = augment(image, target, augmentation, grid.spacing_mm, seeds)
        return image, target

    if not len(order):
        raise ParameterError(f"No training step left: epoch {first_epoch} of {epochs}, {steps} steps each.")
    return batches(order, example, batch, worker)


def validation_dataset(arrays: Sequence[ModelArrays], *, batch: int) -> tf.data.Dataset:
    """Every case once, in order, unchanged; the last batch may be smaller."""
    cases = np.stack([np.zeros(len(arrays)), np.arange(len(arrays))], axis=1).astype(np.int32)
    load = _loader(arrays)
    return batches(cases, lambda epoch_case: load(epoch_case[1]), batch)


def steps_per_epoch(n_cases: int, batch: int) -> int:
    """Batches in which every case is seen at least once; a batch needs as many cases."""
    if n_cases < batch:
        raise ParameterError(
            f"A batch of {batch} needs at least as many training cases. Received: {n_cases}."
        )
    return math.ceil(n_cases / batch)


def epoch_order(n_cases: int, batch: int, seed: int, first: int, last: int) -> npt.NDArray[np.int32]:
    """Rows (epoch, case) in the order in which they are trained on, epochs `first` <= epoch < `last`.

    A last batch that the cases do not fill is filled with the first ones of the same epoch: no case sits an epoch out,
    and all batches are of one size, which the mean over several devices needs.
    """
    used = steps_per_epoch(n_cases, batch) * batch
    rows = np.empty((max(last - first, 0), used, 2), np.int32)
    for i, epoch in enumerate(range(first, last)):
        rows[i, :, 0] = epoch
        rows[i, :, 1] = np.resize(np.random.default_rng([seed, epoch]).permutation(n_cases), used)
    return rows.reshape(-1, 2)


def batches(
    order: npt.NDArray[np.int32], example: Callable, batch: int, worker: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """Batches of `example(row)` of the rows of `order`; of several workers, this one's equal share of each batch.

    Each worker reads and augments its own examples only. Without `worker`, tf.data gives every worker all examples
    and then drops those of the others.
    """
    index, workers = worker
    policy = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = policy.OFF if workers > 1 else policy.DATA
    if workers > 1:
        order = order.reshape(-1, workers, batch // workers, order.shape[-1])[:, index].reshape(
            -1, order.shape[-1]
        )
    rows = tf.data.Dataset.from_tensor_slices(order)
    if (
        workers > 1
    ):  # tf.distribute cuts each batch into its `workers` next steps, while Keras would count it as one
        rows = rows.repeat()
    dataset = rows.map(example, num_parallel_calls=PARALLEL)
    return dataset.batch(batch).prefetch(PREFETCH).with_options(options)


def _loader(arrays: Sequence[ModelArrays]) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Case index -> image and target, float32, read from the raw files."""
    grid = arrays[0].grid
    images = tf.constant([str(a.image) for a in arrays])
    targets = tf.constant([str(a.target) for a in arrays])

    def load(case: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_raw(tf.io.read_file(images[case]), tf.uint16)
        target = tf.io.decode_raw(tf.io.read_file(targets[case]), tf.uint16)
        image = tf.reshape(tf.cast(image, tf.float32) / 65535.0, grid.input_shape)
        target = tf.reshape(tf.cast(target, tf.float32) / TARGET_ONE, (*grid.shape, 1))
        return image, target

    return load
