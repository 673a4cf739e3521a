"""The first paper's Table 1: a cohort by trial, stage and subtype."""

from __future__ import annotations

import pytest

from petct.errors import CaseError
from tmtv_tf.cases.cohort import parse_row
from tmtv_tf.evaluation.patients import cohort_table


def row(case_id: str, trial: str | None, stage: str | None, subtype: str = "HL", patient: str = "") -> dict:
    return {
        "case_id": case_id,
        "patient_key": patient or case_id,
        "trial": trial,
        "ann_arbor_stage": stage,
        "subtype": subtype,
    }


def test_patients_by_trial_and_stage() -> None:
    rows = [
        row("a", "PVAB", "III"),
        row("b", "PVAB", "IV"),
        row("c", "PVAB", "IV", patient="b"),  # a second scan of the same patient
        row("d", "other", "I", "FL"),
        row("e", None, None, "DLBCL"),
    ]
    table = cohort_table(rows).set_index("trial")
    assert table.index.tolist() == ["PVAB", "other", "not stated", "All"]
    assert table["n"].tolist() == [2, 1, 1, 4]
    stages = ["stage_I", "stage_II", "stage_III", "stage_IV", "stage_not_stated"]
    assert table.loc["PVAB", stages].tolist() == [0, 0, 1, 1, 0]
    assert table.loc["All", stages].tolist() == [1, 0, 1, 1, 1]
    assert table.loc["All", "subtypes"] == "DLBCL 1, FL 1, HL 2"
    assert (table.loc["PVAB", "paper_n"], table.loc["PVAB", "paper_stages"]) == (74, "II–IV")


def test_a_cohort_without_trial_and_stage_has_no_table() -> None:
    assert cohort_table([row("a", None, None)]).empty
    assert cohort_table([]).empty


@pytest.mark.parametrize(
    ("text", "stage"),
    [("IIB", "II"), ("4", "IV"), ("iii", "III"), ("Stage IVA", "IV"), ("I E", "I"), ("", None), ("NA", None)],
)
def test_stages_as_they_are_written(text: str, stage: str | None) -> None:
    assert parse_row({"ann_arbor_stage": text}, "x")["ann_arbor_stage"] == stage


@pytest.mark.parametrize("text", ["V", "0", "5", "IIII", "early"])
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(CaseError, match="ann_arbor_stage must be I, II, III or IV"):
        parse_row({"ann_arbor_stage": text}, "outcomes.csv, case a")
