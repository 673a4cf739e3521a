"""How well two masks of one patient agree, voxel by voxel (Revailler et al. 2022, sections 2.6 and 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError

NAN = float("nan")


@dataclass(frozen=True)
class Confusion:
    """Voxel counts of a prediction against a reference over a whole image.

    Every ratio is NaN where its denominator is zero: two empty masks have no Dice, a patient without tumour no
    sensitivity, an empty prediction no positive predictive value.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative
        )

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN)."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN)."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP), over every voxel of the image: air around the patient counts too."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    @property
    def ppv(self) -> float:
        """Positive predictive value, TP / (TP + FP)."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def npv(self) -> float:
        """Negative predictive value, TN / (TN + FN), over every voxel of the image."""
        return _ratio(self.true_negative, self.true_negative + self.false_negative)


def confusion(
    prediction: npt.NDArray[np.bool_], reference: npt.NDArray[np.bool_], outside: int = 0
) -> Confusion:
    """Count the voxels of two boolean masks of the same shape, any number of axes.

    Where the masks are cut to a box that holds both, `outside` is the number of voxels beyond it: true negatives.

    Raises
    ------
    ParameterError
        The shapes differ (NumPy would broadcast them in silence).
    """
    _require_same_shape(prediction, reference)
    both = int(np.count_nonzero(prediction & reference))
    predicted = int(np.count_nonzero(prediction))
    expected = int(np.count_nonzero(reference))
    return Confusion(
        true_positive=both,
        false_positive=predicted - both,
        false_negative=expected - both,
        true_negative=prediction.size + outside - predicted - expected + both,
    )


def soft_dice(probability: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> float:
    """Dice of two probability maps without a threshold: 2 sum(p g) / (sum(p^2) + sum(g^2)).

    V-Net's form (Milletari et al. 2016), the one that the training loss has, without its smoothing term. Sums
    in float64; NaN when both maps are zero everywhere. Equals Dice where both maps hold 0 and 1 only.
    """
    _require_same_shape(probability, reference)
    p, g = probability.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    return _ratio(2 * float(p @ g), float(p @ p) + float(g @ g))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else NAN


def _require_same_shape(a: npt.NDArray, b: npt.NDArray) -> None:
    if a.shape != b.shape:
        raise ParameterError(f"Two masks of different shapes, {a.shape} and {b.shape}, cannot be compared.")
