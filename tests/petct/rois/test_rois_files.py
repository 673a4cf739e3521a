"""Which reader a file of ROIs needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_series

from petct.errors import RoiError, TmtvError
from petct.image import Geometry, Image, write_image
from petct.rois.files import RoiTarget, read_rois, roi_suffix

GRID = Geometry((2, 3, 4), (3.0, 2.0, 1.0))
TARGET = RoiTarget(Image(np.ones(GRID.shape, np.float32), GRID))


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.CSV", ".csv"), ("a.NII.gz", ".nii.gz"), ("a.hdr", ".hdr"), ("a.img", ""), ("a.dcm", ""), ("a", "")],
)
def test_a_pair_counts_once_and_case_does_not(name: str, suffix: str) -> None:
    assert roi_suffix(Path(name)) == suffix


def test_a_label_image_whatever_its_suffix_is_written_like(tmp_path: Path) -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1, 2, 3] = 4
    write_image(tmp_path / "a.nrrd", Image(labels, GRID))
    (tmp_path / "a.nrrd").rename(tmp_path / "a.NRRD")
    ((roi,), warnings) = read_rois(tmp_path / "a.NRRD", TARGET)
    assert (roi.corner, roi.voxels, warnings) == ((1, 2, 3), 1, [])


@pytest.mark.parametrize("wanted", ["image", "geometry", "array", "target of an array"])
def test_what_says_nothing_of_the_pet_is_refused(tmp_path: Path, wanted: str) -> None:
    """It ended in an AttributeError."""
    array, geometry = np.zeros((2, 3, 4), np.float32), Geometry((2, 3, 4), (1.0, 1.0, 1.0))
    image = Image(array, geometry)
    write_image(tmp_path / "rois.nii.gz", image)
    target = {"image": image, "geometry": geometry, "array": array, "target of an array": RoiTarget(array)}  # type: ignore[arg-type]
    with pytest.raises(TmtvError, match=r"`target(\.pet)?` must be a petct\.(RoiTarget|Image)"):
        read_rois(tmp_path / "rois.nii.gz", target[wanted])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["none.dcm", "none", "none.csv", "none.nrrd"])
def test_a_file_that_is_not_there_is_called_so(tmp_path: Path, name: str) -> None:
    target = RoiTarget(Image(np.zeros((2, 3, 4), np.float32), Geometry((2, 3, 4), (1.0, 1.0, 1.0))))
    with pytest.raises(RoiError, match=f"{name}: no such file"):
        read_rois(tmp_path / name, target)


def test_an_image_of_the_series_is_no_file_of_rois(tmp_path: Path) -> None:
    write_series(tmp_path, n=1)
    (path,) = tmp_path.iterdir()
    with pytest.raises(RoiError, match=r"not a file of ROIs \(Modality \(0008,0060\) is 'PT'"):
        read_rois(path, TARGET)
    path.write_bytes(b"no DICOM")
    with pytest.raises(RoiError, match="not readable as DICOM"):
        read_rois(path, TARGET)
