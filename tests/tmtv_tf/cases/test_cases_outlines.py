"""Which files of ROIs make the truth."""

import numpy as np
from cohort_files import GEOMETRY, SHAPE, SUV, roi_mask, write_study
from dicom_files import uid, write_series
from prepare_files import left_out, move_rois, only_case, prepare, table
from pydicom import dcmread

from petct.image import Image, read_image, write_image
from petct.rois import Roi
from tmtv_tf.cases.truth import make_truth


def test_roi_images_beside_the_images_are_pointed_at(tmp_path):
    write_study(tmp_path / "in", roi=False)
    write_image(tmp_path / "in" / "mask.nii.gz", Image(roi_mask().astype(np.uint8), GEOMETRY))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--path-list", tmp_path / "paths.csv")
    ((_, path, reason),) = left_out(tmp_path / "out", tmp_path / "paths.csv")
    assert (path.name, "--rois" in reason) == ("mask.nii.gz", True)


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


def test_rois_by_name_pattern(tmp_path, capsys):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--roi-pattern", "NODE", "--show-text")
    (row,) = table(only_case(tmp_path / "out").folder / "rois.csv")
    assert row["name"] == "Lymph node of somebody"
    prepare(tmp_path / "in", "--out", tmp_path / "out2", "--roi-pattern", "liver", status=2)
    assert "none of its 1 ROIs has a name like 'liver'" in capsys.readouterr().err
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--roi-pattern", "[", status=2)
    assert "--roi-pattern is not a regular expression" in capsys.readouterr().err
    assert only_case(tmp_path / "out").tmtvprob.is_file()  # a wrong call takes no finished case out of use


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


def test_a_copy_of_a_roi_file_counts_once(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "one")
    (tmp_path / "in" / "RS" / "copy.dcm").write_bytes((tmp_path / "in" / "RS" / "rs.dcm").read_bytes())
    prepare(tmp_path / "in", "--out", tmp_path / "two")
    one, two = only_case(tmp_path / "one"), only_case(tmp_path / "two")
    assert (two.folder / "rois.csv").read_bytes() == (one.folder / "rois.csv").read_bytes()
    assert "1 of 2 ROI files are copies: counted once." in two.info["warnings"]
