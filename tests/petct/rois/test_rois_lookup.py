"""Which files of a folder of ROIs are found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_series
from roi_files import pet_datasets, write_rtstruct

from petct.errors import RoiError
from petct.image import Geometry, Image, write_image
from petct.rois.lookup import find_roi_files

GEOMETRY = Geometry((4, 6, 5), (3.0, 2.0, 2.5), (-10.0, -20.0, 0.0))


def mask(path: Path) -> Path:
    write_image(path, Image(np.ones(GEOMETRY.shape, np.uint8), GEOMETRY))
    return path


def found(folder: Path) -> list[str]:
    return [str(file.path.relative_to(folder)) for file in find_roi_files(folder)[0]]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    """A linked folder of a patient was passed over, and with it the patient's ROIs."""
    mask(tmp_path / "elsewhere" / "P1" / "roi.nii.gz")
    rois = tmp_path / "rois"
    rois.mkdir()
    (rois / "P1").symlink_to(tmp_path / "elsewhere" / "P1")
    (rois / "again").symlink_to(rois)
    (rois / "P2.nii.gz").symlink_to(tmp_path / "elsewhere" / "P1" / "roi.nii.gz")
    assert found(rois) == ["P1/roi.nii.gz", "P2.nii.gz"]
    ((path, reason),) = [(item.path.name, item.reason) for item in find_roi_files(rois)[1]]
    assert path == "again"
    assert "a second name of a folder" in reason


def test_a_deep_tree_is_read_to_its_end(tmp_path: Path) -> None:
    """1,200 folders in one another: deeper than Python calls itself."""
    last = tmp_path
    here = os.getcwd()
    try:
        for _ in range(1200):
            os.chdir(last)
            os.mkdir("d")
            last = Path("d")
        os.chdir("d")
        mask(Path("P1.nii.gz"))
        os.chdir(here)
        (file,) = find_roi_files(tmp_path)[0]
        assert file.path.name == "P1.nii.gz"
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest's own cleaning recurses


def test_what_cannot_be_read_is_refused_or_named(tmp_path: Path) -> None:
    (pet,) = pet_datasets(write_series(tmp_path / "pet", "PT", 1))
    rois = tmp_path / "rois"
    good = write_rtstruct(rois / "good.dcm", pet, {"a": [np.zeros((3, 3))]})
    (rois / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
    (rois / "notes.txt").write_text("hello")
    files, skipped = find_roi_files(rois)
    assert [file.path for file in files] == [good]
    assert {item.path.name for item in skipped} == {"broken.dcm", "notes.txt"}
    (rois / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RoiError, match="gone: a link that leads nowhere, so ROIs may be lost"):
        find_roi_files(rois)
