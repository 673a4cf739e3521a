"""Keras metrics that are watched during training."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tmtv_tf")
class HardDice(keras.metrics.Metric):
    """Mean over the samples of 2 |P and G| / (|P| + |G|), P = probability > 0.5, G = truth > 0.5.

    On the model grid; the Dice that is reported is taken on the native PET grid. A sample in which both are
    empty has no Dice and is left out; without any sample the result is NaN.
    """

    def __init__(self, name: str = "dice", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        axes = tuple(range(1, len(y_pred.shape)))
        truth, mask = ops.cast(y_true > 0.5, "float32"), ops.cast(y_pred > 0.5, "float32")
        both = ops.sum(truth * mask, axis=axes)
        size = ops.sum(truth, axis=axes) + ops.sum(mask, axis=axes)
        defined = ops.cast(size > 0, "float32")
        self.total.assign_add(ops.sum(2.0 * both / ops.maximum(size, 1.0)))
        self.count.assign_add(ops.sum(defined))

    def result(self):
        return self.total / self.count
