"""Tables: CSV files as every program writes them, and workbooks."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from petct.errors import CaseError
from petct.files import write_csv
from petct.text import one_line

MISSING = {"", "na", "n/a", "nan", "none", "null"}
WORKBOOKS = (".xlsx", ".xlsm")
# A workbook is a zip file; a table of a cohort unpacks to a few megabytes.
MAX_WORKBOOK_BYTES = 500_000_000
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

Row = dict[str, Any]


def read_table(path: Path, *required: str, numbers: Collection[str] = ()) -> list[dict[str, str]]:
    """Rows of a table with a header, as dicts of text; empty rows are left out.

    A CSV file in UTF-8 with commas or semicolons between the fields, or the one filled sheet of an .xlsx workbook.

    Parameters
    ----------
    required : columns that must be there
    numbers : columns in which `5,5` is read as 5.5 where semicolons stand between the fields

    Raises
    ------
    CaseError
        A missing or unreadable file, no header, a column that is missing or stands twice, a row with more fields than
        the header (a decimal comma between commas would shift every value after it).
    """
    is_workbook = path.suffix.lower() in WORKBOOKS
    records, semicolons = (_workbook(path), False) if is_workbook else _csv(path)
    numbered = [(line, [text.strip() for text in record]) for line, record in records]
    numbered = [(line, record) for line, record in numbered if any(record)]
    if not numbered:
        raise CaseError(f"{path}: the table is empty.")
    header = numbered[0][1]
    while header and not header[-1]:
        header.pop()
    shown = ", ".join(one_line(name).strip("'") for name in header)
    missing = [column for column in required if column not in header]
    if missing:
        raise CaseError(f"{path}: the column {missing[0]} is missing (found: {shown}).")
    twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    if twice:
        raise CaseError(f"{path}: the column {one_line(twice[0])} stands twice.")
    rows = []
    for line, record in numbered[1:]:
        if any(record[len(header) :]):
            raise CaseError(
                f"{path}, line {line}: {len(record)} fields, but the header has {len(header)}. Put a value that holds "
                "a comma between quotes, or use semicolons between the fields."
            )
        record += [""] * (len(header) - len(record))
        row = {name: text for name, text in zip(header, record) if name}
        for name in numbers if semicolons else ():
            if DECIMAL_COMMA.fullmatch(row.get(name, "")):
                row[name] = row[name].replace(",", ".")
        rows.append(row)
    return rows


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file whole or not at all, every number exactly; None is an empty field."""
    write_csv(path, columns, rows, digits=None)


def _csv(path: Path) -> tuple[list[tuple[int, list[str]]], bool]:
    """Line number and fields of every row; whether semicolons stand between the fields."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), "")
        semicolons = first.count(";") > first.count(",")
        reader = csv.reader(io.StringIO(text), delimiter=";" if semicolons else ",")
        rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise CaseError(f"{path}: no such file.") from error
    except UnicodeDecodeError as error:
        raise CaseError(
            f"{path}: not UTF-8 text. Save it as CSV in UTF-8, or as an .xlsx workbook."
        ) from error
    except (OSError, csv.Error) as error:
        raise CaseError(f"{path}: not readable as a CSV file ({error}).") from error
    return rows, semicolons


def _workbook(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and fields of every row of the only sheet that holds something."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    if not path.is_file():
        raise CaseError(f"{path}: no such file.")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > MAX_WORKBOOK_BYTES:
                raise CaseError(f"{path}: too large for a table of a cohort.")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = {
            sheet.title: [
                (line, [_cell(value) for value in row])
                for line, row in enumerate(sheet.iter_rows(values_only=True), start=1)
            ]
            for sheet in book.worksheets
        }
        book.close()
    except (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        zipfile.BadZipFile,
        InvalidFileException,
    ) as error:
        if isinstance(error, CaseError):
            raise
        raise CaseError(f"{path}: not readable as a workbook ({one_line(str(error))}).") from error
    filled = {title: rows for title, rows in sheets.items() if any(any(row) for _, row in rows)}
    if len(filled) > 1:
        raise CaseError(
            f"{path}: {len(filled)} sheets hold something; save the one to use as a workbook or CSV file of its own."
        )
    return next(iter(filled.values()), [])


def _cell(value: Any) -> str:
    """A cell as text; a whole number has no decimals (a PatientID of digits is one to a spreadsheet)."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value)
