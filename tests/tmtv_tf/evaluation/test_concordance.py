"""Agreement statistics against pingouin, scipy and formulas written out again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from petct.errors import ParameterError
from tmtv_tf.evaluation.concordance import (
    coefficient_of_variation,
    icc_a1,
    lin_ccc,
    log_ratio,
    relative_bland_altman,
    share_close,
)

NAN = float("nan")


def volumes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    manual = rng.lognormal(5, 1, n)
    return manual * rng.lognormal(-0.05, 0.2, n) + rng.normal(0, 5, n) ** 2, manual


@pytest.mark.parametrize(("n", "k"), [(12, 3), (40, 2), (5, 4)])
def test_icc_and_its_interval_equal_pingouin(n, k) -> None:
    """pingouin.intraclass_corr(...): the row of two-way random raters, single, absolute (ICC2, also ICC(A,1))."""
    pingouin = pytest.importorskip("pingouin")
    rng = np.random.default_rng(n)
    values = rng.lognormal(5, 0.8, (n, 1)) * rng.lognormal(0, 0.3, (n, k)) + np.arange(k) * 20
    long = pd.DataFrame(
        [(i, j, values[i, j]) for i in range(n) for j in range(k)], columns=["patient", "reader", "ml"]
    )
    table = pingouin.intraclass_corr(long, targets="patient", raters="reader", ratings="ml")
    row = table[table["Type"].isin(["ICC2", "ICC(A,1)"])].iloc[0]
    low, high = next(row[name] for name in ("CI95%", "CI95", "CI") if name in row)
    found = icc_a1(values)
    assert found.value == pytest.approx(row["ICC"], rel=1e-9)
    assert (found.low, found.high) == pytest.approx(
        (low, high), abs=0.0051
    )  # pingouin rounds to two decimals


def test_shrout_and_fleiss_s_own_example() -> None:
    """Shrout and Fleiss, Psychol Bull 1979;86:420, tables 2 to 4: six targets, four judges, ICC(2,1) = 0.29."""
    judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = icc_a1(judges)
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert (found.low, found.high) == pytest.approx((0.02, 0.76), abs=0.005)


def test_a_constant_offset_lowers_agreement_but_not_correlation() -> None:
    _, manual = volumes(30)
    assert stats.pearsonr(manual, manual + 200).statistic == pytest.approx(1)
    assert icc_a1(np.stack([manual, manual + 200], axis=1)).value < 0.95
    assert lin_ccc(manual, manual + 200).value < 0.95


def test_lin_s_coefficient_is_its_other_form_and_its_interval_covers() -> None:
    """1 - E(x - y)^2 / E(x - y)^2 under independence; the interval against 4000 bootstrap samples (scipy)."""
    predicted, manual = volumes(200, 3)
    independent = predicted.var() + manual.var() + (predicted.mean() - manual.mean()) ** 2
    found = lin_ccc(predicted, manual)
    assert found.value == pytest.approx(1 - ((predicted - manual) ** 2).mean() / independent)
    rng = np.random.default_rng(1)
    x = rng.normal(100, 30, 400)
    y = x + rng.normal(4, 12, 400)  # the interval assumes a normal pair
    found = lin_ccc(x, y)
    drawn = stats.bootstrap(
        (x, y), lambda a, b: lin_ccc(a, b).value, paired=True, vectorized=False, n_resamples=4000, rng=rng
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.004)


def test_coefficient_of_variation_by_hand() -> None:
    """Pairs (90, 110) and (100, 100): SD / mean = 0.14142 and 0; root mean square 10 %. (0, 0) counts for nothing."""
    found = coefficient_of_variation([90, 100, 0, NAN], [110, 100, 0, 5])
    assert (found.n, found.value) == (2, pytest.approx(10.0))


def test_close_is_ten_per_cent_or_ten_millilitres_inclusive() -> None:
    manual = np.array([1000, 1000, 20, 20, 0, 0])
    predicted = np.array([1100, 1100.01, 30, 30.01, 10, 11])
    found = share_close(predicted, manual)
    assert (found.n, found.value) == (6, 0.5)
    expected = stats.binomtest(3, 6).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_relative_and_ratio_limits() -> None:
    predicted, manual = volumes(50, 7)
    percent = 100 * (predicted - manual) / ((predicted + manual) / 2)
    found = relative_bland_altman(predicted, manual)
    assert found.bias == pytest.approx(percent.mean())
    assert found.upper_limit == pytest.approx(percent.mean() + 1.96 * percent.std(ddof=1))
    ratio = log_ratio(predicted, manual)
    assert np.exp(ratio.bias) == pytest.approx(stats.gmean(predicted / manual))
    assert log_ratio([0, 2, 3, 4], [1, 0, 3, 4]).n == 2
    assert relative_bland_altman([0, 2, 3], [0, 0, 3]).n == 2


@pytest.mark.parametrize(
    "pairs", [([], []), ([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0]), ([NAN] * 4, [1.0] * 4)]
)
def test_too_few_patients_give_nan(pairs) -> None:
    assert np.isnan(icc_a1(np.stack(pairs, axis=1)).value)
    assert np.isnan(lin_ccc(*pairs).value)


def test_values_that_do_not_vary_and_values_that_agree() -> None:
    assert np.isnan(icc_a1(np.zeros((5, 2))).value)
    assert np.isnan(lin_ccc(np.zeros(5), np.zeros(5)).value)
    same = np.arange(1.0, 6.0)
    assert icc_a1(np.stack([same, same], axis=1)).value == 1
    assert lin_ccc(same, same).value == pytest.approx(1)
    with pytest.raises(ParameterError):
        lin_ccc([1, 2, 3], [1, 2])
    with pytest.raises(ParameterError):
        icc_a1([1, 2, 3])


@pytest.mark.filterwarnings("error")
def test_a_network_that_finds_nothing_does_not_agree() -> None:
    """Both coefficients are 0 by their formulas, without an interval where there is no noise to make one from."""
    nothing = np.zeros(5)
    ccc = lin_ccc(nothing, np.arange(5))
    assert ccc.value == 0
    assert np.isnan(ccc.low)
    one_lesion_each = icc_a1(np.stack([nothing, np.ones(5)], axis=1))
    assert one_lesion_each.value == 0
    assert np.isnan(one_lesion_each.low)
