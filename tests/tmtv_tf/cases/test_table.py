"""Tables as people send them: semicolons, decimal commas, workbooks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from petct.errors import CaseError
from tmtv_tf.cases.clinical import check_clinical, clinical_row, missing_cells, read_by_patient
from tmtv_tf.cases.cohort import NUMBERS
from tmtv_tf.cases.table import read_table, write_table

ROWS = [["PatientID", "subtype", "pfs_months", "pfs_event"], ["4,71", "HL", 5.5, 1], ["P2", "NA", None, 0]]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def workbook(path: Path, *sheets: list[list]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_one_table_in_three_spellings_is_one_table(tmp_path: Path) -> None:
    """An identifier is text: only in columns of numbers the decimal comma becomes a point."""
    english = write(tmp_path / "a.csv", 'PatientID,subtype,pfs_months,pfs_event\n"4,71",HL,5.5,1\nP2,NA,,0\n')
    german = write(
        tmp_path / "b.csv",
        "PatientID;subtype;pfs_months;pfs_event\r\n4,71;HL;5,5;1\r\n\r\nP2;NA;;0\r\n",
        "utf-8-sig",
    )
    sheet = workbook(tmp_path / "c.XLSX", [], ROWS)
    tables = [read_table(path, numbers=NUMBERS) for path in (english, german, sheet)]
    assert tables[0] == tables[1] == tables[2]
    assert tables[0][0] == {"PatientID": "4,71", "subtype": "HL", "pfs_months": "5.5", "pfs_event": "1"}
    months = clinical_row(german, read_by_patient(german)["4,71"], "a")["pfs_months"]
    assert months == 5.5


def test_a_number_typed_as_patient_id_is_its_digits(tmp_path: Path) -> None:
    assert set(
        read_by_patient(workbook(tmp_path / "a.xlsx", [["patient_id", "subtype"], [4711.0, "HL"]]))
    ) == {"4711"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("\n\n", "the table is empty"),
        ("PatientID,subtype\n", "no row has a PatientID|the table is empty"),
        ("4711,HL\n4712,FL\n", "the column PatientID is missing"),
        ("PatientID,subtype,subtype\nP1,HL,FL\n", "the column 'subtype' stands twice"),
        ("PatientID,pfs_months,pfs_event\nP1,5,5,1\n", "line 2: 4 fields, but the header has 3"),
        (f"PatientID,note\nP1,{'x' * 200_000}\n", "field larger than field limit"),
        ("PatientID,colour\nP1,red\n", "none of the columns case_id, subtype"),
        ('PatientID,case_id\nP1,"../../x"\n', "cannot be a folder name"),
        ("PatientID,case_id\nP1,a\nP2,A\n", "differ in upper and lower case only"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "clinical.csv", text)
    with pytest.raises(CaseError, match=message) as error:
        check_clinical(path, read_by_patient(path))
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 600


def test_other_encodings_and_broken_workbooks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="not UTF-8 text"):
        read_table(write(tmp_path / "a.csv", "PatientID;Name\nP1;Müller\n", "latin-1"))
    with pytest.raises(CaseError, match="not readable as a workbook"):
        read_table(write(tmp_path / "a.xlsx", "PatientID,subtype\n"))
    with pytest.raises(CaseError, match="2 sheets hold something"):
        read_table(workbook(tmp_path / "b.xlsx", ROWS, ROWS))
    with pytest.raises(CaseError, match="the table is empty"):
        read_table(workbook(tmp_path / "c.xlsx", []))


def test_cells_taken_as_missing_are_said(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.csv", "PatientID,subtype,pfs_months,age\nP1,HL,5,NA\nP2,NA,,NA\nP3,n/a,nan,40\n"
    )
    assert missing_cells(path, read_by_patient(path)) == [
        "c.csv: subtype taken as missing in 2 of 3 rows: 1 x 'NA', 1 x 'n/a'.",
        "c.csv: pfs_months taken as missing in 2 of 3 rows: 1 x empty, 1 x 'nan'.",
    ]


def test_formulas_are_written_as_text(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ["name", "value"], [{"name": '=HYPERLINK("x")', "value": -1.5}])
    assert (tmp_path / "a.csv").read_text() == 'name,value\n"\'=HYPERLINK(""x"")",-1.5\n'
