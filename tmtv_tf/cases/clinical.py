"""The user's table of outcomes, joined to cases by PatientID and never written."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from petct.errors import CaseError
from tmtv_tf.cases.cohort import CLINICAL, Row, parse_row, read_table

PATIENT_COLUMN = "PatientID"
CASE_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Table = dict[str, list[dict[str, str]]]


def read_by_patient(path: str | os.PathLike[str]) -> Table:
    """Rows of a CSV file by PatientID (column `PatientID` or `patient_id`; spaces around it do not count)."""
    rows = read_table(Path(path))
    table: Table = defaultdict(list)
    for row in rows:
        column = next((name for name in row if name.lower().replace("_", "") == PATIENT_COLUMN.lower()), None)
        if column is None:
            raise CaseError(f"{path}: the column {PATIENT_COLUMN} is missing (found: {', '.join(row)}).")
        if row[column].strip():
            table[row[column].strip()].append(row)
    return dict(table)


def case_ids_of(path: str | os.PathLike[str], table: Table) -> dict[str, str]:
    """PatientID -> case id, from the column `case_id` of a table where it has one.

    Raises
    ------
    CaseError
        A case id that cannot be a folder name, two patients with one case id, or one patient with two.
    """
    ids: dict[str, str] = {}
    for patient_id, rows in table.items():
        named = sorted({row.get("case_id", "").strip() for row in rows} - {""})
        if len(named) > 1:
            raise CaseError(f"{path}: one patient has several case ids: {', '.join(named)}.")
        if named and not CASE_ID_PATTERN.fullmatch(named[0]):
            raise CaseError(
                f"{path}: the case id {named[0]!r} cannot be a folder name (letters, digits, dot, dash, underscore)."
            )
        if named and named[0] in ids.values():
            raise CaseError(f"{path}: the case id {named[0]} belongs to two patients.")
        if named:
            ids[patient_id] = named[0]
    return ids


def clinical_row(path: str | os.PathLike[str], rows: Sequence[dict[str, str]], case_id: str) -> Row:
    """The clinical columns of one case from its patient's rows; columns without a value are left out.

    Raises
    ------
    CaseError
        Two rows of the patient differ, or the values contradict each other. Names the case id, not the patient.
    """
    merged: Row = {}
    for row in rows:
        parsed = parse_row(row, f"{path}, case {case_id}")
        for column in CLINICAL:
            value, seen = parsed[column], merged.get(column)
            if value is not None and seen is not None and value != seen:
                raise CaseError(
                    f"{path}, case {case_id}: the patient's rows contradict each other: {column} is {seen!r} "
                    f"and {value!r}."
                )
            if value is not None:
                merged[column] = value
    return merged
