"""How well scores tell patients with an event from those without: ROC, thresholds, Youden's index, calibration.

Labels are 1 (event) and 0; a score is higher for a likelier event; a patient is called positive when the score is
**above** (>) the threshold. Liu et al., IEEE Access 2022, section IV-C, and what it leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm, rankdata

from petct.errors import ParameterError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Operating:
    """Performance at one threshold, from counts of true and false positives and negatives. NaN where 0 / 0."""

    tp: int
    fn: int
    tn: int
    fp: int

    @property
    def sensitivity(self) -> float:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def accuracy(self) -> float:
        return _ratio(self.tp + self.tn, self.tp + self.tn + self.fn + self.fp)

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1."""
        return self.sensitivity + self.specificity - 1


@dataclass(frozen=True)
class Comparison:
    """A difference between two models on the same patients, and its two-sided p."""

    difference: float
    z: float
    p: float


def operating_point(labels: npt.ArrayLike, positive: npt.ArrayLike) -> Operating:
    """Counts of the calls `positive` (bool) against the labels."""
    y, called = _labels(labels), np.asarray(positive, bool)
    return Operating(
        tp=int((y & called).sum()),
        fn=int((y & ~called).sum()),
        tn=int((~y & ~called).sum()),
        fp=int((~y & called).sum()),
    )


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve: the share of (event, no event) pairs in the right order, ties one half.

    NaN when a class is empty.
    """
    from sklearn.metrics import roc_auc_score

    y = _labels(labels)
    if y.all() or not y.any():
        return float("nan")
    return float(roc_auc_score(y, np.asarray(scores, float)))


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    from sklearn.metrics import roc_curve as sklearn_roc

    false_positive, true_positive, _ = sklearn_roc(_labels(labels), np.asarray(scores, float))
    return false_positive, true_positive


def youden_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The threshold of the highest Youden index: half-way between two neighbouring scores.

    Of several equally good ones the one nearest to the middle of all scores' range is taken. Choose it on
    training patients only.

    Raises
    ------
    ParameterError
        A class is empty.
    """
    y, s = _labels(labels), np.asarray(scores, float)
    if y.all() or not y.any():
        raise ParameterError("A Youden threshold needs patients with and without an event.")
    values = np.unique(s)
    if len(values) == 1:
        return float(values[0])
    candidates = (values[1:] + values[:-1]) / 2
    sensitivity = (s[y][None] > candidates[:, None]).mean(1)
    specificity = (s[~y][None] <= candidates[:, None]).mean(1)
    gain = sensitivity + specificity
    best = candidates[gain >= gain.max() - 1e-12]
    return float(best[np.abs(best - (values[0] + values[-1]) / 2).argmin()])


def delong_test(labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike) -> Comparison:
    """AUC(first) - AUC(second) on the same patients (DeLong et al., Biometrics 1988). p is 1 for equal scores.

    For scores of one model: out-of-fold scores pooled over folds come from several models, and are not exactly
    the case that the test was made for.
    """
    y = _labels(labels)
    scores = np.stack([np.asarray(first, float), np.asarray(second, float)])
    covariance = _delong_covariance(y, scores)
    return _z_test(
        auc(y, scores[0]) - auc(y, scores[1]), covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    )


def bootstrap_auc(
    labels: npt.ArrayLike, scores: npt.ArrayLike, folds: npt.ArrayLike, *, draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of the mean of the folds' AUCs: patients drawn again within each fold and class.

    NaN when a fold has fewer than two patients of a class: there is nothing to draw.
    """
    from scipy.stats import bootstrap

    y, s, f = _labels(labels), np.asarray(scores, float), np.asarray(folds)
    groups = [s[(f == fold) & (y == event)] for fold in np.unique(f) for event in (True, False)]
    if any(len(group) < 2 for group in groups):
        return float("nan"), float("nan")

    def mean_auc(*drawn: Floats, axis: int) -> Floats:
        pairs = [a[..., :, None] - b[..., None, :] for a, b in zip(drawn[::2], drawn[1::2], strict=True)]
        return np.mean([(np.sign(pair) / 2 + 0.5).mean((-1, -2)) for pair in pairs], axis=0)

    interval = bootstrap(
        groups,
        mean_auc,
        n_resamples=draws,
        batch=100,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def youden_test(labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike) -> Comparison:
    """Paired test of J1 - J2 from calls (bool) on the same patients.

    z = (J1 - J2) / sqrt(V), V = sum over patients with and without an event of (b + c) / n^2 - (b - c)^2 / n^3,
    b and c the patients whom only the first, only the second calls rightly.
    """
    y, one, two = _labels(labels), np.asarray(first, bool), np.asarray(second, bool)
    variance = 0.0
    for group, right in ((y, True), (~y, False)):
        n = int(group.sum())
        b, c = _discordant(one[group] == right, two[group] == right)
        variance += (b + c) / n**2 - (b - c) ** 2 / n**3
    return _z_test(operating_point(y, one).youden - operating_point(y, two).youden, variance)


def mcnemar_test(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> float:
    """Exact two-sided McNemar p of two models' right answers (bool) on the same patients; 1 if none differ."""
    b, c = _discordant(np.asarray(first_right, bool), np.asarray(second_right, bool))
    return 1.0 if b + c == 0 else float(binomtest(b, b + c, 0.5).pvalue)


def brier_score(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean squared difference of probability and label: 0 is perfect, 0.25 is always saying one half."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(_labels(labels), np.asarray(probabilities, float)))


def reliability(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 5
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Per bin of equally many patients: mean probability, observed share of events, number of patients."""
    y, p = _labels(labels), np.asarray(probabilities, float)
    groups = [g for g in np.array_split(np.argsort(p, kind="stable"), bins) if len(g)]
    return (
        np.array([p[g].mean() for g in groups]),
        np.array([y[g].mean() for g in groups]),
        np.array([len(g) for g in groups]),
    )


def wilson_interval(events: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson); NaN for no patients."""
    if not n:
        return float("nan"), float("nan")
    interval = binomtest(events, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _delong_covariance(y: npt.NDArray[np.bool_], scores: Floats) -> Floats:
    """Covariance (k, k) of the AUCs of k scores (k, N), by midranks (Sun and Xu, 2014)."""
    m, n = int(y.sum()), int((~y).sum())
    if m < 2 or n < 2:
        return np.full((len(scores), len(scores)), np.nan)
    everyone = np.array([rankdata(s) for s in scores])
    events = np.array([rankdata(s[y]) for s in scores])
    others = np.array([rankdata(s[~y]) for s in scores])
    v10 = (everyone[:, y] - events) / n
    v01 = 1 - (everyone[:, ~y] - others) / m
    return np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / n


def _z_test(difference: float, variance: float) -> Comparison:
    if np.isnan(variance):
        return Comparison(difference, float("nan"), float("nan"))
    if variance <= 1e-15:
        same = abs(difference) < 1e-12
        return Comparison(
            difference, 0.0 if same else float(np.sign(difference) * np.inf), 1.0 if same else 0.0
        )
    z = difference / np.sqrt(variance)
    return Comparison(float(difference), float(z), float(2 * norm.sf(abs(z))))


def _discordant(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> tuple[int, int]:
    return int((first & ~second).sum()), int((~first & second).sum())


def _labels(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    values = np.asarray(labels)
    if not np.isin(values, (0, 1)).all():
        raise ParameterError("Labels must be 0 or 1, known for every patient.")
    return values.astype(bool)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
