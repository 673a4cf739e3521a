"""Agreement of two measurements of the same patients: distribution, paired t, Spearman, Bland-Altman.

Revailler et al. 2022, section 2.6. NaN marks a patient for whom a value is undefined: such pairs are left out
and counted, never silently averaged. Where too few patients remain, the statistic is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from petct.errors import ParameterError

NAN = float("nan")
CONFIDENCE = 0.95
BOOTSTRAP_RESAMPLES = 2000
EXACT_BELOW = 10  # patients; 9! = 362 880 permutations


@dataclass(frozen=True)
class Distribution:
    """A sample in numbers. `n` values are defined, `n_undefined` were NaN and are left out of everything else.

    `sd` has n - 1 in its denominator; quartiles are interpolated linearly (NumPy's and R's default).
    """

    n: int
    n_undefined: int
    minimum: float
    q1: float
    median: float
    q3: float
    maximum: float
    mean: float
    sd: float


def describe(values: npt.ArrayLike) -> Distribution:
    """Distribution of a 1-D sample; NaN values are counted and left out."""
    values = np.asarray(values, float)
    defined = values[~np.isnan(values)]
    if not defined.size:
        return Distribution(0, int(values.size), *[NAN] * 7)
    minimum, q1, median, q3, maximum = (float(v) for v in np.percentile(defined, [0, 25, 50, 75, 100]))
    return Distribution(
        int(defined.size),
        int(values.size - defined.size),
        minimum,
        q1,
        median,
        q3,
        maximum,
        float(defined.mean()),
        float(defined.std(ddof=1)) if defined.size > 1 else NAN,
    )


def median_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """95 % confidence interval of the median: percentile bootstrap over patients, 2000 resamples.

    (NaN, NaN) with fewer than three defined values.
    """
    values = np.asarray(values, float)
    defined = values[~np.isnan(values)]
    return (NAN, NAN) if defined.size < 3 else percentile_interval(defined, np.median)


def percentile_interval(
    values: npt.NDArray[np.floating], statistic: Callable[..., Any], *, draws: int = BOOTSTRAP_RESAMPLES
) -> tuple[float, float]:
    """95 % confidence interval of a statistic of patients: percentile bootstrap."""
    rng = np.random.default_rng(0)
    found = stats.bootstrap(
        (values,), statistic, n_resamples=draws, confidence_level=CONFIDENCE, method="percentile", rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class TestResult:
    """A statistic and its two-sided p value, from `n` pairs."""

    __test__ = False  # not a pytest class

    n: int
    statistic: float
    p_value: float


def paired_t_test(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> TestResult:
    """Paired Student t-test of predicted - manual (positive: predicted is larger). NaN if n < 2 or SD = 0."""
    predicted, manual = pairs(predicted, manual)
    if predicted.size < 2 or np.ptp(predicted - manual) == 0:
        return TestResult(int(predicted.size), NAN, NAN)
    result = stats.ttest_rel(predicted, manual)
    return TestResult(int(predicted.size), float(result.statistic), float(result.pvalue))


def spearman(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> TestResult:
    """Spearman's rank correlation, ties at their mean rank. NaN if n < 3 or one side is constant.

    The p value is exact below EXACT_BELOW patients (all permutations, those as extreme or more), else the usual
    t approximation, which would call any perfect ranking of five patients p = 0.
    """
    predicted, manual = pairs(predicted, manual)
    if predicted.size < 3 or np.ptp(predicted) == 0 or np.ptp(manual) == 0:
        return TestResult(int(predicted.size), NAN, NAN)
    result = stats.spearmanr(predicted, manual)
    exact = predicted.size < EXACT_BELOW
    p_value = _permutation_p(predicted, manual) if exact else float(result.pvalue)
    return TestResult(int(predicted.size), float(result.statistic), p_value)


def _permutation_p(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Share of all orders of `b` whose rank correlation with `a` is as far from 0 as the one found, or farther."""
    ranks_a, ranks_b = stats.rankdata(a) - (a.size + 1) / 2, stats.rankdata(b) - (b.size + 1) / 2
    every = np.array(list(permutations(ranks_b))) @ ranks_a
    return float(np.mean(np.abs(every) >= abs(ranks_a @ ranks_b) - 1e-9))


@dataclass(frozen=True)
class BlandAltman:
    """Bias = mean of predicted - manual; limits of agreement = bias -+ 1.96 SD, each with its 95 % interval.

    Intervals: t(n-1) * SD / sqrt(n) around the bias and t(n-1) * SD * sqrt(3 / n) around each limit
    (Bland and Altman, Lancet 1986).
    """

    n: int
    bias: float
    sd: float
    lower_limit: float
    upper_limit: float
    bias_interval: tuple[float, float]
    lower_limit_interval: tuple[float, float]
    upper_limit_interval: tuple[float, float]


def bland_altman(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> BlandAltman:
    """Bland-Altman analysis of predicted - manual. Fewer than two pairs: everything but `n` is NaN."""
    predicted, manual = pairs(predicted, manual)
    n = int(predicted.size)
    if n < 2:
        return BlandAltman(n, NAN, NAN, NAN, NAN, (NAN, NAN), (NAN, NAN), (NAN, NAN))
    difference = predicted - manual
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    lower, upper = bias - 1.96 * sd, bias + 1.96 * sd
    around_bias, around_limit = t * sd / np.sqrt(n), t * sd * np.sqrt(3 / n)
    return BlandAltman(
        n,
        bias,
        sd,
        lower,
        upper,
        (bias - around_bias, bias + around_bias),
        (lower - around_limit, lower + around_limit),
        (upper - around_limit, upper + around_limit),
    )


def pairs(
    predicted: npt.ArrayLike, manual: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two lists as arrays, without the patients of whom one value is NaN."""
    predicted, manual = np.asarray(predicted, float), np.asarray(manual, float)
    if predicted.shape != manual.shape or predicted.ndim != 1:
        raise ParameterError(
            f"Paired statistics need two lists of equal length. Received: {predicted.shape} and {manual.shape}."
        )
    defined = ~(np.isnan(predicted) | np.isnan(manual))
    return predicted[defined], manual[defined]
