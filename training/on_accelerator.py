"""Online augmentation inside the training step, on the device that trains, so that the CPU is not the limit."""

from __future__ import annotations

import keras

from tmtv_tf.input.augment import Augmentation, augment_batch
from tmtv_tf.input.grid import ModelGrid


class AugmentingModel(keras.Model):
    """A network, by its inputs and outputs, that moves the images of a batch before it learns from them.

    Its training batches are those of `training_dataset(..., augmented_later=True)`; for the same seed it learns from
    the images that the data pipeline would have made. Validation and prediction see images as they are.
    """

    def __init__(self, inputs, outputs, *, augmentation: Augmentation, grid: ModelGrid, seed: int, **options):
        super().__init__(inputs, outputs, **options)
        self.augmentation, self.grid, self.seed = augmentation, grid, seed

    def train_step(self, data):
        images, targets, draws = data
        return super().train_step(
            augment_batch(images, targets, draws, self.augmentation, self.grid.spacing_mm, self.seed)
        )


def augmenting(model: keras.Model, augmentation: Augmentation, grid: ModelGrid, seed: int) -> AugmentingModel:
    """The same network with the same weights, augmenting its training batches."""
    return AugmentingModel(
        model.input, model.output, augmentation=augmentation, grid=grid, seed=seed, name=model.name
    )
