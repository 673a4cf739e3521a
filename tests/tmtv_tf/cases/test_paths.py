"""Paths in what is written."""

from cohort_files import write_study
from dicom_files import uid
from prepare_files import move_rois, only_case, prepare
from pydicom import Dataset, dcmread


def test_messages_keep_the_paths_as_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    prepare("in", "--out", "out", status=2)
    assert capsys.readouterr().err == "Error: in: no DICOM series in it.\n"
    (tmp_path / "file").write_text("in the way")
    prepare("in", "--out", "file/out", status=2)
    assert capsys.readouterr().err.startswith("Error: file/out: cannot be written")


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
