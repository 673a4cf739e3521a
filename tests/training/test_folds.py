"""Folds of the cross-validation: balance as the paper's Table 1, no leakage, and the refusals."""

import csv

import pytest

from petct.errors import CaseError
from training.folds import make_folds, read_folds, read_outcomes, write_folds


def rows(events, patients=None):
    return [
        {
            "case_id": f"case-{i:03d}",
            "patient_key": f"p{i if patients is None else patients[i]}",
            "efs2y_event": event,
        }
        for i, event in enumerate(events)
    ]


def test_the_papers_cohort_is_dealt_out_evenly():
    """269 patients, 89 with an event: five folds of 53 or 54 with 17 or 18 events each."""
    cohort = rows([1] * 89 + [0] * 180)
    folds = make_folds(cohort, 5, seed=3)
    sizes = [[row["efs2y_event"] for row in cohort if folds[row["case_id"]] == k] for k in range(1, 6)]
    assert sorted(len(s) for s in sizes) == [53, 54, 54, 54, 54]
    assert sorted(sum(s) for s in sizes) == [17, 18, 18, 18, 18]


def test_folds_depend_on_the_seed_not_on_the_order_of_rows():
    cohort = rows([1, 0] * 20 + [None] * 5)
    assert make_folds(cohort, 5, seed=1) == make_folds(cohort[::-1], 5, seed=1)
    assert make_folds(cohort, 5, seed=1) != make_folds(cohort, 5, seed=2)


def test_cases_of_one_patient_stay_together():
    cohort = rows([1] * 12 + [0] * 12, patients=[i // 2 for i in range(24)])
    folds = make_folds(cohort, 3)
    assert all(folds[f"case-{i:03d}"] == folds[f"case-{i + 1:03d}"] for i in range(0, 24, 2))


def test_folds_survive_the_file(tmp_path):
    cohort = rows([1, 0, None] * 10)
    folds = make_folds(cohort, 5)
    write_folds(tmp_path / "folds.csv", cohort, folds)
    assert read_folds(tmp_path / "folds.csv", cohort, 5) == folds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case-001": "2"}, "case-000 and case-001 are of one patient"),
        ({"case-002": "x"}, "case-002: fold is not a number"),
        ({"case-002": "9"}, "case-002: its fold must be 1 to 2"),
        ({"case-003": None}, "case-003: its fold must be"),
    ],
)
def test_a_file_that_leaks_or_lacks_is_refused(tmp_path, change, message):
    cohort = rows([1, 1, 1, 1, 0, 0, 0, 0], patients=[0, 0, 2, 3, 4, 5, 6, 7])
    folds = {"case-000": "1", "case-001": "1"} | {f"case-{i:03d}": str(i % 2 + 1) for i in range(2, 8)}
    with open(tmp_path / "folds.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "fold"])
        writer.writerows([c, f] for c, f in (folds | change).items() if f is not None)
    with pytest.raises(CaseError, match=message):
        read_folds(tmp_path / "folds.csv", cohort, 2)


def test_a_fold_without_events_is_refused():
    message = "5 folds need 5 patients with an event within two years and as many without. Received: 2 and 20"
    with pytest.raises(CaseError, match=message):
        make_folds(rows([1, 1] + [0] * 20), 5)
    with pytest.raises(CaseError, match="differ in efs2y_event"):
        make_folds(rows([1, 0], patients=[0, 0]), 2)


def write_cohort_text(folder, *lines):
    folder.mkdir(exist_ok=True)
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c7,0,12.0,1", "c7.*efs2y_event is 0.*12 months"),
        ("c7,0,12.0,0", "c7.*efs2y_event is 0.*12 months"),
        ("c7,1,-3.0,1", "c7.*pfs_months must be 0 or more"),
        ("c7,2,3.0,1", "c7.*efs2y_event must be 0, 1 or empty"),
        ("c7,1,3.0,0.5", "c7.*pfs_event must be 0, 1 or empty"),
    ],
)
def test_outcomes_that_contradict_themselves_are_refused(tmp_path, line, message):
    cases = write_cohort_text(tmp_path, "case_id,efs2y_event,pfs_months,pfs_event", "c1,1,5.0,1", line)
    with pytest.raises(CaseError, match=message):
        read_outcomes(cases)


def test_censored_before_two_years_is_refused_although_the_patient_lived_on(tmp_path):
    header = "case_id,efs2y_event,pfs_months,pfs_event,os_months,os_event"
    cases = write_cohort_text(tmp_path, header, "c1,1,5,1,40,0", "c2,0,12,0,40,0")
    with pytest.raises(CaseError, match="c2.*followed for 12 months only"):
        read_outcomes(cases)


def test_missing_outcome_column_and_empty_outcomes_are_refused(tmp_path):
    with pytest.raises(CaseError, match="efs2y_event is missing"):
        read_outcomes(write_cohort_text(tmp_path / "a", "case_id,pfs_months", "c1,3"))
    with pytest.raises(CaseError, match="empty for every case"):
        read_outcomes(write_cohort_text(tmp_path / "b", "case_id,efs2y_event", "c1,"))
