"""Splits and cohort tables."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.errors import CaseError
from tmtv_tf.cases.cohort import COLUMNS, SPLITS, assign_splits, parse_row, read_cohort, write_cohort


def row(case_id, patient=None, **values):
    return {**dict.fromkeys(COLUMNS), "case_id": case_id, "patient_key": patient or f"p{case_id}", **values}


def test_round_trip(tmp_path):
    rows = [
        row(
            "b",
            subtype="HL",
            split="test",
            efs2y_event=1,
            pfs_months=3.5,
            pfs_event=1,
            os_months=30.0,
            os_event=0,
        ),
        row("a"),
    ]
    write_cohort(tmp_path, rows)
    assert read_cohort(tmp_path) == rows[::-1]
    assert (tmp_path / "cohort.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_ten_patients_of_each_subtype_are_split_6_2_2():
    rows = [row(f"{subtype}{i}", subtype=subtype) for subtype in ("HL", "FL", "DLBCL") for i in range(10)]
    split = assign_splits(rows, seed=3)
    counts = Counter((r["subtype"], r["split"]) for r in split)
    assert all(counts[s, "train"] == 6 and counts[s, "test"] == 2 for s in ("HL", "FL", "DLBCL"))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["HL", "FL", None])), min_size=1, max_size=30),
    st.integers(0, 99),
)
def test_no_patient_is_in_two_splits_and_order_does_not_matter(cases, seed):
    rows = [row(f"c{i:02}", f"p{patient}", subtype=subtype) for i, (patient, subtype) in enumerate(cases)]
    split = {r["case_id"]: r["split"] for r in assign_splits(rows, seed)}
    assert set(split.values()) <= set(SPLITS)
    for patient in {r["patient_key"] for r in rows}:
        assert len({split[r["case_id"]] for r in rows if r["patient_key"] == patient}) == 1
    assert split == {r["case_id"]: r["split"] for r in assign_splits(rows[::-1], seed)}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 99))
def test_shares_are_met_over_the_whole_cohort(patients, subtypes, seed):
    rows = [row(f"c{i:02}", subtype=f"s{i % subtypes}") for i in range(patients)]
    counts = Counter(r["split"] for r in assign_splits(rows, seed))
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2)):
        assert abs(counts[split] - share * patients) <= subtypes


def test_a_split_is_written_once():
    rows = [row(f"c{i}") for i in range(20)]
    first = assign_splits(rows, seed=1)
    later = assign_splits([*first, *(row(f"d{i}") for i in range(20))], seed=2)
    assert [r["split"] for r in later[:20]] == [r["split"] for r in first]


def test_second_case_of_a_patient_follows_the_first():
    rows = [row("a", "p", split="test"), row("b", "p")]
    assert [r["split"] for r in assign_splits(rows, seed=0)] == ["test", "test"]


def test_leakage_is_refused(tmp_path):
    rows = [row("a", "p", split="test"), row("b", "p", split="train")]
    for act in (lambda: assign_splits(rows, 0), lambda: write_cohort(tmp_path, rows)):
        with pytest.raises(CaseError, match=r"two splits: a \(test\), b \(train\)"):
            act()
    assert not (tmp_path / "cohort.csv").exists()


def test_a_case_twice_is_refused(tmp_path):
    with pytest.raises(CaseError, match="stands 2 times"):
        write_cohort(tmp_path, [row("a"), row("a")])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"efs2y_event": "2"}, "efs2y_event must be 0, 1 or empty"),
        ({"pfs_months": "-1"}, "pfs_months must be 0 or more"),
        ({"pfs_months": "long"}, "pfs_months is not a number"),
        ({"split": "val"}, "split must be one of"),
        ({"pfs_months": "30", "os_months": "20"}, "longer than os_months"),
        ({"efs2y_event": "0", "pfs_event": "1", "pfs_months": "10"}, "pfs_event is 1 at 10 months"),
        ({"efs2y_event": "0", "os_event": "1", "os_months": "24"}, "os_event is 1 at 24 months"),
        ({"efs2y_event": "0", "os_event": "0", "os_months": "12"}, "followed for 12 months only"),
        (
            {"efs2y_event": "0", "pfs_event": "0", "pfs_months": "16", "os_event": "0", "os_months": "26"},
            "followed for 16 months only",
        ),
    ],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(CaseError, match=f"case x: .*{message}"):
        parse_row({"case_id": "x", **values}, "case x")


def test_values_that_can_be():
    assert parse_row({"efs2y_event": "0", "os_event": "1", "os_months": "24.1"}, "x")["efs2y_event"] == 0
    assert parse_row({"efs2y_event": "NA", "os_event": "0", "os_months": "12"}, "x")["efs2y_event"] is None


def test_no_table(tmp_path):
    with pytest.raises(CaseError, match="no such file"):
        read_cohort(tmp_path)
    (tmp_path / "cohort.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CaseError, match="column case_id is missing"):
        read_cohort(tmp_path)


def test_an_age_is_a_number_of_years_and_the_oldest_share_one():
    ages = {"63": 63, "89.5": 89.5, "97": 90, "": None, "0": 0}
    assert {text: parse_row({"case_id": "a", "age_years": text}, "t")["age_years"] for text in ages} == ages
    for wrong in ("1958", "-1", "old", "nan2"):
        with pytest.raises(CaseError, match="t: age_years"):
            parse_row({"case_id": "a", "age_years": wrong}, "t")
