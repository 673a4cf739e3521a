"""Kaplan-Meier, log-rank and Cox against Freireich's leukaemia trial.

R, package survival (the data are in Kalbfleisch and Prentice, and Cox 1972)::

    t <- c(6,6,6,7,10,13,16,22,23,6,9,10,11,17,19,20,25,32,32,34,35,
           1,1,2,2,3,4,4,5,5,8,8,8,8,11,11,12,12,15,17,22,23)
    e <- c(rep(1, 9), rep(0, 12), rep(1, 21)); g <- rep(0:1, each = 21)
    survdiff(Surv(t, e) ~ g)                       # chisq 16.8, p = 4e-05
    coxph(Surv(t, e) ~ g, ties = "efron")          # coef 1.5721, exp(coef) 4.817, 95 % CI 2.147 to 10.81
    summary(survfit(Surv(t, e) ~ g))               # treated: S(6) = 0.857, S(23) = 0.448
"""

import math

import numpy as np
import pytest

from tmtv_tf.evaluation.prognosis.survival import at_risk, compare_groups, kaplan_meier

MONTHS = np.array(
    [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    + [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23],
    float,
)
EVENTS = np.array([1] * 9 + [0] * 12 + [1] * 21)
PLACEBO = np.repeat([False, True], 21)


def test_groups_as_r_compares_them():
    found = compare_groups(MONTHS, EVENTS, PLACEBO)
    assert found.logrank_p == pytest.approx(4.17e-5, rel=0.01)
    assert found.hazard_ratio == pytest.approx(4.817, abs=5e-3)
    assert (found.hazard_low, found.hazard_high) == pytest.approx((2.147, 10.81), abs=0.01)


def test_curve_as_r_draws_it():
    curve = kaplan_meier(MONTHS[~PLACEBO], EVENTS[~PLACEBO])
    assert curve.survival[curve.months == 6] == pytest.approx(0.857, abs=5e-4)
    assert curve.survival[curve.months == 23] == pytest.approx(0.448, abs=5e-4)
    assert (curve.n, curve.events, len(curve.censored_months)) == (21, 9, 12)
    assert at_risk(MONTHS[~PLACEBO], [0, 6, 7, 36]).tolist() == [21, 21, 17, 0]


def test_undefined_comparisons_are_nan():
    nobody = compare_groups(MONTHS, EVENTS, np.zeros(42, bool))
    assert math.isnan(nobody.logrank_p)
    one_sided = compare_groups([1, 2, 3, 10, 11, 12], [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])
    assert one_sided.logrank_p < 0.05
    assert math.isnan(one_sided.hazard_ratio)
