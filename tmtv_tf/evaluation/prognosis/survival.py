"""Survival of two groups of patients: Kaplan-Meier curves, log-rank test, hazard ratio (lifelines)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier estimate: survival and its 95 % band (log-log Greenwood) from each time on, months."""

    months: npt.NDArray[np.float64]
    survival: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    censored_months: npt.NDArray[np.float64]
    n: int
    events: int


@dataclass(frozen=True)
class GroupComparison:
    """Log-rank p, and the hazard ratio (second group against the first) with its 95 % interval.

    NaN where it is not defined: an empty group, no event, or a group without events (the ratio has no finite
    estimate).
    """

    logrank_p: float
    hazard_ratio: float
    hazard_low: float
    hazard_high: float


def kaplan_meier(months: npt.ArrayLike, events: npt.ArrayLike) -> Curve:
    """Kaplan-Meier estimate of one group (at least one patient)."""
    from lifelines import KaplanMeierFitter

    t, e = np.asarray(months, float), np.asarray(events, bool)
    fitted = KaplanMeierFitter().fit(t, e)
    survival, band = fitted.survival_function_, fitted.confidence_interval_
    return Curve(
        months=survival.index.to_numpy(float),
        survival=survival.iloc[:, 0].to_numpy(float),
        low=band.iloc[:, 0].to_numpy(float),
        high=band.iloc[:, 1].to_numpy(float),
        censored_months=np.sort(t[~e]),
        n=len(t),
        events=int(e.sum()),
    )


def at_risk(months: npt.ArrayLike, times: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Patients still followed just before each time (months >= time)."""
    return (np.asarray(months, float)[None] >= np.asarray(times, float)[:, None]).sum(axis=1)


def compare_groups(months: npt.ArrayLike, events: npt.ArrayLike, second: npt.ArrayLike) -> GroupComparison:
    """Log-rank test and Cox hazard ratio of the group `second` (bool) against the others."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from lifelines.statistics import logrank_test

    t, e, group = np.asarray(months, float), np.asarray(events, bool), np.asarray(second, bool)
    nan = float("nan")
    if group.all() or not group.any() or not e.any():
        return GroupComparison(nan, nan, nan, nan)
    p = float(logrank_test(t[group], t[~group], e[group], e[~group]).p_value)
    if not e[group].any() or not e[~group].any():
        return GroupComparison(p, nan, nan, nan)
    table = pd.DataFrame({"months": t, "event": e.astype(int), "group": group.astype(float)})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the way to no estimate
            warnings.simplefilter("error", ConvergenceWarning)
            fitted = CoxPHFitter().fit(table, "months", "event")
    except (ConvergenceError, ConvergenceWarning):
        return GroupComparison(p, nan, nan, nan)
    low, high = np.exp(fitted.confidence_intervals_.loc["group"].to_numpy(float))
    return GroupComparison(p, float(np.exp(fitted.params_["group"])), float(low), float(high))
