"""A landmark stays where it is in the patient, however the slices lie. Truth: DICOM PS3.3 C.7.6.2.1.1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_series

from petct.dicom.headers import find_series
from petct.dicom.volume import read_volume
from petct.errors import DicomError
from petct.image import read_image, resample, write_image

TILT = np.deg2rad(17)
ORIENTATIONS = {
    "head first supine": (1, 0, 0, 0, 1, 0),
    "head first prone": (-1, 0, 0, 0, -1, 0),
    "feet first supine": (-1, 0, 0, 0, 1, 0),
    "feet first prone": (1, 0, 0, 0, -1, 0),
    "oblique": (np.cos(TILT), 0, np.sin(TILT), 0, 1, 0),
    "doubly oblique": (
        np.cos(TILT),
        np.sin(TILT),
        0,
        -(np.sin(TILT) ** 2),
        np.sin(TILT) * np.cos(TILT),
        np.cos(TILT),
    ),
}
ORIGIN = np.array([31.0, -12.5, 407.0])


def write(folder: Path, orientation: tuple, reverse: bool = False) -> np.ndarray:
    """Six slices 3 mm apart along the normal; returns the normal along which they were laid."""
    row, column = np.reshape(orientation, (2, 3))
    normal = np.cross(row, column) * (-1 if reverse else 1)

    def edit(ds, k):
        ds.ImageOrientationPatient = [f"{v:.12g}"[:16] for v in orientation]
        ds.ImagePositionPatient = [f"{v:.9g}" for v in ORIGIN + 3 * k * normal]
        ds.RescaleSlope = "1"
        plane = np.zeros((6, 5), np.uint16)
        if k == 4:
            plane[1, 3] = 1000
        ds.PixelData = plane.tobytes()

    write_series(folder, n=6, edit=edit)
    return ORIGIN + 3 * 4 * normal + 3 * 2.5 * row + 1 * 2.0 * column


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", [n for n in ORIENTATIONS if n != "doubly oblique"])
def test_landmark(tmp_path: Path, name: str, reverse: bool) -> None:
    landmark = write(tmp_path / "dicom", ORIENTATIONS[name], reverse)
    image, _ = read_volume(find_series(tmp_path / "dicom")[0][0])
    index = np.argwhere(image.array == 1000)
    assert len(index) == 1
    np.testing.assert_allclose(image.geometry.to_world(index)[0], landmark, atol=1e-4)
    assert np.linalg.det(np.reshape(image.geometry.direction, (3, 3))) == pytest.approx(1)

    write_image(tmp_path / "image.nii.gz", image)  # and after a round trip through NIfTI
    back = read_image(tmp_path / "image.nii.gz")
    np.testing.assert_allclose(
        back.geometry.to_world(np.argwhere(back.array == 1000))[0], landmark, atol=1e-3
    )


def test_two_orientations_of_one_patient_agree_after_resampling(tmp_path: Path) -> None:
    """The same blob written head first and feet first: resampled on one grid, it is the same image."""
    write(tmp_path / "a", ORIENTATIONS["head first supine"])
    a, _ = read_volume(find_series(tmp_path / "a")[0][0])
    row, column = np.reshape(ORIENTATIONS["feet first supine"], (2, 3))
    corner = a.geometry.to_world([(5, 0, 4)])[0]  # the voxel from which the other orientation counts

    def edit(ds, k):
        ds.ImageOrientationPatient = list(map(float, (*row, *column)))
        ds.ImagePositionPatient = [float(v) for v in corner + 3 * k * np.cross(row, column)]
        ds.RescaleSlope = "1"
        ds.PixelData = np.ascontiguousarray(a.array[5 - k, :, ::-1]).astype(np.uint16).tobytes()

    b, _ = read_volume(find_series(write_series(tmp_path / "b", n=6, edit=edit))[0][0])
    np.testing.assert_allclose(resample(b, a.geometry).array, a.array, atol=1e-3)


def test_slices_closer_to_coronal_than_axial_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ORIENTATIONS["doubly oblique"])
    with pytest.raises(DicomError, match="not axial"):
        read_volume(find_series(tmp_path)[0][0])
