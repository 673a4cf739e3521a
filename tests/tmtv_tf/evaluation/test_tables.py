"""Truth: three patients with numbers chosen by hand; the paper's numbers as printed in the paper."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tmtv_tf.evaluation import tables
from tmtv_tf.evaluation.rivals import Rivals

NAN = float("nan")


def method_rows() -> pd.DataFrame:
    values = [  # case, subtype, method, dice, manual, predicted, raw, ceiling
        ("a", "HL", "raw", 0.9, 100, 90, 0.9, 1.0),
        ("b", "FL", "raw", 0.7, 200, 250, 0.7, 1.0),
        ("c", "HL", "raw", 0.5, 10, 40, 0.5, 1.0),
        ("a", "HL", "41", 0.8, 110, 100, 0.7, 0.95),
        ("b", "FL", "41", 0.6, 210, 240, 0.5, 0.85),
        ("c", "HL", "41", NAN, 0, 0, NAN, NAN),
    ]
    columns = [
        "case_id",
        "subtype",
        "method",
        "dice",
        "tmtv_manual_ml",
        "tmtv_predicted_ml",
        "raw_dice",
        "ceiling_dice",
    ]
    table = pd.DataFrame(values, columns=columns)
    return table.assign(jaccard=table["dice"] / (2 - table["dice"]), raw_jaccard=NAN, split="test")


def row_of(table: pd.DataFrame, **wanted) -> dict:
    for key, value in wanted.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0].to_dict()


def test_dice_by_subtype():
    table = tables.dice_by_subtype(method_rows())
    assert list(dict.fromkeys(table["subtype"])) == ["HL", "FL", "All"]
    assert set(table["method"]) == {"41"}
    hl = row_of(table, subtype="HL")
    assert (hl["n"], hl["n_undefined"], hl["median"]) == (1, 1, 0.8)
    assert math.isnan(hl["sd"])
    everyone = row_of(table, subtype="All")
    assert (everyone["n"], everyone["median"], everyone["mean"]) == (
        2,
        pytest.approx(0.7),
        pytest.approx(0.7),
    )
    assert everyone["sd"] == pytest.approx(0.1 * math.sqrt(2))
    assert (everyone["paper_median"], everyone["paper_mean"], everyone["paper_sd"]) == (0.77, 0.73, 0.20)


def test_patients_without_a_subtype_count_among_all():
    rows = method_rows()
    rows.loc[rows["case_id"] == "b", "subtype"] = None
    table = tables.dice_by_subtype(rows)
    assert list(table["subtype"]) == ["HL", "All"]
    assert row_of(table, subtype="All")["n"] == 2


def test_distribution_and_agreement():
    distribution = tables.tmtv_distribution(method_rows())
    manual = row_of(distribution, method="41", source="manual")
    assert (manual["n"], manual["min_ml"], manual["median_ml"], manual["max_ml"]) == (3, 0, 110, 210)
    assert (manual["paper_median_ml"], manual["paper_sd_ml"]) == (240, 498)
    found = row_of(tables.agreement(method_rows()), method="41")
    differences = np.array([-10, 30, 0])
    assert found["bias_ml"] == pytest.approx(differences.mean())
    assert found["upper_limit_ml"] == pytest.approx(differences.mean() + 1.96 * differences.std(ddof=1))
    assert (found["spearman"], found["paper_spearman"], found["paper_t"]) == (1, 0.92, "NS")


def test_stages():
    found = row_of(tables.stages(method_rows()), method="41")
    assert found["raw_median_dice"] == pytest.approx(0.6)
    assert found["median_dice"] == pytest.approx(0.7)
    assert found["ceiling_median_dice"] == pytest.approx(0.9)
    assert (found["paper_raw_median_dice"], found["paper_median_dice"]) == (0.71, 0.77)


def test_voxel_metrics_and_roi_counts_of_three_patients():
    """Means and medians by hand; sections 3.1 and 3.3 of the paper beside."""
    cases = pd.DataFrame(
        {"jaccard_tmtvprob": [0.2, 0.6, NAN], "rois_manual": [1, 2, 9], "rois_generated": [3, 5, 10]}
    )
    jaccard = row_of(tables.voxel_metrics(cases), key="jaccard_tmtvprob")
    assert (jaccard["n"], jaccard["n_undefined"]) == (2, 1)
    assert (jaccard["median"], jaccard["mean"]) == pytest.approx((0.4, 0.4))
    assert (jaccard["paper_median"], jaccard["paper_mean"], jaccard["paper_sd"]) == (0.68, 0.64, 0.17)
    counts = tables.roi_counts(cases)
    assert list(counts["median"]) == [2, 5]
    assert list(counts["mean"]) == [4, 6]
    assert list(counts["paper_mean"]) == [21, 33]


def test_splits_in_the_papers_order():
    cases = pd.DataFrame({"split": ["test", "train", None, "test"], "dice_tmtvprob": [0.5, 0.9, 0.1, 0.7]})
    table = tables.dice_by_split(cases)
    assert list(table["split"]) == ["train", "test", "not stated"]
    assert list(table["median"]) == pytest.approx([0.9, 0.6, 0.1])
    assert list(table["paper_mean"])[:2] == [0.836, 0.76]


def test_rivals_stand_beside_the_network():
    cases = pd.DataFrame(
        {"dice_tmtvprob": [0.8, 0.6], "dice_threshold": [0.2, 0.4], "dice_threshold_without_hot": [0.3, 0.3]}
    )
    rivals = Rivals(5, 4.5, 0.31, 3.0, float("inf"), 0.35, np.zeros((2, 2, 2), np.float32))
    table = tables.rival_table(cases, rivals)
    assert list(table["median_dice"]) == pytest.approx([0.7, 0.3, 0.3])
    assert list(table["name"]) == ["Network", "SUV > 4.5 over the whole body", "SUV > 3, no place left out"]
    assert list(tables.rival_table(cases[["dice_tmtvprob"]], None)["name"]) == ["Network"]


def test_rois_that_are_parts_of_masks_are_called_so():
    cases = pd.DataFrame({"rois_manual": [3, 5], "rois_are_parts": [True, False]})
    names = [tables.roi_counts(cases.assign(rois_are_parts=parts))["name"][0] for parts in (False, True)]
    assert names == ["Drawn by the reader", "Connected parts of the reader's masks"]
    assert "in 1 of 2 cases" in tables.roi_counts(cases)["name"][0]


def test_rois_without_a_voxel_were_not_drawn_on_the_pet(tmp_path):
    from tmtv_tf.evaluation.reading import _are_parts, _count_rois

    (tmp_path / "rois.csv").write_text("roi,voxels\n1,12\n2,0\n3,1\n")
    assert _count_rois(tmp_path / "rois.csv") == 2
    (tmp_path / "case.json").write_text('{"rois": {"components": true}}')
    assert _are_parts(tmp_path / "case.json")
    assert not _are_parts(tmp_path / "none.json")
