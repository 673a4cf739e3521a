"""The user's table: joined by PatientID, refused where it contradicts itself, without naming a patient."""

import pytest

from petct.errors import CaseError
from tmtv_tf.cases.clinical import case_ids_of, check_clinical, clinical_row, read_by_patient


def table(tmp_path, text):
    path = tmp_path / "clinical.csv"
    path.write_text(text, encoding="utf-8")
    return path, read_by_patient(path)


@pytest.mark.parametrize(
    "header", ["PatientID,subtype,age", "\ufeffpatient_id;subtype;age", "patientid,subtype,age"]
)
def test_join(tmp_path, header):
    separator = ";" if ";" in header else ","
    path, rows = table(tmp_path, f"{header}\n" + separator.join(["Doe1 ", "HL", "33"]) + "\n")
    assert clinical_row(path, rows["Doe1"], "c1") == {"subtype": "HL"}
    assert clinical_row(path, [], "c2") == {}


def test_rows_of_one_patient_must_agree(tmp_path):
    path, rows = table(tmp_path, "PatientID,subtype,split\nDoe1,HL,\nDoe1,HL,test\nDoe2,HL,\nDoe2,FL,\n")
    assert clinical_row(path, rows["Doe1"], "c1") == {"subtype": "HL", "split": "test"}
    with pytest.raises(
        CaseError, match="case c2: the patient's rows contradict each other: subtype"
    ) as refusal:
        clinical_row(path, rows["Doe2"], "c2")
    assert "Doe2" not in str(refusal.value)


def test_case_ids(tmp_path):
    path, rows = table(tmp_path, "PatientID,case_id\nDoe1,a\nDoe2,b\nDoe3,\n")
    assert case_ids_of(path, rows) == {"Doe1": "a", "Doe2": "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Doe1,a\nDoe2,a", "a belongs to two patients"),
        ("Doe1,a\nDoe1,b", "several case ids: a, b"),
        ("Doe1,../a", "cannot be a folder name"),
        ("Doe1,.a", "cannot be a folder name"),
    ],
)
def test_bad_case_ids_are_refused(tmp_path, text, message):
    path, rows = table(tmp_path, f"PatientID,case_id\n{text}\n")
    with pytest.raises(CaseError, match=message) as refusal:
        case_ids_of(path, rows)
    assert "Doe" not in str(refusal.value)


def test_no_patient_column(tmp_path):
    with pytest.raises(CaseError, match="column PatientID is missing"):
        table(tmp_path, "name,subtype\nDoe,HL\n")


def test_a_row_without_patient_is_not_passed_over(tmp_path):
    """Of merged cells of a workbook the first alone holds the PatientID: the second study had no outcome."""
    with pytest.raises(CaseError, match="1 of 2 rows have no PatientID"):
        table(tmp_path, "PatientID,pfs_months\nDoe1,\n,12\n")


def test_the_column_of_patients_in_two_spellings_is_no_choice_of_ours(tmp_path):
    with pytest.raises(CaseError, match="the column PatientID stands twice"):
        table(tmp_path, "patient id,PatientID,subtype\n7,Doe1,HL\n")


def test_a_case_id_written_otherwise_is_not_passed_over(tmp_path):
    path, rows = table(tmp_path, "Patient ID,Case_ID,subtype\nDoe1,a,HL\n")
    with pytest.raises(CaseError, match="the column 'Case_ID' must be called case_id"):
        check_clinical(path, rows)


@pytest.mark.parametrize("written", ["OS_event", "os event"])
def test_a_column_written_otherwise_is_not_passed_over(tmp_path, written):
    path, rows = table(tmp_path, f"PatientID,os_months,{written}\nDoe1,30,1\n")
    with pytest.raises(CaseError, match=f"the column '{written}' must be called os_event"):
        check_clinical(path, rows)
