"""ROC, Youden and their tests against hand numbers and published examples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.errors import ParameterError
from tmtv_tf.evaluation.prognosis.classification import (
    auc,
    bootstrap_auc,
    brier_score,
    delong_test,
    mcnemar_test,
    operating_point,
    reliability,
    roc_curve,
    wilson_interval,
    youden_test,
    youden_threshold,
)

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.6, 0.3, 0.8, 0.6, 0.2, 0.1, 0.05])


def test_auc_by_hand():
    # pairs won: 0.9 beats 5, 0.6 beats 3 and ties 1, 0.3 beats 3
    assert auc(LABELS, SCORES) == pytest.approx(11.5 / 15)
    assert math.isnan(auc([1, 1], [0.1, 0.2]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(pairs):
    """Of an event's and another's score the event's is higher; equal ones count one half."""
    y, s = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    if y.any() and not y.all():
        won = [(a > b) + (a == b) / 2 for a in s[y] for b in s[~y]]
        assert auc(y, s) == pytest.approx(np.mean(won))
        x, t = roc_curve(y, s)
        assert np.trapezoid(t, x) == pytest.approx(auc(y, s))


def test_operating_point_by_hand():
    found = operating_point(LABELS, SCORES > 0.5)
    assert (found.tp, found.fn, found.tn, found.fp) == (2, 1, 3, 2)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.specificity == pytest.approx(3 / 5)
    assert found.accuracy == pytest.approx(5 / 8)
    assert found.youden == pytest.approx(2 / 3 + 3 / 5 - 1)
    assert math.isnan(operating_point([0, 0], [True, False]).sensitivity)


def test_calls_and_bins_equal_scikit_learn():
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

    rng = np.random.default_rng(2)
    y, p = np.arange(60) % 3 == 0, rng.random(60)
    found = operating_point(y, p > 0.5)
    assert found.sensitivity == pytest.approx(recall_score(y, p > 0.5))
    assert found.specificity == pytest.approx(recall_score(~y, p <= 0.5))
    assert found.accuracy == pytest.approx(accuracy_score(y, p > 0.5))
    assert found.youden == pytest.approx(balanced_accuracy_score(y, p > 0.5, adjusted=True))
    mean, observed, _ = reliability(y, p, bins=5)
    share, predicted = calibration_curve(y, p, n_bins=5, strategy="quantile")
    np.testing.assert_allclose((mean, observed), (predicted, share))


def test_youden_threshold_lies_between_scores():
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)
    assert youden_threshold([0, 1], [0.3, 0.3]) == 0.3
    with pytest.raises(ParameterError, match="with and without"):
        youden_threshold([1, 1], [0.1, 0.2])


def test_delong_against_its_definition():
    """Variance from the placement values themselves, as DeLong et al. write them."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 3 == 0
    first = np.round(rng.normal(size=40) + y, 1)
    second = np.round(rng.normal(size=40) + 0.5 * y, 1)

    def placements(s):
        won = np.sign(s[y][:, None] - s[~y][None]) / 2 + 0.5
        return won.mean(1), won.mean(0)

    (a10, a01), (b10, b01) = placements(first), placements(second)
    m, n = y.sum(), (~y).sum()
    alone = delong_test(y, first, np.zeros(40))  # an AUC of 0.5 without variance
    assert alone.difference / alone.z == pytest.approx(math.sqrt(a10.var(ddof=1) / m + a01.var(ddof=1) / n))
    variance = (a10 - b10).var(ddof=1) / m + (a01 - b01).var(ddof=1) / n
    found = delong_test(y, first, second)
    assert found.difference == pytest.approx(auc(y, first) - auc(y, second))
    assert found.z == pytest.approx(found.difference / math.sqrt(variance))
    assert delong_test(y, first, first).p == 1


def test_bootstrap_interval_contains_the_mean_of_the_folds():
    rng = np.random.default_rng(1)
    y, folds = np.arange(100) % 2 == 0, np.arange(100) % 5
    scores = rng.normal(size=100) + y
    low, high = bootstrap_auc(y, scores, folds, draws=400)
    mean = np.mean([auc(y[folds == k], scores[folds == k]) for k in range(5)])
    assert low < mean < high
    assert high - low < 0.4
    assert bootstrap_auc(y, y, folds, draws=50) == (1, 1)
    assert math.isnan(bootstrap_auc([1, 0, 1], [1, 2, 3], [1, 1, 2])[0])


def test_youden_test_by_hand():
    """10 with and 10 without an event; the first model alone finds 4 of them, the second alone 1; 2 and 1 among
    those without. V = 5/100 - 9/1000 + 3/100 - 1/1000 = 0.07."""
    y = np.repeat([1, 0], 10)
    right_1, right_2 = np.ones(20, bool), np.ones(20, bool)
    right_2[[0, 1, 2, 3, 10, 11]] = False
    right_1[[4, 12]] = False
    first, second = np.where(y, right_1, ~right_1), np.where(y, right_2, ~right_2)
    found = youden_test(y, first, second)
    assert found.difference == pytest.approx(0.3 + 0.1)
    assert found.z == pytest.approx(0.4 / math.sqrt(0.07))
    assert youden_test(y, first, first).p == 1


def test_mcnemar_is_the_exact_binomial():
    first, second = np.ones(12, bool), np.ones(12, bool)
    second[:6] = False
    assert mcnemar_test(first, second) == pytest.approx(2 * 0.5**6)
    assert mcnemar_test(first, first) == 1


def test_brier_and_reliability():
    p = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    y = np.array([0, 0, 1, 0, 1, 1])
    assert brier_score(y, p) == pytest.approx((0.01 + 0.04 + 0.49 + 0.49 + 0.04 + 0.01) / 6)
    mean, observed, n = reliability(y, p, bins=2)
    np.testing.assert_allclose(mean, [0.2, 0.8])
    np.testing.assert_allclose(observed, [1 / 3, 2 / 3])
    assert n.tolist() == [3, 3]


def test_wilson_interval_published_example():
    """Newcombe, Statistics in Medicine 1998: 81 of 263 gives 0.2553 to 0.3662 by Wilson's score method."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_unknown_labels_are_refused():
    with pytest.raises(ParameterError, match="0 or 1"):
        auc([0, 1, np.nan], [1, 2, 3])
