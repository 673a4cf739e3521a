"""Losses of the segmentation networks.

Each returns one value per sample, (B,), so that the mean over a batch, and over the replicas of a strategy, is right (a
scalar loss would be added up once per replica).
"""

from __future__ import annotations

import inspect

import keras
from keras import ops

from petct.errors import ParameterError


def soft_dice_loss(y_true, y_pred, smooth: float = 0.1):
    """1 - (2 sum(p g) + s) / (sum(p^2) + sum(g^2) + s), per sample over all voxels: V-Net's soft Dice.

    Milletari et al. 2016, equation 2; Revailler et al. 2022, section 2.4; `smooth` 0.1 as its authors.

    Parameters
    ----------
    y_true : (B, Z, Y, X, C) truth in [0, 1]; fractions such as TMTVprob are allowed.
    y_pred : (B, Z, Y, X, C) probability.
    smooth : s, above 0.

    Returns
    -------
    (B,) float32
        0 when both are empty, and when both are the same.

    Examples
    --------
    >>> import numpy as np
    >>> import tmtv_tf
    >>> truth = np.array([1.0, 1.0, 0.0, 0.0]).reshape(1, 4, 1, 1, 1)
    >>> loss = tmtv_tf.models.soft_dice_loss(truth, np.full_like(truth, 0.5))  # 1 - (2 * 1 + 0.1) / (1 + 2 + 0.1)
    >>> round(float(loss[0]), 4)
    0.3226
    """
    y_true, y_pred = _as_float32(y_true, y_pred)
    product = _sum_voxels(y_true * y_pred)
    squares = _sum_voxels(ops.square(y_true)) + _sum_voxels(ops.square(y_pred))
    return 1.0 - (2.0 * product + smooth) / (squares + smooth)


def tversky_loss(y_true, y_pred, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.1):
    """1 - (TP + s) / (TP + alpha FP + beta FN + s), per sample (Salehi et al. 2017). (B,) float32.

    TP = sum(p g), FP = sum(p (1 - g)), FN = sum((1 - p) g); `alpha` = `beta` = 0.5 is a Dice with plain sums.
    """
    y_true, y_pred = _as_float32(y_true, y_pred)
    true_positive = _sum_voxels(y_true * y_pred)
    false_positive = _sum_voxels((1.0 - y_true) * y_pred)
    false_negative = _sum_voxels(y_true * (1.0 - y_pred))
    return 1.0 - (true_positive + smooth) / (
        true_positive + alpha * false_positive + beta * false_negative + smooth
    )


def dice_cross_entropy_loss(y_true, y_pred, smooth: float = 0.1, entropy_weight: float = 1.0):
    """Soft Dice plus `entropy_weight` times the mean binary cross-entropy of the voxels, per sample. (B,) float32."""
    y_true, y_pred = _as_float32(y_true, y_pred)
    entropy = ops.binary_crossentropy(y_true, y_pred)
    return soft_dice_loss(y_true, y_pred, smooth) + entropy_weight * ops.mean(
        entropy, axis=_voxel_axes(entropy)
    )


_LOSSES = {
    "soft_dice": soft_dice_loss,
    "tversky": tversky_loss,
    "dice_cross_entropy": dice_cross_entropy_loss,
}


@keras.saving.register_keras_serializable(package="tmtv_tf")
class SegmentationLoss(keras.losses.Loss):
    """One of the losses of this module as a Keras loss.

    Parameters
    ----------
    kind : "soft_dice", "tversky" or "dice_cross_entropy".
    binarize_target : round the truth first (> 0.5: at least three of TMTVprob's four masks), as the authors'
        code does though the paper does not say so; off by default.
    options : keyword arguments of the function (`smooth`, `alpha`, `beta`).
    """

    def __init__(
        self,
        kind: str = "soft_dice",
        binarize_target: bool = False,
        options: dict[str, float] | None = None,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name or kind, reduction=reduction, dtype=dtype)
        if kind not in _LOSSES:
            raise ParameterError(f"Loss must be one of {sorted(_LOSSES)}. Received: {kind!r}.")
        self.kind, self.binarize_target, self.options = kind, binarize_target, dict(options or {})
        known = list(inspect.signature(_LOSSES[kind]).parameters)[2:]
        unknown = ", ".join(sorted(set(self.options) - set(known)))
        if unknown:
            raise ParameterError(f"loss.options: {kind} has no {unknown}, only {', '.join(known)}.")

    def call(self, y_true, y_pred):
        if self.binarize_target:
            y_true = ops.cast(y_true > 0.5, "float32")
        return _LOSSES[self.kind](y_true, y_pred, **self.options)

    def get_config(self):
        return {
            **super().get_config(),
            "kind": self.kind,
            "binarize_target": self.binarize_target,
            "options": self.options,
        }


def _as_float32(*tensors):
    return tuple(ops.cast(t, "float32") for t in tensors)


def _voxel_axes(x) -> tuple[int, ...]:
    return tuple(range(1, len(x.shape)))


def _sum_voxels(x):
    return ops.sum(x, axis=_voxel_axes(x))
