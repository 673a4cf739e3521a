"""Finding series in a tree of any files. Truth: what was written where."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom
import pytest
from dicom_files import uid, write_series
from pydicom.fileset import FileSet

from petct.dicom.headers import find_series
from petct.errors import DicomError


def test_messy_tree(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "b", series="1")
    write_series(tmp_path / "a" / "b", "CT", series="2")
    write_series(tmp_path / "c", series="1", patient="P2", n=3)
    (tmp_path / "a" / "readme.txt").write_text("no image")
    (tmp_path / "a" / "short").write_bytes(b"x")
    (tmp_path / "empty").touch()
    (tmp_path / ".DS_Store").write_bytes(b"\0" * 200)
    (tmp_path / "a" / "._1.dcm").write_bytes(b"\0" * 200)
    (tmp_path / "picture.dcm").write_bytes(b"\x89PNG" * 100)
    series, skipped = find_series(tmp_path)
    assert [(s.patient_id, s.modality, len(s.files)) for s in series] == [
        ("P1", "CT", 4),
        ("P1", "PT", 4),
        ("P2", "PT", 3),
    ]
    reasons = {item.path.name: item.reason for item in skipped}
    assert reasons == {
        "readme.txt": "not a DICOM file",
        "short": "not a DICOM file",
        "empty": "empty file",
        ".DS_Store": "hidden file",
        "._1.dcm": "hidden file",
        "picture.dcm": "not a DICOM file",
    }
    assert [item.path.name for item in skipped if item.damaged] == ["picture.dcm"]


def test_dicomdir_is_an_index_not_an_image(tmp_path: Path) -> None:
    write_series(tmp_path / "in", edit=lambda ds, k: setattr(ds, "StudyID", "1"))
    files = FileSet()
    for path in (tmp_path / "in").iterdir():
        ds = pydicom.dcmread(path)
        ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20240131", "110000", ""
        ds.InstanceNumber = 1
        files.add(ds)
    files.write(tmp_path / "cd")
    series, skipped = find_series(tmp_path / "cd")
    assert [len(s.files) for s in series] == [4]
    assert [item.path.name for item in skipped] == ["DICOMDIR"]
    assert "index" in skipped[0].reason


def test_files_without_the_dicom_prefix(tmp_path: Path) -> None:
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    series, skipped = find_series(tmp_path)
    assert [len(s.files) for s in series] == [4]
    assert skipped == []


def test_file_cut_before_its_series_uid_is_damaged(tmp_path: Path) -> None:
    write_series(tmp_path)
    victim = sorted(tmp_path.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:400])
    series, skipped = find_series(tmp_path)
    assert skipped[0].damaged
    assert "SeriesInstanceUID (0020,000E)" in skipped[0].reason
    assert series[0].damaged == (victim,)


def test_one_file_and_several_roots(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", series="2")
    assert len(find_series([tmp_path / "a", tmp_path / "b"])[0]) == 2
    series, _ = find_series(next((tmp_path / "a").iterdir()))
    assert len(series[0].files) == 1


def test_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no such file or folder"):
        find_series(tmp_path / "nowhere")


def test_links_and_pipes_do_not_stop_the_walk(tmp_path: Path) -> None:
    write_series(tmp_path / "real")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tree / "pipe")
    for path in (tmp_path / "real").iterdir():
        (tree / path.name).symlink_to(path)
    series, skipped = find_series(tree)
    assert len(series[0].files) == 4
    assert {item.path.name for item in skipped} == {"gone", "pipe"}


def test_empty_folder_has_no_series(tmp_path: Path) -> None:
    assert find_series(tmp_path) == ([], [])


def test_series_uid_shared_by_two_patients_is_a_conflict(tmp_path: Path) -> None:
    shared = uid("shared")

    def edit(ds, k):
        ds.SeriesInstanceUID = shared

    write_series(tmp_path / "a", edit=edit)
    write_series(tmp_path / "b", patient="P2", edit=edit)
    series, _ = find_series(tmp_path)
    assert len(series) == 1
    assert any("PatientID (0010,0020)" in text for text in series[0].conflicts)


def test_unreadable_number_is_none_not_a_crash(tmp_path: Path) -> None:
    write_series(tmp_path)
    path = sorted(tmp_path.iterdir())[0]
    path.write_bytes(path.read_bytes().replace(b"-10.0\\-20.0", b"-1x.0\\-20.0"))
    series, _ = find_series(tmp_path)
    positions = [instance.position_mm for instance in series[0].instances]
    assert positions.count(None) == 1
