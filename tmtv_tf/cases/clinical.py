"""The user's table of outcomes, joined to cases by PatientID and never written."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from petct.errors import CaseError
from petct.ids import check_distinct, check_id
from petct.text import one_line
from tmtv_tf.cases.cohort import CLINICAL, NUMBERS, CohortRow, parse_row
from tmtv_tf.cases.table import MISSING, read_table

PATIENT_COLUMN = "PatientID"

Table = dict[str, list[dict[str, str]]]


def read_by_patient(path: str | os.PathLike[str], *required: str) -> Table:
    """Rows of a table (`read_table`) by PatientID (column `PatientID`, `patient_id` or `patient id`, in any capitals).

    Raises
    ------
    CaseError
        Not readable, without that column or one that is required, or a row without a PatientID (of merged cells the
        first alone holds it).
    """
    rows = read_table(Path(path), *required, numbers=NUMBERS)
    table: Table = defaultdict(list)
    nameless = 0
    for row in rows:
        columns = [name for name in row if _plain(name) == _plain(PATIENT_COLUMN)]
        if len(columns) != 1:
            wrong = "stands twice" if columns else "is missing"
            raise CaseError(f"{path}: the column {PATIENT_COLUMN} {wrong} (found: {', '.join(row)}).")
        if row[columns[0]]:
            table[row[columns[0]]].append(row)
        else:
            nameless += 1
    if not table:
        raise CaseError(f"{path}: no row has a {PATIENT_COLUMN}.")
    if nameless:
        raise CaseError(
            f"{path}: {nameless} of {len(rows)} rows have no {PATIENT_COLUMN}. Write it in each row, or remove the row."
        )
    return dict(table)


def check_clinical(path: str | os.PathLike[str], table: Table) -> None:
    """Refuse a clinical table with a misspelt column, or with no column to join.

    Raises
    ------
    CaseError
        `case_id` or a column of `CLINICAL` has other capitals, spaces or underscores (OS_event, "os event"), none of
        them is there, or a `case_id` cannot be used.
    """
    columns = next(iter(table.values()))[0]
    known = {_plain(name): name for name in ("case_id", *CLINICAL)}
    for column in columns:
        meant = known.get(_plain(column), column)
        if meant not in columns:
            raise CaseError(f"{path}: the column {one_line(column)} must be called {meant}.")
    if not {"case_id", *CLINICAL} & set(columns):
        raise CaseError(
            f"{path}: none of the columns {', '.join(('case_id', *CLINICAL))} is there (found: {', '.join(columns)})."
        )
    case_ids_of(path, table)


def _plain(column: str) -> str:
    """The name of a column without what people write in different ways."""
    return column.lower().replace(" ", "").replace("_", "")


def missing_cells(path: str | os.PathLike[str], table: Table) -> list[str]:
    """Which cells were taken as missing, one sentence a column; columns that are not joined do not count."""
    cells: dict[str, Counter[str]] = {}
    rows = [row for rows in table.values() for row in rows]
    for column in CLINICAL:
        counts = Counter(row[column] for row in rows if column in row and row[column].lower() in MISSING)
        if counts:
            cells[column] = counts
    name = Path(path).name
    return [
        f"{name}: {column} taken as missing in {sum(counts.values())} of {len(rows)} rows: "
        + ", ".join(f"{count} x {repr(text) if text else 'empty'}" for text, count in counts.most_common())
        + "."
        for column, counts in cells.items()
    ]


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
        if named:
            check_id(named[0], str(path))
        if named and named[0] in ids.values():
            raise CaseError(f"{path}: the case id {named[0]} belongs to two patients.")
        if named:
            ids[patient_id] = named[0]
    check_distinct(ids.values(), str(path))
    return ids


def clinical_row(path: str | os.PathLike[str], rows: Sequence[dict[str, str]], case_id: str) -> CohortRow:
    """The clinical columns of one case from its patient's rows; columns without a value are left out.

    Raises
    ------
    CaseError
        Two rows of the patient differ, or the values contradict each other. Names the case id, not the patient.
    """
    merged: dict[str, Any] = {}
    for row in rows:
        parsed = dict(parse_row(row, f"{path}, case {case_id}"))
        for column in CLINICAL:
            value, seen = parsed[column], merged.get(column)
            if value is not None and seen is not None and value != seen:
                raise CaseError(
                    f"{path}, case {case_id}: the patient's rows contradict each other: {column} is {seen!r} "
                    f"and {value!r}."
                )
            if value is not None:
                merged[column] = value
    return cast(CohortRow, merged)
