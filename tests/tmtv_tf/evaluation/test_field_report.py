"""`tmtv evaluate` beyond the paper: several readers, masks as truth, masks of other programs, no lesion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from small_cohort import GEOMETRY, SHAPE, SPACING_MM, make_cohort
from test_evaluate_command import TEST_CASES, evaluate, rows, summary, text_of

from petct.image import Image, read_image, write_image
from postprocess import patient_measures
from tmtv_tf.cases.cohort import write_cohort
from tmtv_tf.evaluation.concordance import icc_a1
from tmtv_tf.evaluation.field_tables import concordance, reader_statements, readers

NAMES = ("tmtvprob", "reference_41", "reference_2.5", "reference_4.0", "reference_otsu")
NOTHING = np.zeros(SHAPE, np.uint8)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Five test cases; three readers, of whom the third read four; one case without lesion and with a false alarm."""
    root = make_cohort(tmp_path_factory.mktemp("field"))
    for i in range(6):
        shutil.rmtree(root / "cases" / f"case{i:02d}")
    for case_id in TEST_CASES:
        folder = root / "cases" / case_id
        for reader, steps in (("anne", 0), ("bert", 1), ("carl", -1)):
            if reader == "carl" and case_id == "case10":
                continue
            for name in NAMES:
                image = read_image(folder / f"{name}.nii.gz")
                moved = np.roll(image.array, steps, 2)
                write_image(folder / "readers" / reader / f"{name}.nii.gz", image.with_array(moved))
    for name in NAMES:
        write_image(root / "cases" / "case09" / f"{name}.nii.gz", Image(NOTHING, GEOMETRY))
    assert evaluate(root) == 0
    return root


def test_measures_of_the_prediction_are_those_of_the_post_processing(cohort) -> None:
    for row in rows(cohort, "case_methods.csv"):
        folder = cohort / "results" / row["case_id"]
        stated = json.loads((folder / "tmtv.json").read_text())["methods"][row["method"]]
        for name in ("tlg", "dmax_mm", "dmax_voxel_mm", "dmax_bulk_mm", "lesion_count"):
            found = float(row[f"{name}_predicted"] or "nan")
            expected = float("nan") if stated[name] is None else stated[name]
            assert found == pytest.approx(expected, rel=1e-5, nan_ok=True), (row["case_id"], name)


def test_measures_of_the_reader_are_those_of_the_reference_mask(cohort) -> None:
    for row in rows(cohort, "case_methods.csv"):
        if row["method"] != "2.5":
            continue
        folder = cohort / "cases" / row["case_id"]
        mask = read_image(folder / "reference_2.5.nii.gz").array > 0
        suv = read_image(folder / "pet.nii.gz").array
        expected = patient_measures(ndimage.label(mask)[0].astype(np.int32), suv, SPACING_MM)
        assert float(row["tlg_manual"]) == pytest.approx(expected.tlg, rel=1e-5)
        assert int(row["lesion_count_manual"]) == expected.lesion_count
        if expected.lesion_count:
            assert float(row["dmax_mm_manual"]) == pytest.approx(expected.dmax_mm, rel=1e-5)


def test_agreement_of_tmtv_is_that_of_the_two_columns(cohort) -> None:
    table = pd.DataFrame(rows(cohort, "case_methods.csv"))
    chosen = table[table["method"] == "41"][["tmtv_predicted_ml", "tmtv_manual_ml"]].astype(float).to_numpy()
    row = next(r for r in rows(cohort, "concordance.csv") if (r["method"], r["measure"]) == ("41", "tmtv"))
    assert float(row["icc"]) == pytest.approx(icc_a1(chosen).value, rel=1e-4)
    assert (float(row["readers_icc"]), float(row["readers_cv_percent"])) == (0.43, 65.5)
    assert "Burggraaff 2020" in row["readers_source"]
    page = (cohort / "report" / "index.html").read_text()
    assert "10.1007/s11307-020-01474-z" in page
    assert "10.2967/jnumed.124.267789" in page


def test_a_case_without_lesion_is_a_group_of_its_own(cohort) -> None:
    row = rows(cohort, "without_lesion.csv")[0]
    raw = {r["case_id"]: r for r in rows(cohort, "case_methods.csv") if r["method"] == "raw"}
    assert (row["n"], row["n_with_lesion"], row["false_alarms"]) == ("1", "4", "1")
    assert row["false_alarm_max_ml"] == raw["case09"]["tmtv_predicted_ml"]
    cases = {r["case_id"]: r for r in rows(cohort, "cases.csv")}
    assert (cases["case09"]["autopet_dice"], cases["case09"]["autopet3_dice"]) == ("0", "")
    assert "False alarms in 1 of them" in " ".join((cohort / "report" / "index.html").read_text().split())


def test_every_pair_of_readers_and_each_with_the_network(cohort) -> None:
    found = {(r["method"], r["first"], r["second"]): r for r in rows(cohort, "readers.csv")}
    assert len(found) == 4 * 6
    pair = found["2.5", "anne", "bert"]
    dice = []
    for case_id in TEST_CASES:
        first, second = (
            read_image(cohort / "cases" / case_id / "readers" / who / "reference_2.5.nii.gz").array > 0
            for who in ("anne", "bert")
        )
        dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
    assert float(pair["median_dice"]) == pytest.approx(np.median(dice), rel=1e-5)
    assert (pair["n"], pair["n_missing"]) == ("5", "0")
    assert (found["2.5", "anne", "carl"]["n"], found["2.5", "anne", "carl"]["n_missing"]) == ("4", "1")
    assert ("2.5", "carl", "network") in found
    page = (cohort / "report" / "index.html").read_text()
    # The readers drew the same volumes, a voxel apart: the network's larger one is not within their agreement.
    assert "SUV &gt; 2.5: the network is not within the readers" in page


def test_within_and_not_within_the_readers() -> None:
    """Two readers with Dice 0.9; a network at 0.95 is within, one at 0.6 or 50 % larger is not."""

    def table(dice: float, factor: float) -> pd.DataFrame:
        volumes = np.arange(100.0, 600, 100)
        rows = [("r1", "r2", 0.9, v, 1.1 * v) for v in volumes]
        rows += [(who, "network", dice, v, factor * v) for who in ("r1", "r2") for v in volumes]
        columns = ["first", "second", "dice", "tmtv_first_ml", "tmtv_second_ml"]
        frame = pd.DataFrame(rows, columns=columns).assign(
            method="41", case_id=[f"c{i % 5}" for i in range(15)]
        )
        return readers(frame, 5)

    assert "is within" in reader_statements(table(0.95, 1.05))[0]
    assert "not within" in reader_statements(table(0.6, 1.05))[0]
    assert "not within" in reader_statements(table(0.95, 1.5))[0]


def test_nothing_is_said_of_the_readers_of_one_case() -> None:
    """It has a Dice but no mean difference: NaN is neither within nor not within."""
    rows = [("r1", "r2", 0.9, 100.0, 110.0), ("r1", "network", 0.6, 100.0, 150.0)]
    columns = ["first", "second", "dice", "tmtv_first_ml", "tmtv_second_ml"]
    table = pd.DataFrame(rows, columns=columns).assign(case_id="c", method="41")
    assert reader_statements(readers(table, 1)) == [
        "41 % of SUVmax: too few cases to say whether the network is within the readers."
    ]


def test_a_mask_as_truth_and_masks_of_another_program(cohort, tmp_path) -> None:
    """Expert masks only; predictions as nnU-Net writes them. Every method on both sides inside its own mask."""
    for case_id in TEST_CASES:
        folder = tmp_path / "cases" / case_id
        folder.mkdir(parents=True)
        for name in ("pet.nii.gz", "case.json"):
            shutil.copy(cohort / "cases" / case_id / name, folder)
        shutil.copy(cohort / "cases" / case_id / "reference_2.5.nii.gz", folder / "mask.nii.gz")
        raw = read_image(cohort / "results" / case_id / "lesions_raw.nii.gz")
        write_image(
            tmp_path / "masks" / f"{case_id}.nii.gz", raw.with_array((raw.array > 0).astype(np.uint8))
        )
    write_cohort(tmp_path / "cases", [{"case_id": case_id, "split": "test"} for case_id in TEST_CASES[1:]])
    shutil.copytree(cohort / "results", tmp_path / "results")
    assert evaluate(tmp_path) == 0
    text = " ".join((tmp_path / "report" / "index.html").read_text().split())
    assert "4 cases compared with mask.nii.gz: a mask, not TMTVprob" in text
    assert "Not in cohort.csv, without split and subtype: case06." in text
    for row in rows(
        tmp_path, "case_methods.csv"
    ):  # the threshold inside the expert's mask, which is > 2.5 already
        if row["method"] == "2.5":
            mask = read_image(tmp_path / "cases" / row["case_id"] / "mask.nii.gz").array > 0
            assert float(row["tmtv_manual_ml"]) == pytest.approx(mask.sum() * 1.08, rel=1e-5)
    before = rows(tmp_path, "cases.csv")
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "masks").rename(tmp_path / "results")
    assert evaluate(tmp_path) == 0
    assert [r["dice_tmtvprob"] for r in rows(tmp_path, "cases.csv")] == [r["dice_tmtvprob"] for r in before]
    assert list(summary(tmp_path)["methods"]) == ["raw"]


def test_every_truth_empty(cohort, tmp_path) -> None:
    shutil.copytree(cohort / "results", tmp_path / "results")
    for case_id in TEST_CASES[:2]:
        folder = tmp_path / "cases" / case_id
        folder.mkdir(parents=True)
        for name in ("pet.nii.gz", "case.json"):
            shutil.copy(cohort / "cases" / case_id / name, folder)
        write_image(folder / "mask.nii.gz", Image(NOTHING, GEOMETRY))
    assert evaluate(tmp_path) == 1  # three cases are not there
    assert summary(tmp_path)["without_lesion"]["n"] == 2
    assert "NaN" not in (tmp_path / "report" / "evaluation.json").read_text()
    assert "nan" not in text_of(tmp_path / "report" / "index.html").split()


def test_ties_and_a_subtype_of_one_case(cohort) -> None:
    """Equal volumes everywhere: agreement is undefined, not 0; one case has no SD. The page shows a dash."""
    tied = pd.DataFrame({"method": "41", "tmtv_manual_ml": [5.0] * 4, "tmtv_predicted_ml": [5.0] * 4})
    row = concordance(tied).iloc[0]
    assert row[["icc", "ccc", "icc_low", "ccc_low"]].isna().all()
    assert (row["share_close"], row["cv_percent"], row["n"]) == (1, 0, 4)
    found = [r for r in rows(cohort, "dice_by_subtype.csv") if r["n"] == "1"]
    assert found
    assert all(r["sd"] == "" for r in found)
