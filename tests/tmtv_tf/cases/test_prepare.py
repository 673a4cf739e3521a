"""`tmtv prepare` on small DICOM trees: what comes out, what is kept, what is refused, what is never written."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV, roi_mask, write_study
from dicom_files import injected, uid, write_series
from pydicom import Dataset, dcmread
from roi_files import pet_datasets, write_rtstruct

from petct.console import run_app
from petct.image import Image, read_image, write_image
from petct.rois import Roi
from tmtv_tf.cases.case import METHODS, find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.cases.truth import make_truth
from tmtv_tf.cli import app


@pytest.fixture(autouse=True)
def own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def prepare(*arguments, status=0):
    with pytest.raises(SystemExit) as exit_:
        run_app(app, ["prepare", "--no-model-grid", *map(str, arguments)])
    assert exit_.value.code == status


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def left_out(cases, path_list):
    """Kind, path and reason of every row of left_out.csv; the numbers that stand for paths by the list on request."""
    paths = {row["number"]: row["path"] for row in table(path_list) if row["where"] == "left_out.csv"}
    rows = table(cases / "left_out.csv")
    return [(row["kind"], Path(paths.get(row["name"], row["name"])), row["reason"]) for row in rows]


def only_case(cases):
    (folder,) = find_cases(cases)
    return load_case(folder)


def without_weight(ds, k):
    if ds.Modality == "PT":
        del ds.PatientWeight


def test_one_study(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    case = only_case(tmp_path / "out")
    pet = read_image(case.pet)
    assert pet.array.dtype == np.float32
    assert pet.geometry.same_grid(GEOMETRY)
    assert np.allclose(pet.array, SUV, rtol=1e-6)
    ct = read_image(case.ct)
    assert ct.geometry.shape == (16, 6, 5)
    assert ct.array[0, 0, 0] == 1 - 1024
    truth = make_truth(pet.array, [Roi.from_mask("", roi_mask())], 0.015)
    for method in METHODS:
        mask = read_image(case.references[method])
        assert mask.array.dtype == np.uint8
        assert mask.geometry.same_grid(GEOMETRY)
        assert np.array_equal(mask.array != 0, truth.mask(method))
    assert np.array_equal(read_image(case.tmtvprob).array, truth.probability())
    (row,) = table(case.folder / "rois.csv")
    assert "name" not in row
    assert float(row["volume_ml"]) == pytest.approx(36 * 0.015)

    info = case.info
    assert info["case_id"] == case.folder.name == case.case_id
    assert info["study_uid"] == uid("P1", "S1")
    assert info["pet_series_uid"] == uid("P1", "S1", "pet")
    assert info["ct_series_uid"] == uid("P1", "S1", "ct")
    assert info["suv"]["factor"] == pytest.approx(4e-4, rel=1e-9)
    assert info["suv"]["rule"].startswith("BQML, START")
    assert info["suv"]["overrides"] == {}
    assert info["grid"]["shape"] == list(SHAPE)
    assert info["rois"]["count"] == 1
    (cohort,) = read_cohort(tmp_path / "out")
    assert cohort["case_id"] == case.case_id
    assert cohort["split"] == "train"
    (summary,) = table(tmp_path / "out" / "prepare.csv")
    assert (summary["status"], summary["slices"], summary["rois"]) == ("done", "8", "1")


def test_without_ct_and_without_rois(tmp_path):
    write_study(tmp_path / "in", ct=False, roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    case = only_case(tmp_path / "out")
    assert (case.ct, case.references, case.tmtvprob) == (None, {}, None)
    assert sorted(p.name for p in case.folder.iterdir()) == ["case.json", "pet.nii.gz"]


def test_a_bad_case_does_not_stop_the_rest(tmp_path, capsys):
    write_study(tmp_path / "in" / "1", "P1")
    write_study(tmp_path / "in" / "2", "P2", edit=without_weight)
    (tmp_path / "in" / "readme.txt").write_text("hello")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--path-list", tmp_path / "paths.csv", status=1)
    assert len(find_cases(tmp_path / "out")) == 1
    assert len(read_cohort(tmp_path / "out")) == 1
    rows = table(tmp_path / "out" / "prepare.csv")
    assert sorted(row["status"] for row in rows) == ["done", "failed"]
    error = capsys.readouterr().err
    assert "PatientWeight (0010,1030)" in error
    assert "Traceback" not in error
    rows = left_out(tmp_path / "out", tmp_path / "paths.csv")
    assert [row[:2] for row in rows] == [("file", tmp_path / "in" / "readme.txt")]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == [".lock"]


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


def test_roi_images_beside_the_images_are_pointed_at(tmp_path):
    write_study(tmp_path / "in", roi=False)
    write_image(tmp_path / "in" / "mask.nii.gz", Image(roi_mask().astype(np.uint8), GEOMETRY))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--path-list", tmp_path / "paths.csv")
    ((_, path, reason),) = left_out(tmp_path / "out", tmp_path / "paths.csv")
    assert (path.name, "--rois" in reason) == ("mask.nii.gz", True)


@pytest.mark.parametrize("what", ["empty", "text", "no pet"])
def test_nothing_to_prepare(tmp_path, capsys, what):
    (tmp_path / "in").mkdir()
    if what == "text":
        (tmp_path / "in" / "a.txt").write_text("hello")
    if what == "no pet":
        write_study(tmp_path / "in", roi=False)
        shutil.rmtree(tmp_path / "in" / "PT")
    prepare(tmp_path / "in", "--out", tmp_path / "out", status=2)
    assert "no DICOM series" in (error := capsys.readouterr().err) or "no PET series" in error
    assert not (tmp_path / "out").exists()


def test_finished_cases_are_kept_until_something_changes(tmp_path):
    write_study(tmp_path / "in")
    out = tmp_path / "out"

    def run(*options):
        prepare(tmp_path / "in", "--out", out, *options)
        return table(out / "prepare.csv")[0]["status"], only_case(out).pet.stat().st_mtime_ns

    first = run()
    assert first[0] == "done"
    assert run() == ("unchanged", first[1])
    assert run("--split-components")[0] == "done"  # another setting
    assert run()[0] == "done"
    (tmp_path / "in" / "RS" / "rs.dcm").unlink()
    assert run()[0] == "done"
    assert only_case(out).references == {}  # nothing of the old truth stays


def test_a_killed_run_leaves_nothing_that_counts(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    folder = only_case(tmp_path / "out").folder
    (folder / "case.json").unlink()
    stale = folder.with_name(".building.0123456789abcdef") / "new"
    stale.mkdir(parents=True)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    assert only_case(tmp_path / "out").folder == folder
    assert not stale.exists()


def test_overrides_are_recorded_and_of_one_examination(tmp_path, capsys):
    write_study(tmp_path / "in" / "1", "P1", edit=without_weight)
    options = ["--weight-kg", 35, "--dose-mbq", 350, "--injection-time", "10:00"]
    prepare(tmp_path / "in", "--out", tmp_path / "out", *options)
    case = only_case(tmp_path / "out")
    assert case.info["suv"]["overrides"] == {"weight_kg": 35, "dose_bq": 350e6, "injection_time": "10:00:00"}
    assert np.allclose(read_image(case.pet).array, SUV / 2, rtol=1e-6)
    write_study(tmp_path / "in" / "2", "P2")
    prepare(tmp_path / "in", "--out", tmp_path / "out", *options, status=2)
    assert "of one examination; 2 were found" in capsys.readouterr().err


def test_impossible_dose_needs_allow_unusual_which_is_recorded(tmp_path, capsys):
    write_study(tmp_path / "in", "P1")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--dose-mbq", 350e6, status=2)  # typed in Bq
    assert "--allow-unusual" in capsys.readouterr().err
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--dose-mbq", 8, "--allow-unusual")
    info = only_case(tmp_path / "out").info
    assert info["suv"]["overrides"] == {"dose_bq": 8e6, "allow_unusual": True}
    assert any("--allow-unusual" in text for text in info["warnings"])


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


def test_cohort_grows_and_keeps_what_it_had(tmp_path):
    (tmp_path / "clinical.csv").write_text("PatientID,subtype,split\nP1,HL,test\n")
    write_study(tmp_path / "a", "P1", roi=False)
    write_study(tmp_path / "b", "P2", roi=False)
    prepare(tmp_path / "a", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv")
    prepare(tmp_path / "b", "--out", tmp_path / "out")
    rows = {row["subtype"]: row["split"] for row in read_cohort(tmp_path / "out")}
    assert rows["HL"] == "test"
    assert len(rows) == 2


def test_contradicting_clinical_rows_fail_their_case_only(tmp_path, capsys):
    for patient in ("P1", "P2"):
        write_study(tmp_path / "in" / patient, patient, roi=False)
    (tmp_path / "clinical.csv").write_text(
        "PatientID,case_id,subtype\nP1,alpha,HL\nP1,alpha,FL\nP2,beta,FL\n"
    )
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv", status=1)
    assert [row["case_id"] for row in read_cohort(tmp_path / "out")] == ["beta"]
    assert "case alpha: the patient's rows contradict each other: subtype" in capsys.readouterr().err


def test_leakage_through_the_clinical_table_is_refused(tmp_path, capsys):
    write_study(tmp_path / "a", "P1", "S1", roi=False)
    write_study(tmp_path / "b", "P1", "S2", roi=False)
    (tmp_path / "a.csv").write_text("PatientID,split\nP1,train\n")
    (tmp_path / "b.csv").write_text("PatientID,split\nP1,test\n")
    prepare(tmp_path / "a", "--out", tmp_path / "out", "--clinical", tmp_path / "a.csv")
    prepare(tmp_path / "b", "--out", tmp_path / "out", "--clinical", tmp_path / "b.csv", status=2)
    assert "two splits" in capsys.readouterr().err
    assert len(find_cases(tmp_path / "out")) == 1


def test_another_key_is_refused(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--key-file", tmp_path / "new", status=2)
    assert "another key" in capsys.readouterr().err


def test_rois_from_another_folder(tmp_path):
    """By PatientID in the file name; they replace those beside the images."""
    write_study(tmp_path / "in" / "1", "P1")
    labels = np.zeros(SHAPE, np.uint8)
    labels[6, 1:3, 1:3] = 1
    labels[1, 1, 1] = 2
    write_image(tmp_path / "rois" / "p1.nii.gz", Image(labels, GEOMETRY))
    write_image(tmp_path / "rois" / "P7.nii.gz", Image(labels, GEOMETRY))
    options = ["--rois", tmp_path / "rois", "--path-list", tmp_path / "paths.csv"]
    prepare(tmp_path / "in", "--out", tmp_path / "out", *options)
    case = only_case(tmp_path / "out")
    assert case.info["rois"]["count"] == 2
    expected = make_truth(read_image(case.pet).array, [Roi.from_mask("", labels == i) for i in (1, 2)], 1.0)
    assert np.array_equal(read_image(case.tmtvprob).array, expected.probability())
    names = {(kind, path.name) for kind, path, _ in left_out(tmp_path / "out", tmp_path / "paths.csv")}
    assert names == {("roi file", "P7.nii.gz"), ("roi file", "rs.dcm")}


def test_rois_of_the_fiji_viewer(tmp_path, capsys):
    """A list of voxels `x y z`, z from the feet; the table must be that of this PET."""
    write_study(tmp_path / "in", roi=False)
    suv = f"{SUV[6, 2, 1]:.3f}"
    row = f"r,1,,,,{suv},0,,,,,{suv},"
    lines = ["h" + "," * 12, row, "", "Number of Nifti ROIs = 1", "node, num points = 1,1 2 6", "", "0.0"]
    (tmp_path / "rois").mkdir()
    path = tmp_path / "rois" / "P1.csv"
    path.write_text("\n".join(lines))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--rois", tmp_path / "rois")
    truth = read_image(only_case(tmp_path / "out").tmtvprob).array
    assert np.argwhere(truth > 0).tolist() == [[6, 2, 1]]
    path.write_text("\n".join(lines).replace(suv, "99.0"))
    prepare(tmp_path / "in", "--out", tmp_path / "out2", "--rois", tmp_path / "rois", status=2)
    assert "SUVmax of ROI 1 is 99.0 in the file's own table" in capsys.readouterr().err


def test_a_name_that_fits_two_studies_is_refused(tmp_path, capsys):
    for study in ("S1", "S2"):
        write_study(tmp_path / "in" / study, "P1", study, roi=False)
    write_image(tmp_path / "rois" / "P1.nii.gz", Image(np.ones(SHAPE, np.uint8), GEOMETRY))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--rois", tmp_path / "rois", status=2)
    assert "its name fits 2 studies" in capsys.readouterr().err
    (tmp_path / "rois" / "P1.nii.gz").rename(tmp_path / "rois" / f"{uid('P1', 'S1', 'pet')}.nii.gz")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--rois", tmp_path / "rois")
    assert sorted(bool(load_case(f).references) for f in find_cases(tmp_path / "out")) == [False, True]


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


def test_messages_keep_the_paths_as_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    prepare("in", "--out", "out", status=2)
    assert capsys.readouterr().err == "Error: in: no DICOM series in it.\n"
    (tmp_path / "file").write_text("in the way")
    prepare("in", "--out", "file/out", status=2)
    assert capsys.readouterr().err.startswith("Error: file/out: cannot be written")


def test_a_ct_that_covers_little_is_said_once(tmp_path):
    write_study(tmp_path / "in", edit=lambda ds, k: not (ds.Modality == "CT" and k > 9))
    with pytest.raises(SystemExit):
        run_app(
            app,
            ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--grid-shape", "8", "8", "8"],
        )
    warnings = only_case(tmp_path / "out").info["warnings"]
    assert sum("The CT covers only" in warning for warning in warnings) == 1


def test_rois_by_name_pattern(tmp_path, capsys):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--roi-pattern", "NODE", "--show-text")
    (row,) = table(only_case(tmp_path / "out").folder / "rois.csv")
    assert row["name"] == "Lymph node of somebody"
    prepare(tmp_path / "in", "--out", tmp_path / "out2", "--roi-pattern", "liver", status=2)
    assert "none of its 1 ROIs has a name like 'liver'" in capsys.readouterr().err


def move_rois(folder, **options):
    """Write the structure set of `write_study` anew, with other references or another maker."""
    pet = pet_datasets(folder / "PT")[0]
    box = [GEOMETRY.to_world([(4, 0.5, 0.5), (4, 0.5, 3.5), (4, 4.5, 3.5), (4, 4.5, 0.5)])]
    return write_rtstruct(folder / "RS" / f"{len(options)}.dcm", pet, {"box": box}, **options)


def test_rois_drawn_on_the_ct_count_only_without_others(tmp_path):
    folder = write_study(tmp_path / "in")
    move_rois(folder, series=uid("P1", "S1", "ct"))
    prepare(folder, "--out", tmp_path / "out", "--path-list", tmp_path / "paths.csv")
    assert only_case(tmp_path / "out").info["rois"]["files"] == 1
    rows = left_out(tmp_path / "out", tmp_path / "paths.csv")
    assert [row[:2] for row in rows] == [("roi file", folder / "RS" / "1.dcm")]
    (folder / "RS" / "rs.dcm").unlink()
    prepare(folder, "--out", tmp_path / "out")
    (row,) = table(only_case(tmp_path / "out").folder / "rois.csv")
    assert row["voxels"] == "12"


def test_rois_drawn_on_another_pet_of_the_study_are_said(tmp_path):
    """Their thresholds are taken on this PET: the reader saw other SUV."""
    folder = write_study(tmp_path / "in", roi=False)
    write_series(folder / "late", "PT", 8, series="late", edit=lambda ds, k: setattr(ds, "SeriesNumber", 9))
    move_rois(folder, series=uid("P1", "S1", "late"))
    prepare(folder, "--out", tmp_path / "out")
    warnings = only_case(tmp_path / "out").info["warnings"]
    said = f"1 of 1 ROI files were drawn on another PET series than the one in use, {uid('P1', 'S1', 'late')}"
    assert any(text.startswith(said) for text in warnings)


def test_a_roi_file_is_a_number_in_what_is_written(tmp_path):
    folder = write_study(tmp_path / "in", roi=False)
    path = move_rois(folder).rename(folder / "RS" / "Frau Doe.dcm")
    ds = dcmread(path)
    ds.StructureSetROISequence.append(Dataset())
    ds.StructureSetROISequence[-1].ROINumber = 9
    ds.StructureSetROISequence[-1].ReferencedFrameOfReferenceUID = uid("P1", "S1", "frame")
    ds.save_as(path)
    prepare(folder, "--out", tmp_path / "out")
    warnings = only_case(tmp_path / "out").info["warnings"]
    assert any(text.startswith("file ") and "ROI 2 has no closed contour" in text for text in warnings)
    assert not any("Doe" in text for text in warnings)


def test_patients_who_are_not_joined_are_counted(tmp_path, caplog):
    write_study(tmp_path / "in")
    (tmp_path / "outcomes.csv").write_text("PatientID,subtype\nP01,HL\nP1,FL\n")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "outcomes.csv")
    assert "1 of its 2 patients are not among the images, and 0 of the 1 patients" in caplog.text


def test_rois_of_another_frame_of_reference_fail_the_case(tmp_path, capsys):
    folder = write_study(tmp_path / "in", roi=False)
    move_rois(folder, frame="1.2.3", series="1.2.4")
    prepare(folder, "--out", tmp_path / "out", status=2)
    assert "ReferencedFrameOfReferenceUID (3006,0024) is 1.2.3" in capsys.readouterr().err


def test_results_of_this_software_are_no_truth(tmp_path):
    folder = write_study(tmp_path / "in", roi=False)
    path = move_rois(folder)
    ds = dcmread(path)
    ds.Manufacturer, ds.ManufacturerModelName = "somebody", "tmtv-tf 0.1.0"
    ds.save_as(path)
    prepare(folder, "--out", tmp_path / "out")
    assert only_case(tmp_path / "out").references == {}
    assert table(tmp_path / "out" / "left_out.csv")[0]["kind"] == "roi file"


def test_a_broken_roi_file_fails_the_case(tmp_path, capsys):
    write_study(tmp_path / "in")
    path = tmp_path / "in" / "RS" / "rs.dcm"
    path.write_bytes(path.read_bytes()[:-60])
    prepare(tmp_path / "in", "--out", tmp_path / "out", status=2)
    assert "the file is cut short" in capsys.readouterr().err


PLANTED = {
    "PatientName": "Zwetschgenbaum^Kunigunde",
    "PatientID": "ZWB4711",
    "PatientBirthDate": "19310203",
    "AccessionNumber": "ACC99887",
    "InstitutionName": "Klinikum Hinterwald",
    "StudyDescription": "Frau Zwetschgenbaum Kontrolle",
    "SeriesDescription": "PET Kunigunde",
    "ReferringPhysicianName": "Quacksalber^Egon",
    "OtherPatientIDs": "OLD-ID-123",
    "PatientComments": "lives in Hinterwald",
}


def test_nothing_identifying_is_written_or_said(tmp_path, capsys):
    """Planted names are in no output, not even where a case fails or folders carry them."""

    def plant(ds, k):
        for keyword, value in PLANTED.items():
            setattr(ds, keyword, value)

    def plant_and_break(ds, k):
        plant(ds, k)
        without_weight(ds, k)

    root = tmp_path / "in" / "Zwetschgenbaum_Kunigunde"
    write_study(root / "good", "ZWB4711", "S1", edit=plant)
    write_study(root / "bad", "ZWB4711", "S2", edit=plant_and_break)
    write_study(root / "no pet", "ZWB4711", "S3", edit=plant, roi=False)
    shutil.rmtree(root / "no pet" / "PT")
    (root / "letter of ZWB4711.txt").write_text("Dear Frau Zwetschgenbaum")
    (tmp_path / "clinical.csv").write_text("PatientID,subtype\nZWB4711,HL\n")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv", status=1)
    said = capsys.readouterr()
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    names = [str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*")]
    everything = b"\n".join([*written, *map(str.encode, [*names, said.out, said.err])]).lower()
    for word in ("zwetschgenbaum", "kunigunde", "zwb4711", "19310203", "acc99887", "hinterwald", "quacksalber",
                 "egon", "old-id-123", "kontrolle", "lymph node of somebody"):  # fmt: skip
        assert word.encode() not in everything, word
    assert "PatientWeight (0010,1030)" in said.err


def test_workers(tmp_path):
    for patient in ("P1", "P2", "P3"):
        write_study(tmp_path / "in" / patient, patient, edit=without_weight if patient == "P2" else None)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--workers", 2, status=1)
    assert len(find_cases(tmp_path / "out")) == 2


def test_a_real_dask_cluster(tmp_path):
    """`dask scheduler` and two `dask worker` processes, as on a cluster."""
    pytest.importorskip("distributed")
    for patient in ("P1", "P2", "P3"):
        write_study(tmp_path / "in" / patient, patient, edit=without_weight if patient == "P2" else None)
    dask = [sys.executable, "-m", "dask"]
    address_file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(address_file), "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    processes = [
        subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *common], **quiet)
    ]
    try:
        wait_for(address_file)
        worker = [*dask, "worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60", *common]
        processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]
        address = json.loads(address_file.read_text())["address"]
        prepare(tmp_path / "in", "--out", tmp_path / "out", "--scheduler", address, status=1)
    finally:
        for process in processes[::-1]:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    assert len(find_cases(tmp_path / "out")) == 2
    reasons = [row["reason"] for row in table(tmp_path / "out" / "prepare.csv") if row["status"] == "failed"]
    assert "PatientWeight (0010,1030)" in reasons[0]


def wait_for(path: Path) -> None:
    import time

    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{path.name} did not appear in 30 s")


def test_arrays_for_training(tmp_path):
    write_study(tmp_path / "in")
    with pytest.raises(SystemExit):
        run_app(
            app,
            ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--grid-shape", "8", "8", "8"],
        )
    case = only_case(tmp_path / "out")
    assert case.info["model_grid"]["shape"] == [8, 8, 8]
    assert list((case.folder / "model_grid").rglob("image.*"))


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


def test_unwritable_output(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    (tmp_path / "file").write_text("in the way")
    prepare(tmp_path / "in", "--out", tmp_path / "file" / "out", status=2)
    assert "out: cannot be written" in capsys.readouterr().err


def test_series_chosen_by_uid(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--pet-uid", uid("P1", "S1", "pet"))
    assert len(find_cases(tmp_path / "out")) == 1
    prepare(tmp_path / "in", "--out", tmp_path / "out2", "--pet-uid", "1.2.3", status=2)
    assert "1.2.3" in capsys.readouterr().err


def test_injection_time_that_is_none(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--injection-time", "noon", status=2)
    assert "--injection-time must be like" in capsys.readouterr().err


def test_injection_time_with_a_date(tmp_path):
    write_study(tmp_path / "in", roi=False, edit=lambda ds, k: ds.Modality == "PT" and _forget_injection(ds))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--injection-time", "2024-01-31T10:00:00")
    assert only_case(tmp_path / "out").info["suv"]["factor"] == pytest.approx(4e-4)


def _forget_injection(ds):
    del injected(ds).RadiopharmaceuticalStartTime
    del injected(ds).RadiopharmaceuticalStartDateTime
    return True


def test_a_copy_of_a_roi_file_counts_once(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "one")
    (tmp_path / "in" / "RS" / "copy.dcm").write_bytes((tmp_path / "in" / "RS" / "rs.dcm").read_bytes())
    prepare(tmp_path / "in", "--out", tmp_path / "two")
    one, two = only_case(tmp_path / "one"), only_case(tmp_path / "two")
    assert (two.folder / "rois.csv").read_bytes() == (one.folder / "rois.csv").read_bytes()
    assert "1 of 2 ROI files are copies: counted once." in two.info["warnings"]
