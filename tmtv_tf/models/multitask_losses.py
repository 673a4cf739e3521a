"""The losses of Liu et al. (IEEE Access 2022, equations 1 to 6), one value per patient.

What a patient lacks, and the class weights of equation 3, are `sample_weight`s: 0 leaves a patient without
contours out of the segmentation loss and one without outcome out of the prognosis loss. The weights come with the
data, so one compiled graph serves every fold.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from petct.errors import CaseError

# Equation 5, from full resolution down.
SEGMENTATION_WEIGHTS = (0.53, 0.27, 0.13, 0.07)
# lambda of equation 6: share of the segmentation loss in the total.
LAMBDA = 0.1
SMOOTH = 1.0
EPSILON = 1e-7  # probabilities are kept this far from 0, so that no logarithm is infinite


def stage_dice_loss(y_true, y_pred, smooth: float = SMOOTH):
    """Equation 4: 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1) on the lesion channel.

    Parameters
    ----------
    y_true : (B, Z, Y, X, 1), 1 in lesions.
    y_pred : (B, Z, Y, X, 2) softmax, channel 1 the lesion.

    Returns
    -------
    (B,) losses in [0, 1); 0 when truth and prediction are both empty.
    """
    p = ops.cast(y_pred[..., 1], "float32")
    y = ops.cast(y_true[..., 0], "float32")
    axes = (1, 2, 3)
    overlap = ops.sum(p * y, axis=axes)
    return 1.0 - (2.0 * overlap + smooth) / (ops.sum(p, axis=axes) + ops.sum(y, axis=axes) + smooth)


def cross_entropy(y_true, y_pred):
    """Equation 1 before its weights: -y log(p) - (1 - y) log(1 - p).

    Parameters
    ----------
    y_true : (B, 1) or (B,), 1 event within two years, 0 none.
    y_pred : (B, 2) probabilities, channel 1 the event. Both channels are used: 1 - p would lose its digits
        as p nears 1.

    Returns
    -------
    (B,) losses in [0, -log(EPSILON)].
    """
    y = ops.reshape(ops.cast(y_true, "float32"), (-1,))
    log_p = ops.log(ops.maximum(ops.cast(y_pred, "float32"), EPSILON))
    return -y * log_p[:, 1] - (1.0 - y) * log_p[:, 0]


@keras.saving.register_keras_serializable("tmtv_tf")
class StageDiceLoss(keras.losses.Loss):
    """`stage_dice_loss`, averaged over the batch."""

    def __init__(self, smooth: float = SMOOTH, name: str = "stage_dice_loss", **options):
        super().__init__(name=name, **options)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        return stage_dice_loss(y_true, y_pred, self.smooth)

    def get_config(self):
        return {**super().get_config(), "smooth": self.smooth}


@keras.saving.register_keras_serializable("tmtv_tf")
class CrossEntropyLoss(keras.losses.Loss):
    """`cross_entropy`, averaged over the batch; with `prognosis_weights` as sample weights, equation 1."""

    def __init__(self, name: str = "cross_entropy", **options):
        super().__init__(name=name, **options)

    def call(self, y_true, y_pred):
        return cross_entropy(y_true, y_pred)


def multitask_losses(
    outputs: list[str], lambda_: float = LAMBDA
) -> tuple[dict[str, keras.losses.Loss], dict[str, float]]:
    """Losses and their weights by output name, as `keras.Model.compile` takes them: equations 5 and 6.

    A model with one segmentation gives it the weight 1; one with a single task leaves lambda out. The separate
    `prognosis_1` to `prognosis_3` carry no loss: the paper's cross-entropy is that of the fused `prognosis`.
    """
    segmentations = sorted(name for name in outputs if name.startswith("segmentation_"))
    stage_weights = SEGMENTATION_WEIGHTS if len(segmentations) > 1 else (1.0,)
    both = bool(segmentations) and "prognosis" in outputs
    losses: dict[str, keras.losses.Loss] = {}
    weights: dict[str, float] = {}
    for name, weight in zip(segmentations, stage_weights, strict=False):
        losses[name] = StageDiceLoss(name=f"{name}_dice_loss")
        weights[name] = weight * (lambda_ if both else 1.0)
    if "prognosis" in outputs:
        losses["prognosis"] = CrossEntropyLoss()
        weights["prognosis"] = 1.0 - lambda_ if both else 1.0
    return losses, weights


def class_weights(events: npt.ArrayLike) -> tuple[float, float]:
    """Equation 3: (w_p, w_n) = (N_n, N_p) / (N_p + N_n), from the training patients whose outcome is known.

    Raises
    ------
    CaseError
        All have an event, or none has: nothing can be learnt.
    """
    events = np.asarray(events, float)
    known = events[np.isfinite(events)]
    positive, negative = int((known == 1).sum()), int((known == 0).sum())
    if not positive or not negative:
        raise CaseError(
            f"The training patients have {positive} events within two years and {negative} without: "
            "a prognosis needs both."
        )
    return negative / (positive + negative), positive / (positive + negative)


def prognosis_weights(events: npt.ArrayLike, w_p: float, w_n: float) -> npt.NDArray[np.float32]:
    """Sample weights (N,): w_p for an event (1), w_n for none (0), 0 for an unknown outcome (NaN)."""
    events = np.asarray(events, float)
    return np.where(events == 1, w_p, np.where(events == 0, w_n, 0.0)).astype(np.float32)
