"""What the cases are called."""

from cohort_files import write_study
from prepare_files import prepare

from tmtv_tf.cases.cohort import read_cohort


def test_two_studies_of_a_patient(tmp_path):
    for study in ("S1", "S2"):
        write_study(tmp_path / "in" / study, "P1", study)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    first, second = read_cohort(tmp_path / "out")
    assert first["case_id"] != second["case_id"]
    assert first["patient_key"] == second["patient_key"]
    assert first["split"] == second["split"]


def test_case_ids_and_clinical_data_of_the_user(tmp_path):
    for patient in ("P1", "P2"):
        write_study(tmp_path / "in" / patient, patient, roi=False)
    (tmp_path / "clinical.csv").write_text(
        "PatientID,case_id,subtype,split,efs2y_event,pfs_months,pfs_event,age\n"
        "P1,alpha,HL,test,1,5.5,1,30\nP2,beta,FL,train,,,,\nP9,gamma,FL,train,,,,\n"
    )
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv")
    alpha, beta = read_cohort(tmp_path / "out")
    assert (alpha["case_id"], alpha["subtype"], alpha["split"], alpha["pfs_months"]) == (
        "alpha",
        "HL",
        "test",
        5.5,
    )
    assert (beta["case_id"], beta["split"], beta["efs2y_event"]) == ("beta", "train", None)


def test_an_added_study_does_not_rename_the_first(tmp_path):
    ids = tmp_path / "ids.csv"
    ids.write_text("PatientID,case_id\nP1,alpha\n")
    write_study(tmp_path / "in" / "1", "P1", "S1", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--case-ids", ids)
    write_study(tmp_path / "in" / "2", "P1", "S2", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--case-ids", ids)
    first, second = [row["case_id"] for row in read_cohort(tmp_path / "out")]
    assert first == "alpha"
    assert second.startswith("alpha-")


def test_another_key_is_refused(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--key-file", tmp_path / "new", status=2)
    assert "another key" in capsys.readouterr().err
