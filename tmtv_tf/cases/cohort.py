"""cohort.csv: one row per case, its patient, its split and its outcome."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from petct.errors import CaseError
from petct.ids import check_distinct, check_id
from tmtv_tf.cases.table import MISSING, read_table, write_table

COHORT_NAME = "cohort.csv"
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
SPLITS = tuple(SHARES)
EVENTS = ("efs2y_event", "pfs_event", "os_event")
MONTHS = ("pfs_months", "os_months")
NUMBERS = (*EVENTS, *MONTHS, "age_years")
OLDEST = 90  # older patients are rare enough to be found by their age: written as this
# Ann Arbor: I to IV, in digits too; what may follow (A, B, E, S, X) is not kept.
STAGE = re.compile(r"(?:stage\s*)?(IV|I{1,3}|[1-4])\s*[ABESX]*", re.IGNORECASE)
STAGES = ("I", "II", "III", "IV")


class CohortRow(TypedDict, total=False):
    """A row of `cohort.csv`; None where a value is missing."""

    case_id: str
    patient_key: str | None
    subtype: str | None
    split: str | None
    efs2y_event: int | None
    pfs_months: float | None
    pfs_event: int | None
    os_months: float | None
    os_event: int | None
    trial: str | None
    ann_arbor_stage: str | None
    age_years: float | None


COLUMNS = tuple(CohortRow.__annotations__)
CLINICAL = COLUMNS[2:]  # what a user's own table may hold too


def read_cohort(cases: str | os.PathLike[str], name: str = COHORT_NAME) -> list[CohortRow]:
    """The rows of `<cases>/cohort.csv`, checked.

    Returns
    -------
    list of CohortRow
        With all of `COLUMNS`.

    Raises
    ------
    CaseError
        Missing or unreadable file, a value out of its range, a case twice, a patient in two splits.
    """
    path = Path(cases) / name
    if not path.is_file():
        raise CaseError(
            f"{path}: no such file. Run `tmtv prepare` first: it writes it beside the case folders."
        )
    records = read_table(path, "case_id", numbers=NUMBERS)
    rows = [parse_row(record, f"{path}, case {record.get('case_id')}") for record in records]
    check_cohort(rows)
    return rows


def write_cohort(cases: str | os.PathLike[str], rows: Sequence[CohortRow], name: str = COHORT_NAME) -> None:
    """Check the rows and write `<cases>/cohort.csv` whole, by case id. Missing values are empty fields."""
    check_cohort(rows)
    table = [{column: row.get(column) for column in COLUMNS} for row in rows]
    write_table(Path(cases) / name, COLUMNS, sorted(table, key=lambda row: row["case_id"]))


def parse_row(record: dict[str, str], where: str) -> CohortRow:
    """Text fields of one table row as typed values; columns of other names are left out.

    Raises
    ------
    CaseError
        An event other than 0 or 1, negative months or age, an unknown split or stage, or values that contradict each
        other (see `check_outcome`). The sentence starts with `where`.
    """
    row: dict[str, Any] = {}
    for column in COLUMNS:
        text = (record.get(column) or "").strip()
        if text.lower() in MISSING:
            row[column] = None
        elif column in NUMBERS:
            try:
                row[column] = number = float(text)
            except ValueError as error:
                raise CaseError(f"{where}: {column} is not a number. Received: {text!r}.") from error
            if column in EVENTS and number not in (0, 1):
                raise CaseError(f"{where}: {column} must be 0, 1 or empty. Received: {text!r}.")
            if not (math.isfinite(number) and number >= 0):
                raise CaseError(f"{where}: {column} must be 0 or more. Received: {text!r}.")
            if column in EVENTS:
                row[column] = int(number)
            if column == "age_years":
                row[column] = _age(number, where)
        elif column == "ann_arbor_stage":
            row[column] = _stage(text, where)
        else:
            row[column] = text
    if row["split"] not in (None, *SPLITS):
        raise CaseError(f"{where}: split must be one of {', '.join(SPLITS)}. Received: {row['split']!r}.")
    found = cast(CohortRow, row)
    check_outcome(found, where)
    return found


def _stage(text: str, where: str) -> str:
    found = STAGE.fullmatch(text)
    if not found:
        raise CaseError(f"{where}: ann_arbor_stage must be I, II, III or IV (or 1 to 4). Received: {text!r}.")
    return STAGES[int(found[1]) - 1] if found[1].isdigit() else found[1].upper()


def _age(years: float, where: str) -> float:
    if years > 130:
        raise CaseError(f"{where}: age_years must be 130 at most. Received: {years:g}.")
    return min(years, OLDEST)


def check_outcome(row: CohortRow, where: str) -> None:
    """Refuse outcomes that cannot all be true.

    `efs2y_event` = 1 is an event within 24 months; a patient censored before that without an event is missing,
    not 0. A progression or a death within 24 months is such an event. Progression-free time does not outlast life.
    """
    efs, pfs, os_ = row.get("efs2y_event"), row.get("pfs_months"), row.get("os_months")
    if pfs is not None and os_ is not None and pfs > os_ + 0.05:  # months are often rounded to one decimal
        raise CaseError(f"{where}: pfs_months {pfs:g} is longer than os_months {os_:g}.")
    if efs == 0:
        for name, months, event in (("pfs", pfs, row.get("pfs_event")), ("os", os_, row.get("os_event"))):
            if event == 1 and months is not None and months <= 24:
                raise CaseError(f"{where}: efs2y_event is 0 but {name}_event is 1 at {months:g} months.")
        followed = pfs if pfs is not None else os_  # alive at 24 months is not yet free of progression
        if followed is not None and followed < 24:
            raise CaseError(
                f"{where}: efs2y_event is 0 but the patient was followed for {followed:g} months only; "
                "leave it empty."
            )


def check_cohort(rows: Sequence[CohortRow]) -> None:
    """Refuse a case id that cannot be a folder name or stands twice, and a patient whose cases lie in two splits."""
    for case_id, count in Counter(row["case_id"] for row in rows).items():
        if not case_id:
            raise CaseError("The cohort has a row without case_id.")
        check_id(case_id, "The cohort")
        if count > 1:
            raise CaseError(f"Case {case_id} stands {count} times in the cohort.")
    check_distinct([row["case_id"] for row in rows], "The cohort")
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if split := row.get("split"):
            splits[patient_of(row)].setdefault(split, row["case_id"])
    for seen in splits.values():
        if len(seen) > 1:
            cases = ", ".join(f"{case_id} ({split})" for split, case_id in seen.items())
            raise CaseError(f"Cases of one patient are in two splits: {cases}.")


def patient_of(row: CohortRow) -> str:
    """The unit of every split: `patient_key`, or the case itself where that is unknown."""
    return row.get("patient_key") or f"case:{row['case_id']}"


def assign_splits(rows: Sequence[CohortRow], seed: int) -> list[CohortRow]:
    """Give every patient without a split one, 60/20/20 (Revailler et al. 2022); patients who have one keep it.

    Within each subtype the patients, in an order drawn from `seed`, go one by one to the split that lacks most
    of its share; ties go to the split that lacks most over the whole cohort. The answer depends on the seed and
    the patient keys, not on the order of the rows.

    Parameters
    ----------
    rows : cohort rows; a patient's subtype is that of his first case by case id

    Returns
    -------
    list of CohortRow
        Copies of the rows, in their order, with `split` filled in.
    """
    check_cohort(rows)
    split_of: dict[str, str] = {}
    strata: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["case_id"]):
        patient = patient_of(row)
        if not any(patient in members for members in strata.values()):
            strata[row.get("subtype") or ""].append(patient)
        if earlier := row.get("split"):
            split_of[patient] = earlier
    patients = sum(len(members) for members in strata.values())
    overall = Counter(split_of.values())
    for _, members in sorted(strata.items()):
        here = Counter(split_of[patient] for patient in members if patient in split_of)
        for patient in sorted((p for p in members if p not in split_of), key=lambda p: _draw(seed, p)):
            lacking = {
                split: (share * len(members) - here[split], share * patients - overall[split])
                for split, share in SHARES.items()
            }
            split = max(lacking, key=lambda name: tuple(round(value, 9) for value in lacking[name]))
            split_of[patient] = split
            here[split] += 1
            overall[split] += 1
    return [{**row, "split": split_of[patient_of(row)]} for row in rows]


def _draw(seed: int, patient: str) -> bytes:
    return hashlib.sha256(f"{seed}:{patient}".encode()).digest()
