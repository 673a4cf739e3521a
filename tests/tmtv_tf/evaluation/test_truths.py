"""Any mask as truth, and no lesion at all."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from evaluation_files import TEST_CASES, evaluate, rows, summary, text_of
from small_cohort import GEOMETRY, SHAPE

from petct.image import Image, read_image, write_image
from tmtv_tf.cases.cohort import write_cohort

NOTHING = np.zeros(SHAPE, np.uint8)


def test_a_mask_as_truth_and_masks_of_another_program(readers_cohort, tmp_path) -> None:
    """Expert masks only; predictions as nnU-Net writes them. Every method on both sides inside its own mask."""
    for case_id in TEST_CASES:
        folder = tmp_path / "cases" / case_id
        folder.mkdir(parents=True)
        for name in ("pet.nii.gz", "case.json"):
            shutil.copy(readers_cohort / "cases" / case_id / name, folder)
        shutil.copy(readers_cohort / "cases" / case_id / "reference_2.5.nii.gz", folder / "mask.nii.gz")
        raw = read_image(readers_cohort / "results" / case_id / "lesions_raw.nii.gz")
        write_image(
            tmp_path / "masks" / f"{case_id}.nii.gz", raw.with_array((raw.array > 0).astype(np.uint8))
        )
    write_cohort(tmp_path / "cases", [{"case_id": case_id, "split": "test"} for case_id in TEST_CASES[1:]])
    shutil.copytree(readers_cohort / "results", tmp_path / "results")
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


def test_every_truth_empty(readers_cohort, tmp_path) -> None:
    shutil.copytree(readers_cohort / "results", tmp_path / "results")
    for case_id in TEST_CASES[:2]:
        folder = tmp_path / "cases" / case_id
        folder.mkdir(parents=True)
        for name in ("pet.nii.gz", "case.json"):
            shutil.copy(readers_cohort / "cases" / case_id / name, folder)
        write_image(folder / "mask.nii.gz", Image(NOTHING, GEOMETRY))
    assert evaluate(tmp_path) == 1  # three cases are not there
    assert summary(tmp_path)["without_lesion"]["n"] == 2
    assert "NaN" not in (tmp_path / "report" / "evaluation.json").read_text()
    assert "nan" not in text_of(tmp_path / "report" / "index.html").split()
