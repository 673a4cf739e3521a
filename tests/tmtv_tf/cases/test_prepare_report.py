"""What tmtv prepare says when it ends."""

import pytest
from cohort_files import GEOMETRY, write_study
from dicom_files import uid, write_series
from prepare_files import only_case, prepare, table, without_weight
from roi_files import pet_datasets, write_rtstruct

from petct.console import run_app
from tmtv_tf.cli import app


def test_a_failed_case_can_be_found_again(tmp_path, capsys):
    """Its UIDs stand in prepare.csv beside those of the finished ones; files of two patients stay two rows."""

    def named(name, edit=lambda ds, k: None):
        return lambda ds, k: (setattr(ds, "PatientName", name), edit(ds, k))[0]

    for patient, name, edit in (("P1", "Zwetschge", without_weight), ("P2", "Apfel", lambda ds, k: None)):
        write_study(tmp_path / "in" / name, patient, edit=named(name, edit))
        (tmp_path / "in" / name / "readme.txt").write_text("hello")
    prepare(tmp_path / "in", "--out", tmp_path / "out", status=1)
    rows = {row["status"]: row for row in table(tmp_path / "out" / "prepare.csv")}
    for status, patient in (("failed", "P1"), ("done", "P2")):
        assert rows[status]["study_uid"] == uid(patient, "S1")
        assert rows[status]["pet_series_uid"] == uid(patient, "S1", "pet")
    assert "study_uid and pet_series_uid" in capsys.readouterr().out
    names = [row["name"] for row in table(tmp_path / "out" / "left_out.csv")]
    assert names == ["file 1", "file 2"]


def test_an_arbitrary_choice_is_said(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    write_series(tmp_path / "in" / "again", "PT", 8, series="pet2")
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    said = "2 PET series fit equally well"
    assert any(said in warning for warning in only_case(tmp_path / "out").info["warnings"])
    assert f"1 x {said}" in capsys.readouterr().out


def test_kinds_of_roi_names_are_counted_not_named(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    pet = pet_datasets(tmp_path / "in" / "PT")[0]
    boxes = [[GEOMETRY.to_world([(z, 0.5, 0.5), (z, 0.5, 3.5), (z, 4.5, 3.5)])] for z in (3, 5)]

    def warnings(first, second, *options):
        write_rtstruct(tmp_path / "in" / "RS" / "rs.dcm", pet, {first: boxes[0], second: boxes[1]})
        prepare(tmp_path / "in", "--out", tmp_path / "out", *options)
        return " ".join(only_case(tmp_path / "out").info["warnings"])

    assert "ROIs with 2 different names" in warnings("GTV_Mass", "GTV_Edema")
    said = capsys.readouterr().out
    assert "1 x The truth is made from ROIs with 2 different names" in said
    assert "Edema" not in said
    assert "different names" not in warnings("GTV_Mass", "GTV_Edema", "--roi-pattern", "gtv")
    assert "different names" not in warnings("Lesion 1", "lesion_2")


def test_a_ct_that_covers_little_is_said_once(tmp_path):
    write_study(tmp_path / "in", edit=lambda ds, k: not (ds.Modality == "CT" and k > 9))
    with pytest.raises(SystemExit):
        run_app(
            app,
            ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--grid-shape", "8", "8", "8"],
        )
    warnings = only_case(tmp_path / "out").info["warnings"]
    assert sum("The CT covers only" in warning for warning in warnings) == 1


def test_patients_who_are_not_joined_are_counted(tmp_path, caplog):
    write_study(tmp_path / "in")
    (tmp_path / "outcomes.csv").write_text("PatientID,subtype\nP01,HL\nP1,FL\n")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "outcomes.csv")
    assert "1 of its 2 patients are not among the images, and 0 of the 1 patients" in caplog.text


def test_training_arrays_that_crop_the_truth_say_so(tmp_path):
    write_study(tmp_path / "in")
    with pytest.raises(SystemExit):
        run_app(
            app,
            ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--grid-shape", "2", "8", "8"],
        )
    assert any(
        "outside the model grid" in warning for warning in only_case(tmp_path / "out").info["warnings"]
    )
