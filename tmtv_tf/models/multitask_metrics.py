"""What is watched while the networks of Liu et al. train; patients of weight 0 (nothing known) are left out."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("tmtv_tf")
class LesionDice(keras.metrics.Mean):
    """Mean Dice of probability > 0.5 on the lesion channel, on the network's grid.

    `y_true` (B, Z, Y, X, 1), `y_pred` (B, Z, Y, X, 2), `sample_weight` (B,). A patient in whom both are empty has
    no Dice and is left out.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        axes = (1, 2, 3)
        truth = ops.cast(y_true[..., 0] > 0.5, "float32")
        mask = ops.cast(y_pred[..., 1] > 0.5, "float32")
        size = ops.sum(truth, axis=axes) + ops.sum(mask, axis=axes)
        dice = 2.0 * ops.sum(truth * mask, axis=axes) / ops.maximum(size, 1.0)
        defined = ops.cast(size > 0, "float32")
        if sample_weight is not None:
            defined = defined * ops.cast(ops.reshape(sample_weight, (-1,)) > 0, "float32")
        super().update_state(dice, sample_weight=defined)


@keras.saving.register_keras_serializable("tmtv_tf")
class EventAUC(keras.metrics.AUC):
    """Area under the ROC curve of the event's probability: `y_true` (B, 1), `y_pred` (B, 2)."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        known = None
        if sample_weight is not None:
            known = ops.cast(ops.reshape(sample_weight, (-1, 1)) > 0, "float32")
        super().update_state(ops.reshape(y_true, (-1, 1)), y_pred[:, 1:], sample_weight=known)
