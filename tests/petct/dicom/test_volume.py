"""Series to volume: order, geometry, rescaling, and what is refused. Truth: the written numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import expected_values, stored_values, uid, write_series

from petct.dicom.headers import Series, find_series
from petct.dicom.volume import _rescale_into, read_volume
from petct.errors import DicomError


def only(folder: Path) -> Series:
    series, _ = find_series(folder)
    assert len(series) == 1
    return series[0]


def refusal(folder: Path) -> str:
    with pytest.raises(DicomError) as caught:
        read_volume(only(folder))
    return str(caught.value)


def test_slices_are_ordered_by_position_and_rescaled_each_by_its_own_slope(tmp_path: Path) -> None:
    image, warnings = read_volume(only(write_series(tmp_path, n=5)))
    np.testing.assert_allclose(image.array, expected_values(5), rtol=1e-7)
    assert image.array.dtype == np.float32
    assert image.spacing_mm == (3.0, 2.0, 2.5)
    assert image.geometry.origin_mm == (-10.0, -20.0, 0.0)
    assert warnings == []


def test_first_slope_of_one_does_not_make_the_volume_integer(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.RescaleSlope = "1" if k == 0 else "0.001"

    image, _ = read_volume(only(write_series(tmp_path, edit=edit)))
    np.testing.assert_allclose(image.array[3], stored_values(4)[3] * 0.001, rtol=1e-6)


def test_ct_of_whole_numbers_is_int16(tmp_path: Path) -> None:
    image, _ = read_volume(only(write_series(tmp_path, "CT")))
    assert image.array.dtype == np.int16
    np.testing.assert_array_equal(image.array, stored_values(4).astype(int) - 1024)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32])
@pytest.mark.parametrize("shift", [-70_000, -1024, 0, 40_000])
def test_whole_numbers_of_every_type_fit_into_int16_or_make_it_float(dtype: type, shift: int) -> None:
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -32768 - shift), min(limits.max, 32767 - shift)
    if low > high:
        low = high = limits.max
    stored = np.array([[low, high]], dtype)
    volume = _rescale_into(np.zeros((1, 1, 2), np.int16), 0, stored, 1.0, float(shift))
    np.testing.assert_array_equal(volume[0], stored.astype(np.int64) + shift)


def test_ct_turns_to_float_at_the_first_slice_that_needs_it(tmp_path: Path) -> None:
    def edit(ds, k):
        if k == 2:
            ds.RescaleSlope = "0.5"

    image, _ = read_volume(only(write_series(tmp_path, "CT", edit=edit)))
    assert image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array[1], stored_values(4)[1].astype(float) - 1024)
    np.testing.assert_array_equal(image.array[2], stored_values(4)[2] * 0.5 - 1024)


def test_intercept_is_applied_and_mentioned(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.RescaleIntercept = "-2"

    image, warnings = read_volume(only(write_series(tmp_path, edit=edit)))
    np.testing.assert_allclose(image.array, expected_values(4) - 2, rtol=1e-7)
    assert any("RescaleIntercept" in warning for warning in warnings)


def test_missing_slice_is_refused_by_name(tmp_path: Path) -> None:
    text = refusal(write_series(tmp_path, n=7, slices=[0, 1, 2, 4, 5, 6]))
    assert "missing" in text
    assert "ImagePositionPatient (0020,0032)" in text


def test_missing_slice_at_the_end_is_told_by_number_of_slices(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.NumberOfSlices = 5

    _, warnings = read_volume(only(write_series(tmp_path, n=4, edit=edit)))
    assert any("NumberOfSlices (0054,0081) is 5" in warning for warning in warnings)


@pytest.mark.parametrize("offset_mm", [0.0, 0.01, 1.0])
def test_doubled_slice_is_refused(tmp_path: Path, offset_mm: float) -> None:
    def edit(ds, k):
        if k == 5:
            ds.ImagePositionPatient = [-10, -20, 3.0 * 2 + offset_mm]

    said = refusal(write_series(tmp_path, n=6, edit=edit))
    assert "doubled" in said
    assert "twice" not in said  # two images in one place, not one image in two files


def test_copy_of_a_file_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    first = sorted(tmp_path.iterdir())[0]
    (tmp_path / "copy").write_bytes(first.read_bytes())
    said = refusal(tmp_path)
    assert "doubled" in said
    assert "the input holds the series twice. Give one copy of it." in said


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.005, "plain"), (0.05, "warned"), (0.0999, "warned"), (0.11, "no")]
)
def test_slice_off_its_place_on_the_uniform_grid(tmp_path: Path, share: float, outcome: str) -> None:
    """Spacing 3 mm: at most 10 % = 0.3 mm off is accepted, warned of above 1 % = 0.03 mm."""

    def edit(ds, k):
        if k == 2:
            ds.ImagePositionPatient = [-10, -20, 6 + 3 * share]

    folder = write_series(tmp_path, n=6, edit=edit)
    if outcome == "no":
        assert "place on a uniform grid" in refusal(folder)
        return
    image, warnings = read_volume(only(folder))
    assert bool(warnings) == (outcome == "warned")
    assert image.spacing_mm[0] == pytest.approx(3.0)
    np.testing.assert_allclose(image.array, expected_values(6), rtol=1e-7)  # no voxel changed


def test_slice_beside_the_axis_is_refused(tmp_path: Path) -> None:
    def edit(ds, k):
        if k == 2:
            ds.ImagePositionPatient = [-9, -20, 6]

    assert "1.000 mm from its place" in refusal(write_series(tmp_path, n=6, edit=edit))


def test_tilted_gantry_is_refused(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.ImagePositionPatient = [-10, -20 + 0.5 * k, 3 * k]

    assert "place on a uniform grid" in refusal(write_series(tmp_path, "CT", n=6, edit=edit))


@pytest.mark.parametrize(
    ("keyword", "value", "text"),
    [
        ("ImagePositionPatient", None, "ImagePositionPatient (0020,0032) is missing"),
        ("ImageOrientationPatient", None, "ImageOrientationPatient (0020,0037) is missing"),
        ("ImageOrientationPatient", [0, 1, 0, 1, 0, 0], "all slices must have one orientation"),
        ("PixelSpacing", None, "PixelSpacing (0028,0030) is missing"),
        ("PixelSpacing", [2.0, 2.6], "all slices of a series must have one"),
        ("PixelSpacing", [2.0, -2.5], "it must be positive"),
        ("Rows", 5, "all slices of a series must have one size"),
        ("RescaleSlope", None, "RescaleSlope (0028,1053) is missing"),
        ("RescaleSlope", "0", "must be above 0"),
        ("RescaleSlope", "-1", "must be above 0"),
        ("RescaleIntercept", None, "RescaleIntercept (0028,1052) is missing"),
        ("PixelData", None, "PixelData (7FE0,0010) cannot be read"),
        ("SamplesPerPixel", 3, "SamplesPerPixel (0028,0002) is 3"),
        ("FrameOfReferenceUID", uid("other"), "FrameOfReferenceUID (0020,0052) is"),
        ("PatientID", "P2", "PatientID (0010,0020) differs"),
    ],
)
def test_one_odd_slice_is_refused_by_name(tmp_path: Path, keyword: str, value: object, text: str) -> None:
    def edit(ds, k):
        if k == 2:
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)

    message = refusal(write_series(tmp_path, edit=edit))
    assert text in message
    assert "P2" not in message


def test_skewed_orientation_is_refused(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.ImageOrientationPatient = [1, 0, 0, 0.1, 1, 0]

    assert "not two perpendicular unit vectors" in refusal(write_series(tmp_path, edit=edit))


def test_coronal_slices_are_refused(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        ds.ImagePositionPatient = [0, 3 * k, 0]

    assert "not axial" in refusal(write_series(tmp_path, edit=edit))


def test_rows_lost_from_every_header_are_refused(tmp_path: Path) -> None:
    text = refusal(write_series(tmp_path, edit=lambda ds, k: setattr(ds, "Rows", 5)))
    assert "bytes more than Rows (0028,0010)" in text


def test_single_slice_is_refused(tmp_path: Path) -> None:
    assert "only slice" in refusal(write_series(tmp_path, n=1))


def test_file_cut_within_its_pixels_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    victim = sorted(tmp_path.iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:-20])
    text = refusal(tmp_path)
    assert victim.name in text
    assert "PixelData (7FE0,0010)" in text


def test_file_cut_within_its_header_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    victim = sorted(tmp_path.iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:300])
    series, skipped = find_series(tmp_path)
    assert [item.path for item in skipped] == [victim]
    with pytest.raises(DicomError, match=victim.name):
        read_volume(series[0])
