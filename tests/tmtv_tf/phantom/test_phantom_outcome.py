"""The outcome model against its own formula, simulation, and the rules of a cohort table."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from petct.files import read_json
from tmtv_tf.cases.cohort import check_outcome
from tmtv_tf.phantom.outcome import COLUMNS, best_auc, draw_outcome, event_probability, image_score


def simulate(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 0.9, count)
    return scores, [draw_outcome(float(score), rng) for score in scores]


def test_a_larger_wider_hotter_lymphoma_is_worse():
    reference = image_score(200, 420, 17)
    assert reference == pytest.approx(0)
    assert image_score(400, 420, 17) > reference
    assert image_score(200, 600, 17) > reference
    assert image_score(200, 420, 30) > reference


def test_event_probability_is_the_share_of_simulated_events():
    """60 000 draws: standard error 0.002."""
    rng = np.random.default_rng(1)
    for score in (-1.0, 0.5):
        early = [draw_outcome(score, rng) for _ in range(20000)]
        # follow-up ends at 18 months at the earliest, so everybody is seen for 17.9
        share = np.mean([row["pfs_event"] == 1 and row["pfs_months"] <= 17.9 for row in early])
        assert share == pytest.approx(event_probability(score, 17.95), abs=0.012)


def test_best_auc_is_what_the_true_score_reaches():
    scores, rows = simulate(20000)
    known = np.array([row["efs2y_event"] is not None for row in rows])
    labels = np.array([row["efs2y_event"] or 0 for row in rows])
    assert best_auc(scores[:3000]) == pytest.approx(roc_auc_score(labels[known], scores[known]), abs=0.02)
    assert best_auc([1.0]) is None
    assert best_auc([0.3, 0.3]) == pytest.approx(0.5)


def test_about_a_third_has_an_event_within_two_years_and_shuffled_labels_say_nothing():
    scores, rows = simulate(5000, seed=2)
    known = np.array([row["efs2y_event"] is not None for row in rows])
    labels = np.array([row["efs2y_event"] or 0 for row in rows])[known]
    assert 0.25 < labels.mean() < 0.5
    shuffled = np.random.default_rng(3).permutation(labels)
    assert roc_auc_score(shuffled, scores[known]) == pytest.approx(0.5, abs=0.03)


def test_every_outcome_is_one_that_a_cohort_accepts():
    for row in simulate(3000, seed=4)[1]:
        check_outcome(row, "synthetic")
        assert row["pfs_months"] <= row["os_months"]
        assert row["pfs_event"] >= 0
        assert row["os_event"] <= 1


def test_the_cohort_carries_outcomes_and_the_best_auc(phantoms):
    with open(phantoms / "cohort.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["pfs_months"]) > 0 for row in rows)
    assert set(COLUMNS) <= set(rows[0])
    assert 0.5 < read_json(phantoms / "phantom.json")["best_auc_efs2y"] < 1
