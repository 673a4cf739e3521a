"""One case measured: numbers counted again from the files."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from evaluation_files import TEST_CASES, evaluate, rows, summary, text_of
from small_cohort import GEOMETRY, METHODS, SHAPE, post_process, write_probability

from petct.image import Image, read_image, write_image


def test_numbers_equal_the_masks_on_disk(cohort):
    """Dice and TMTV counted again here, from the files alone."""
    hard, per_method = [], {method: [] for method in METHODS}
    volumes = {method: [] for method in METHODS}
    for case_id in TEST_CASES:
        truth = read_image(cohort / "cases" / case_id / "tmtvprob.nii.gz").array > 0.5
        for method in METHODS:
            found = read_image(cohort / "results" / case_id / f"lesions_{method}.nii.gz").array > 0
            reference = (
                truth
                if method == "raw"
                else read_image(cohort / "cases" / case_id / f"reference_{method}.nii.gz").array > 0
            )
            per_method[method].append(2 * (found & reference).sum() / (found.sum() + reference.sum()))
            volumes[method].append(found.sum() * 12 * 9 * 10 / 1000)
        probability = read_image(cohort / "probability" / case_id / "probability.nii.gz").array > 0.5
        hard.append(2 * (probability & truth).sum() / (probability.sum() + truth.sum()))
    content = summary(cohort)
    assert content["median_dice_tmtvprob"] == pytest.approx(np.median(hard))
    assert content["split"] == "test"
    assert (content["cases_evaluated"], content["cases_in_cohort"]) == (5, 11)
    for method in METHODS:
        found = content["methods"][method]
        assert found["median_dice"] == pytest.approx(np.median(per_method[method]))
        assert found["mean_dice"] == pytest.approx(np.mean(per_method[method]))
        assert found["tmtv_predicted_ml"]["median"] == pytest.approx(np.median(volumes[method]))
        assert -1 <= found["spearman"] <= 1
        assert found["n"] == 5


def test_specificity_counts_every_voxel_of_the_image(cohort):
    """Lesions are measured in the box that holds them; the air around it counts too."""
    for row in rows(cohort, "cases.csv"):
        truth = read_image(cohort / "cases" / row["case_id"] / "tmtvprob.nii.gz").array > 0.5
        found = read_image(cohort / "results" / row["case_id"] / "lesions_raw.nii.gz").array > 0
        assert float(row["specificity"]) == pytest.approx((~truth & ~found).sum() / (~truth).sum(), abs=1e-6)


def test_what_was_broken_on_purpose_is_found(cohort):
    cases = {row["case_id"]: row for row in rows(cohort, "cases.csv")}
    assert int(cases["case06"]["false_positive_foci"]) == 1  # the bladder
    assert int(cases["case07"]["missed_foci"]) == 1
    assert float(cases["case08"]["dice_tmtvprob"]) == 1  # TMTVprob given as the prediction
    assert float(cases["case08"]["soft_dice_tmtvprob"]) == 1
    positions = rows(cohort, "false_positives.csv")
    assert [row["case_id"] for row in positions] == ["case06"]
    # The bladder's centre, voxel (3, 12, 15): LPS x = -150 + 15 * 10, y = -120 + 12 * 9, z = 40 + 3 * 12
    found = [float(positions[0][axis]) for axis in ("x_mm", "y_mm", "z_mm")]
    assert found == pytest.approx([0, -12, 76], abs=1)


def test_the_perfect_prediction_reaches_the_ceiling(cohort):
    for row in rows(cohort, "case_methods.csv"):
        if row["case_id"] == "case08":
            assert row["dice"] == row["ceiling_dice"]
            assert row["tmtv_predicted_ml"] == row["ceiling_tmtv_ml"]


def test_no_lesion_at_all(copy):
    """Empty prediction: Dice 0. Empty prediction and empty reference: undefined, left out, counted."""
    nothing = np.zeros(SHAPE, np.float32)
    for case_id in ("case06", "case07"):
        write_probability(copy, case_id, nothing)
    post_process(copy, "--overwrite")
    for name in ("tmtvprob", *(f"reference_{method}" for method in ("41", "2.5", "4.0", "otsu"))):
        write_image(copy / "cases" / "case07" / f"{name}.nii.gz", Image(nothing.astype(np.uint8), GEOMETRY))
    assert evaluate(copy) == 0
    content = summary(copy)
    assert content["dice_tmtvprob"]["n"] == 4
    assert content["dice_tmtvprob"]["n_undefined"] == 1
    assert content["dice_tmtvprob"]["minimum"] == 0
    assert content["methods"]["41"]["n_undefined"] == 1
    assert content["methods"]["41"]["tmtv_predicted_ml"]["n"] == 5  # 0 mL is a measurement


def test_one_case_with_the_raw_mask_alone(copy):
    """One patient: no correlation, no interval, and still a report. The map stands in for a missing raw mask."""
    for case_id in TEST_CASES[1:]:
        shutil.rmtree(copy / "results" / case_id)
    tmtv = copy / "results" / "case06" / "tmtv.json"
    content = json.loads(tmtv.read_text())
    for kept in ("raw", "41"):
        tmtv.write_text(json.dumps(content | {"methods": {kept: content["methods"][kept]}}))
        assert evaluate(copy) == 0
        found = summary(copy)
        assert list(found["methods"]) == [kept]
        assert found["methods"][kept]["spearman"] is None
        assert found["median_dice_tmtvprob_interval_95"] == [None, None]
        page = text_of(copy / "report" / "index.html")
        assert "– to –" not in page
        assert "± –" not in page
    shutil.rmtree(copy / "probability")
    assert evaluate(copy) == 2
