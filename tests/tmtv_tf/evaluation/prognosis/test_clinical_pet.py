"""The spline of IMPI by hand, cut-offs against lifelines, calibration against statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from petct.errors import ParameterError
from tmtv_tf.evaluation.prognosis.clinical_pet import (
    calibration,
    cut_off_table,
    cut_offs,
    impi_features,
    logrank_statistic,
    optimal_cut_off,
)


def test_the_spline_of_impi_by_hand() -> None:
    """MTV 407.9 is 100 mL above the knot; at 307.9 and below nothing is."""
    rows = pd.DataFrame(
        {"mtv4_ml": [100, 307.9, 407.9], "age_years": 60.0, "ann_arbor_stage": ["I", "II", "IV"]}
    )
    features = impi_features(rows)
    assert features["mtv_below_knot"].tolist() == [100, 307.9, 307.9]
    assert features["mtv_above_knot"].tolist() == pytest.approx([0, 0, 100])
    assert features[["stage_II", "stage_III", "stage_IV"]].to_numpy().tolist() == [
        [0, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
    ]
    with pytest.raises(ParameterError, match="'V'"):
        impi_features(rows.assign(ann_arbor_stage="V"))


def cohort(n: int = 120, effect: float = 1.5, seed: int = 1) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    volume = rng.lognormal(5, 1, n)
    months = rng.exponential(40 / (1 + effect * (volume > 300)))
    events = months < 60
    return volume, np.minimum(months, 60), events, np.arange(n) % 5


def test_the_optimal_cut_off_has_the_largest_log_rank_statistic() -> None:
    """lifelines.statistics.logrank_test at every cut that leaves 10 % on each side."""
    from lifelines.statistics import logrank_test

    volume, months, events, _ = cohort()
    best = optimal_cut_off(volume, months, events)

    def statistic(cut: float) -> float:
        high = volume > cut
        return logrank_test(months[high], months[~high], events[high], events[~high]).test_statistic

    cut = float(np.median(volume))
    assert logrank_statistic(months, events, volume > cut) == pytest.approx(statistic(cut))
    allowed = np.sort(volume)[12:-12:4]
    assert statistic(best) >= max(statistic(cut) for cut in allowed) - 1e-9
    assert 200 < best < 450


def test_the_cross_validated_row_is_honest_where_the_optimal_one_is_not() -> None:
    """Outcomes that know nothing of TMTV: over 12 cohorts the optimal cut is often "significant", the honest rarely."""
    optimal, honest = [], []
    for seed in range(12):
        table = cut_off_table(cut_offs(*cohort(60, effect=0.0, seed=seed))).set_index("cut_off")
        optimal.append(table.loc["optimal", "logrank_p"] < 0.05)
        honest.append(table.loc["optimal, cross-validated", "logrank_p"] < 0.05)
    assert sum(optimal) >= 3
    assert sum(honest) <= 2
    assert "optimistic" in table.loc["optimal", "note"]


def test_the_median_cut_off_equals_lifelines() -> None:
    from lifelines.statistics import logrank_test

    volume, months, events, folds = cohort()
    row = cut_off_table(cut_offs(volume, months, events, folds)).iloc[0]
    high = volume > np.median(volume)
    expected = logrank_test(months[high], months[~high], events[high], events[~high]).p_value
    assert (row["cut_off"], row["n_high"], row["n_low"]) == ("median", 60, 60)
    assert row["logrank_p"] == pytest.approx(expected)


def test_too_few_cases_and_no_event() -> None:
    volume, months, events, folds = cohort(9)
    assert cut_offs(volume, months, events, folds) == []
    volume, months, _, folds = cohort(30)
    found = cut_offs(volume, months, np.zeros(30), folds)
    assert [one.name for one in found] == ["median"]
    assert np.isnan(found[0].comparison.logrank_p)


def test_calibration_equals_statsmodels() -> None:
    """statsmodels.api.GLM(y, X, Binomial()) with logit(p) as regressor, and as offset for the intercept."""
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, 400)
    x = np.log(p / (1 - p))
    y = (rng.random(400) < 1 / (1 + np.exp(0.5 - 0.6 * x))).astype(float)
    found = calibration(y, p)
    line = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit()
    level = sm.GLM(y, np.ones(400), family=sm.families.Binomial(), offset=x).fit()
    assert found.slope == pytest.approx(line.params[1], abs=1e-4)
    assert found.intercept == pytest.approx(level.params[0], abs=1e-4)
    assert found.slope == pytest.approx(0.6, abs=0.15)
    assert np.isnan(calibration(np.ones(5), np.full(5, 0.5)).slope)
    assert np.isnan(calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).slope)
