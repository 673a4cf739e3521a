"""Folds of a cross-validation, in a file: class balance kept, patients never divided, outcomes checked."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from petct.errors import CaseError
from tmtv_tf.cases.cohort import CohortRow, patient_of, read_cohort
from tmtv_tf.cases.table import read_table, write_table

FOLD_COLUMNS = ("case_id", "patient_key", "efs2y_event", "fold")


def read_outcomes(cases: str | os.PathLike[str]) -> list[CohortRow]:
    """The cohort, with outcomes that the study can use.

    Raises
    ------
    CaseError
        No case has `efs2y_event`, or one contradicts its own follow-up (the sentence names the case).
    """
    path = Path(cases) / "cohort.csv"
    read_table(path, "case_id", "efs2y_event")  # refuses a table without the column
    rows = read_cohort(cases)
    if all(row["efs2y_event"] is None for row in rows):
        raise CaseError(f"{path}: efs2y_event is empty for every case; there is no outcome to learn.")
    return rows


def make_folds(rows: Sequence[CohortRow], count: int = 5, seed: int = 0) -> dict[str, int]:
    """A fold, 1 to `count`, for every case; patients with an event, without, and unknown are dealt out evenly.

    scikit-learn's StratifiedKFold over the patients, shuffled by `seed`: the folds' sizes, and their numbers of each
    class, differ by one patient at most.

    Raises
    ------
    CaseError
        A patient with contradicting outcomes, or fewer patients of a class than folds.
    """
    from sklearn.model_selection import StratifiedKFold

    first_case: dict[str, CohortRow] = {}
    for row in sorted(rows, key=lambda row: row["case_id"]):
        first = first_case.setdefault(patient_of(row), row)
        if first["efs2y_event"] != row["efs2y_event"]:
            raise CaseError(
                f"Cases {first['case_id']} and {row['case_id']} are of one patient but differ in efs2y_event."
            )
    patients = sorted(first_case)
    names = {1: "event", 0: "none", None: "unknown"}
    classes = [names[first_case[patient]["efs2y_event"]] for patient in patients]
    if min(classes.count("event"), classes.count("none")) < count:
        raise CaseError(
            f"{count} folds need {count} patients with an event within two years and as many without. Received: "
            f"{classes.count('event')} and {classes.count('none')}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fewer unknown outcomes than folds: no harm
        dealt = list(StratifiedKFold(count, shuffle=True, random_state=seed).split(patients, classes))
    fold_of = {patients[i]: fold for fold, (_, tested) in enumerate(dealt, start=1) for i in tested}
    folds = {row["case_id"]: fold_of[patient_of(row)] for row in rows}
    check_folds(rows, folds, count)
    return folds


def check_folds(rows: Sequence[CohortRow], folds: dict[str, int], count: int) -> None:
    """Refuse folds that cannot be evaluated or that leak.

    Raises
    ------
    CaseError
        A case without a fold, a fold number outside 1..count, a patient in two folds (named by case ids), a
        fold without an event or without an event-free patient.
    """
    seen: dict[str, str] = {}
    for row in rows:
        case_id = row["case_id"]
        if folds.get(case_id) not in range(1, count + 1):
            raise CaseError(f"Case {case_id}: its fold must be 1 to {count}. Received: {folds.get(case_id)}.")
        first = seen.setdefault(patient_of(row), case_id)
        if folds[first] != folds[case_id]:
            raise CaseError(
                f"Cases {first} and {case_id} are of one patient but in folds {folds[first]} and {folds[case_id]}."
            )
    for fold in range(1, count + 1):
        labels = [row["efs2y_event"] for row in rows if folds[row["case_id"]] == fold]
        for label, name in ((1, "with"), (0, "without")):
            if label not in labels:
                raise CaseError(
                    f"Fold {fold} has no patient {name} an event within two years; "
                    "use fewer folds or more patients."
                )


def write_folds(path: Path, rows: Sequence[CohortRow], folds: dict[str, int]) -> None:
    """Write the folds as CSV: case_id, patient_key, efs2y_event, fold; sorted by case id."""
    table = [{**{c: row[c] for c in FOLD_COLUMNS[:3]}, "fold": folds[row["case_id"]]} for row in rows]
    write_table(path, FOLD_COLUMNS, sorted(table, key=lambda row: row["case_id"]))


def read_folds(path: Path, rows: Sequence[CohortRow], count: int) -> dict[str, int]:
    """Folds from a file, checked against the cohort.

    Raises
    ------
    CaseError
        As `check_folds`; or a fold that is no number, a case twice, or a case that the cohort does not have.
    """
    known = {row["case_id"] for row in rows}
    folds: dict[str, int] = {}
    for record in read_table(path, "case_id", "fold"):
        case_id = record["case_id"]
        if case_id in folds or case_id not in known:
            reason = "stands twice" if case_id in folds else "is not in the cohort"
            raise CaseError(f"{path}: case {case_id} {reason}.")
        number = float(record["fold"]) if record["fold"].strip().isdigit() else math.nan
        if not math.isfinite(number):
            raise CaseError(f"{path}, case {case_id}: fold is not a number. Received: {record['fold']!r}.")
        folds[case_id] = int(number)
    check_folds(rows, folds, count)
    return folds
