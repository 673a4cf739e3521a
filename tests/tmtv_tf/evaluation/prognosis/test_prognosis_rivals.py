"""The simple rivals: measures of a known case, regressions against data that they fit."""

import numpy as np
import pandas as pd
import pytest

from petct.files import write_json
from petct.image import Geometry, Image, write_image
from tmtv_tf.cases.case import load_case
from tmtv_tf.evaluation.prognosis.classification import auc
from tmtv_tf.evaluation.prognosis.prognosis_rivals import (
    MEASURES,
    cox_scores,
    impi_scores,
    logistic_scores,
    measure,
)


def test_measures_of_two_cubes(tmp_path):
    """Two cubes of 8 voxels of 5 x 4 x 3 mm, SUV 10 and 6, 20 slices apart."""
    folder = tmp_path / "a"
    geometry = Geometry((40, 16, 16), (5.0, 4.0, 3.0))
    pet = np.ones(geometry.shape, np.float32)
    pet[4:6, 4:6, 4:6], pet[24:26, 4:6, 4:6] = 10, 6
    truth = (pet > 2).astype(np.float32)
    write_image(folder / "pet.nii.gz", Image(pet, geometry))
    write_json(folder / "case.json", {"case_id": "a"})
    assert all(np.isnan(v) for v in measure(load_case(folder)).values())
    write_image(folder / "tmtvprob.nii.gz", Image(truth, geometry))
    for method in ("41", "2.5", "4.0", "otsu"):
        write_image(folder / f"reference_{method}.nii.gz", Image(truth > 0.5, geometry))
    found = measure(load_case(folder))
    assert found["suv_peak4"] > 4
    del found["suv_peak4"]  # tests/postprocess checks SUVpeak
    expected = {"tmtv_ml": 16 * 0.06, "dmax_mm": 100.0, "suv_max": 10.0}
    assert found == pytest.approx({**expected, "mtv4_ml": 16 * 0.06, "dmax_bulk4_mm": 100.0})


def cohort(n=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: np.exp(rng.normal(3, 1, n)) for name in MEASURES})
    hazard = 0.01 * np.exp(1.2 * (np.log(table["tmtv_ml"]) - 3))
    months = rng.exponential(1 / hazard)
    table["pfs_event"] = (months < 60).astype(float)
    table["pfs_months"] = np.minimum(months, 60)
    table["efs2y_event"] = (months < 24).astype(float)
    return table


@pytest.mark.parametrize("scores", [logistic_scores, cox_scores])
def test_regressions_find_the_measure_that_matters(scores):
    table = cohort()
    train, test = table[:200].copy(), table[200:].copy()
    train.loc[train.index[:5], "efs2y_event"] = np.nan
    test.loc[test.index[0], "tmtv_ml"] = np.nan
    found = scores(train, test)
    assert np.isnan(found[0])
    assert found[1:].min() >= 0
    assert found[1:].max() <= 1
    labels = test["efs2y_event"].to_numpy()[1:]
    assert auc(labels, found[1:]) == pytest.approx(auc(labels, test["tmtv_ml"].to_numpy()[1:]), abs=0.03)
    assert auc(labels, found[1:]) > 0.75


def test_shuffled_outcomes_teach_nothing():
    table = cohort(600)
    outcomes = ["efs2y_event", "pfs_months", "pfs_event"]
    shuffled = table.sample(frac=1, random_state=1).reset_index(drop=True)
    table[outcomes] = shuffled[outcomes]
    for scores in (logistic_scores, cox_scores):
        found = scores(table[:300].copy(), table[300:].copy())
        assert auc(table["efs2y_event"].to_numpy()[300:], found) == pytest.approx(0.5, abs=0.1)


def test_cox_needs_events():
    table = cohort(40).assign(pfs_event=0.0)
    assert np.isnan(cox_scores(table, table)).all()


@pytest.mark.filterwarnings("error::lifelines.exceptions.ConvergenceWarning")
def test_impi_s_form_finds_what_the_outcomes_were_drawn_from():
    """A hazard of MTV up to the knot, age and stage IV; nobody of stage III in training."""
    rng = np.random.default_rng(3)
    n = 400
    table = pd.DataFrame(
        {
            "mtv4_ml": rng.lognormal(5.5, 1, n),
            "age_years": rng.uniform(20, 85, n),
            "ann_arbor_stage": rng.choice(["I", "II", "IV"], n),
        }
    )
    risk = (
        0.008 * table["mtv4_ml"].clip(upper=307.9)
        + 0.03 * table["age_years"]
        + (table["ann_arbor_stage"] == "IV")
    )
    months = rng.exponential(600 * np.exp(-risk))
    table["pfs_event"], table["pfs_months"] = (months < 60).astype(float), np.minimum(months, 60)
    train, test = table[:200].copy(), table[200:].copy()
    test.iloc[0, test.columns.get_loc("age_years")] = np.nan
    test.iloc[1, test.columns.get_loc("ann_arbor_stage")] = "III"
    found = impi_scores(train, test)
    assert np.isnan(found[0])
    assert 0 <= found[1] <= 1
    labels = (months[200:] < 24).astype(int)
    assert auc(labels[2:], found[2:]) == pytest.approx(auc(labels[2:], risk.to_numpy()[202:]), abs=0.03)


def test_impi_s_form_needs_age_and_stage():
    table = cohort(40).assign(mtv4_ml=100.0, age_years=np.nan, ann_arbor_stage=None)
    assert np.isnan(impi_scores(table, table)).all()
    assert np.isnan(impi_scores(cohort(40), cohort(40))).all()
