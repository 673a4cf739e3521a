"""One case under every method, and its readers against each other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evaluation_files import TEST_CASES, rows
from scipy import ndimage
from small_cohort import SPACING_MM

from petct.image import read_image
from postprocess import patient_measures


def test_measures_of_the_prediction_are_those_of_the_post_processing(readers_cohort) -> None:
    for row in rows(readers_cohort, "case_methods.csv"):
        folder = readers_cohort / "results" / row["case_id"]
        stated = json.loads((folder / "tmtv.json").read_text())["methods"][row["method"]]
        for name in ("tlg", "dmax_mm", "dmax_voxel_mm", "dmax_bulk_mm", "lesion_count"):
            found = float(row[f"{name}_predicted"] or "nan")
            expected = float("nan") if stated[name] is None else stated[name]
            assert found == pytest.approx(expected, rel=1e-5, nan_ok=True), (row["case_id"], name)


def test_measures_of_the_reader_are_those_of_the_reference_mask(readers_cohort) -> None:
    for row in rows(readers_cohort, "case_methods.csv"):
        if row["method"] != "2.5":
            continue
        folder = readers_cohort / "cases" / row["case_id"]
        mask = read_image(folder / "reference_2.5.nii.gz").array > 0
        suv = read_image(folder / "pet.nii.gz").array
        expected = patient_measures(ndimage.label(mask)[0].astype(np.int32), suv, SPACING_MM)
        assert float(row["tlg_manual"]) == pytest.approx(expected.tlg, rel=1e-5)
        assert int(row["lesion_count_manual"]) == expected.lesion_count
        if expected.lesion_count:
            assert float(row["dmax_mm_manual"]) == pytest.approx(expected.dmax_mm, rel=1e-5)


def test_every_pair_of_readers_and_each_with_the_network(readers_cohort) -> None:
    found = {(r["method"], r["first"], r["second"]): r for r in rows(readers_cohort, "readers.csv")}
    assert len(found) == 4 * 6
    pair = found["2.5", "anne", "bert"]
    dice = []
    for case_id in TEST_CASES:
        first, second = (
            read_image(readers_cohort / "cases" / case_id / "readers" / who / "reference_2.5.nii.gz").array
            > 0
            for who in ("anne", "bert")
        )
        dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
    assert float(pair["median_dice"]) == pytest.approx(np.median(dice), rel=1e-5)
    assert (pair["n"], pair["n_missing"]) == ("5", "0")
    assert (found["2.5", "anne", "carl"]["n"], found["2.5", "anne", "carl"]["n_missing"]) == ("4", "1")
    assert ("2.5", "carl", "network") in found
    page = (readers_cohort / "report" / "index.html").read_text()
    # The readers drew the same volumes, a voxel apart: the network's larger one is not within their agreement.
    assert "SUV &gt; 2.5: the network is not within the readers" in page
