"""Truth: Bland and Altman's own example and numbers computed by R, printed in the docstrings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.evaluation.agreement import bland_altman, describe, median_interval, paired_t_test, spearman

# Bland and Altman, Lancet 1986; i: 307-310, table 1: peak flow in L/min, first measurement with each meter.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
NAN = float("nan")


def test_bland_altman_reproduces_its_own_paper():
    """The paper prints: mean difference -2.1, SD 38.8, 95 % interval of the bias -22.0 to 17.8 (t = 2.12).
    Its limits are -2.1 -+ 2 SD; ours are -+ 1.96 SD, the usual form since."""
    found = bland_altman(WRIGHT, MINI)
    assert found.n == 17
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    assert found.lower_limit == pytest.approx(-2.1176 - 1.96 * 38.7651, abs=0.001)
    assert found.upper_limit == pytest.approx(-2.1176 + 1.96 * 38.7651, abs=0.001)
    # The paper's interval of a limit is the limit -+ 2.12 * sqrt(3 * 38.8^2 / 17) = -+ 34.6
    assert found.lower_limit - found.lower_limit_interval[0] == pytest.approx(34.6, abs=0.1)
    assert found.upper_limit_interval[1] - found.upper_limit == pytest.approx(34.6, abs=0.1)


def test_paired_t_is_the_bias_over_its_standard_error():
    """t = -2.1176 / (38.7651 / sqrt(17)) = -0.22523; p from t(16).

    >>> # R: t.test(wright, mini, paired = TRUE)
    >>> # t = -0.22523, df = 16, p-value = 0.8246
    """
    found = paired_t_test(WRIGHT, MINI)
    assert found.n == 17
    assert found.statistic == pytest.approx(-2.117647 / (38.765125 / math.sqrt(17)), abs=1e-5)
    assert found.p_value == pytest.approx(0.8246, abs=1e-4)


def test_spearman_by_hand():
    """Ranks (1, 2, 3, 4, 5) and (2, 1, 4, 3, 5): sum d^2 = 4, rho = 1 - 6 * 4 / (5 * 24) = 0.8."""
    assert spearman([10, 20, 30, 40, 50], [7, 3, 90, 50, 100]).statistic == pytest.approx(0.8)


def test_spearman_with_ties():
    """Ranks x (1, 2.5, 2.5, 4), y (1, 2, 3, 4): Pearson of the ranks = 4.5 / sqrt(4.5 * 5)."""
    found = spearman([1, 2, 2, 3], [1, 2, 3, 4])
    assert found.statistic == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_too_few_or_constant_is_undefined():
    assert math.isnan(spearman([1, 2], [1, 2]).statistic)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]).statistic)
    assert math.isnan(paired_t_test([1], [2]).p_value)
    assert math.isnan(paired_t_test([1, 2, 3], [2, 3, 4]).p_value)  # SD of the differences is 0
    assert math.isnan(bland_altman([1], [2]).bias)
    assert bland_altman([], []).n == 0


def test_undefined_pairs_are_left_out_and_counted():
    found = bland_altman([1, NAN, 3, 5], [0, 1, NAN, 2])
    assert found.n == 2
    assert found.bias == 2
    assert spearman([1, 2, 3, NAN], [1, 2, 3, 0]).n == 3


def test_lists_of_different_length_are_refused():
    with pytest.raises(ParameterError, match=r"\(2,\) and \(3,\)"):
        spearman([1, 2], [1, 2, 3])


def test_distribution_by_hand():
    """R: quantile(c(1, 2, 4, 8)) gives 1.00 1.75 3.00 5.00 8.00; sd(c(1, 2, 4, 8)) 3.095696."""
    found = describe([8, 1, NAN, 4, 2])
    assert (found.n, found.n_undefined) == (4, 1)
    assert (found.minimum, found.q1, found.median, found.q3, found.maximum) == (1, 1.75, 3, 5, 8)
    assert found.mean == 3.75
    assert found.sd == pytest.approx(3.095696, abs=1e-6)
    assert math.isnan(describe([5]).sd)
    assert describe([NAN, NAN]).n_undefined == 2
    assert math.isnan(describe([]).median)


def test_median_interval_holds_the_median_and_is_reproducible():
    values = np.random.default_rng(3).normal(0.7, 0.1, 60)
    low, high = median_interval(values)
    assert low < np.median(values) < high
    assert (low, high) == median_interval(values)
    # Asymptotic standard error of the median of a normal sample: 1.2533 SD / sqrt(n) -> width 2 * 1.96 * 0.0162.
    assert high - low == pytest.approx(0.063, rel=0.4)
    assert all(map(math.isnan, median_interval([0.5, 0.6])))


def test_spearman_p_is_exact_for_few_patients():
    """All 120 orders of five: 2 have |rho| = 1; 16 have |rho| >= 0.8. As R's exact test.

    >>> # R: cor.test(1:5, c(2, 1, 4, 3, 5), method = "spearman")$p.value   0.1333333
    >>> # R: cor.test(1:5, 1:5, method = "spearman")$p.value                0.01666667
    """
    assert spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]).p_value == pytest.approx(16 / 120)
    assert spearman([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]).p_value == pytest.approx(2 / 120)


def test_spearman_p_changes_little_where_the_approximation_takes_over():
    rng = np.random.default_rng(5)
    x = rng.random(9)
    y = x + rng.normal(0, 0.5, 9)
    from scipy import stats

    assert spearman(x, y).p_value == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
