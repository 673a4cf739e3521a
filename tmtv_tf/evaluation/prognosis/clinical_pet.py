"""What there is without a network: the PET model and IMPI of the literature, cut-offs of TMTV; and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from petct.errors import ParameterError
from tmtv_tf.cases.cohort import STAGES
from tmtv_tf.evaluation.prognosis.survival import GroupComparison, compare_groups

NAN = float("nan")
# The measures of the published PET model, here under SUV 4.0. It is fitted anew on the training folds.
PET_MODEL = ("mtv4_ml", "dmax_bulk4_mm", "suv_peak4")
PUBLISHED = (
    "Published AUC on 836 cases of DLBCL from other trials (Ferrandez et al., J Nucl Med 2024;65:1802): this PET model "
    "0.71, with age and performance status 0.69, a deep network on MIPs 0.66, IPI 0.60."
)
OPTIMISTIC = "chosen on the same cases: optimistic, its p is not to be believed; see the cross-validated row"
SMALLEST_GROUP = 0.1  # of the cases on each side of an optimal cut-off

# What the International Metabolic Prognostic Index is made of, here with MTV under SUV 4.0.
IMPI = ("mtv4_ml", "age_years", "ann_arbor_stage")
IMPI_KNOT_ML = 307.9
IMPI_SOURCE = (
    "IMPI's form is that of Mikhaeel et al. (J Clin Oncol 2022;40:2352): MTV as a linear spline with one knot at "
    "307.9 mL, age, and stage I to IV, in a Cox regression on PFS. Its coefficients are fitted anew in each fold; "
    "the published ones could not be confirmed."
)


def impi_features(rows: pd.DataFrame) -> pd.DataFrame:
    """What IMPI's regression sees of rows that have all of `IMPI`.

    `mtv_below_knot` and `mtv_above_knot` are the MTV up to 307.9 mL and what exceeds it, in mL: a linear spline, whose
    two coefficients are its slopes. `age` in years. `stage_II`, `stage_III`, `stage_IV` are 0 or 1; stage I is none.

    Raises
    ------
    ParameterError
        A stage other than I, II, III, IV.
    """
    wrong = set(rows["ann_arbor_stage"]) - set(STAGES)
    if wrong:
        raise ParameterError(
            f"An Ann Arbor stage is I, II, III or IV. Received: {sorted(map(str, wrong))[0]!r}."
        )
    mtv = rows["mtv4_ml"].astype(float)
    stages = {f"stage_{s}": (rows["ann_arbor_stage"] == s).astype(float) for s in STAGES[1:]}
    return pd.DataFrame(
        {
            "mtv_below_knot": mtv.clip(upper=IMPI_KNOT_ML),
            "mtv_above_knot": (mtv - IMPI_KNOT_ML).clip(lower=0),
            "age": rows["age_years"].astype(float),
            **stages,
        }
    )


@dataclass(frozen=True)
class CutOff:
    """A cut-off of TMTV: high is > `value_ml`. `note` says how far the comparison is to be believed.

    high : which of the cases without a missing value are high, in their order.
    """

    name: str
    value_ml: float
    n_high: int
    n_low: int
    comparison: GroupComparison
    high: npt.NDArray[np.bool_]
    note: str = ""


def optimal_cut_off(volumes_ml: npt.ArrayLike, months: npt.ArrayLike, events: npt.ArrayLike) -> float:
    """The cut-off between two neighbouring volumes with the largest log-rank statistic.

    Each side holds at least 10 % of the cases. Ties: the lowest. NaN where no cut is possible or nobody has an event.
    """
    v, t, e = np.asarray(volumes_ml, float), np.asarray(months, float), np.asarray(events, bool)
    values = np.unique(v)
    best, statistic = NAN, -1.0
    least = max(1, int(np.ceil(SMALLEST_GROUP * v.size)))
    for cut in (values[1:] + values[:-1]) / 2:
        high = v > cut
        if min(high.sum(), (~high).sum()) < least or not e.any():
            continue
        found = logrank_statistic(t, e, high)
        if found > statistic:
            best, statistic = float(cut), found
    return best


def logrank_statistic(
    months: npt.NDArray[np.float64], events: npt.NDArray[np.bool_], high: npt.NDArray[np.bool_]
) -> float:
    """The log-rank chi-squared of two groups; 0 where its variance is. For the search among many cuts."""
    times = np.unique(months[events])
    at_risk = (months[None] >= times[:, None]).sum(axis=1)
    high_at_risk = (months[high][None] >= times[:, None]).sum(axis=1)
    died = (months[events][None] == times[:, None]).sum(axis=1)
    high_died = (months[events & high][None] == times[:, None]).sum(axis=1)
    share = high_at_risk / at_risk
    variance = float((died * share * (1 - share) * (at_risk - died) / np.maximum(at_risk - 1, 1)).sum())
    return float((high_died - died * share).sum()) ** 2 / variance if variance > 0 else 0.0


def cut_offs(
    volumes_ml: npt.ArrayLike, months: npt.ArrayLike, events: npt.ArrayLike, folds: npt.ArrayLike
) -> list[CutOff]:
    """Median and optimal cut-off of TMTV, and the optimal one cross-validated.

    In the cross-validated row each case is called high or low by the cut-off of the other folds; the log-rank test of
    those calls is the honest one. Cases with a missing value are left out; fewer than ten: an empty list.
    """
    table = pd.DataFrame({"v": volumes_ml, "t": months, "e": events, "f": folds}).astype(float).dropna()
    if len(table) < 10:
        return []
    v, t, e = (table[name].to_numpy() for name in "vte")
    found = [_cut("median", float(np.median(v)), v > np.median(v), t, e, "not chosen by outcome")]
    best = optimal_cut_off(v, t, e)
    if not np.isfinite(best):
        return found
    found.append(_cut("optimal", best, v > best, t, e, OPTIMISTIC))
    high, values = np.zeros(len(table), bool), []
    for fold in np.unique(table["f"]):
        tested = (table["f"] == fold).to_numpy()
        cut = optimal_cut_off(v[~tested], t[~tested], e[~tested])
        if not np.isfinite(cut):
            return found
        high[tested] = v[tested] > cut
        values.append(cut)
    spread = f"cut-off of the other folds: {min(values):.0f} to {max(values):.0f} mL"
    return [*found, _cut("optimal, cross-validated", float(np.median(values)), high, t, e, spread)]


def cut_off_table(found: Sequence[CutOff]) -> pd.DataFrame:
    """One row per cut-off, as it is written as CSV."""
    return pd.DataFrame(
        [
            {
                "cut_off": one.name,
                "value_ml": one.value_ml,
                "n_high": one.n_high,
                "n_low": one.n_low,
                "logrank_p": one.comparison.logrank_p,
                "hazard_ratio": one.comparison.hazard_ratio,
                "hazard_low": one.comparison.hazard_low,
                "hazard_high": one.comparison.hazard_high,
                "note": one.note,
            }
            for one in found
        ]
    )


@dataclass(frozen=True)
class Calibration:
    """Logistic recalibration of probabilities: slope 1 and intercept 0 are perfect (Cox 1958; TRIPOD).

    `intercept` is calibration in the large: with the slope held at 1. NaN where it cannot be fitted.
    """

    n: int
    intercept: float
    slope: float


def calibration(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Calibration:
    """Calibration intercept and slope of the outcome on logit(probability); probabilities within [1e-6, 1 - 1e-6].

    NaN with a class missing, probabilities that do not vary, or classes that they separate completely.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    y, p = np.asarray(labels, float), np.clip(np.asarray(probabilities, float), 1e-6, 1 - 1e-6)
    x = logit(p)
    if not 0 < y.mean() < 1 or np.ptp(x) < 1e-9:
        return Calibration(len(y), NAN, NAN)
    if x[y == 1].min() > x[y == 0].max() or x[y == 1].max() < x[y == 0].min():
        return Calibration(len(y), NAN, NAN)

    def loss(line: npt.NDArray[np.float64]) -> float:
        z = line[0] + line[1] * x
        return float(np.sum(np.logaddexp(0, z) - y * z))

    def slope_of(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rest = expit(line[0] + line[1] * x) - y
        return np.array([rest.sum(), (rest * x).sum()])

    both = minimize(loss, np.array([0.0, 1.0]), jac=slope_of, method="BFGS")
    large = minimize(lambda a: loss(np.array([a[0], 1.0])), np.array([0.0]), method="BFGS")
    return Calibration(len(y), float(large.x[0]), float(both.x[1]))


def _cut(
    name: str,
    value_ml: float,
    high: npt.NDArray[np.bool_],
    months: npt.NDArray,
    events: npt.NDArray,
    note: str,
) -> CutOff:
    return CutOff(
        name, value_ml, int(high.sum()), int((~high).sum()), compare_groups(months, events, high), high, note
    )
