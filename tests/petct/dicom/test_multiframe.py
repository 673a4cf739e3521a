"""Converted multi-frame PET reads as its slices do. Conversion by highdicom, an independent writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import FACTOR, expected_values, uid, write_series
from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedPETImage

from petct.dicom.headers import find_series
from petct.dicom.pixel_check import check_files
from petct.dicom.selection import select_one_study
from petct.dicom.volume import read_volume
from petct.errors import DicomError
from petct.suv import read_suv

NEEDED = (
    "PatientBirthDate",
    "AccessionNumber",
    "ReferringPhysicianName",
    "Laterality",
    "PositionReferenceIndicator",
)


def complete(ds: pydicom.Dataset, k: int) -> None:
    """What a conversion asks of its sources beyond a plain slice."""
    for keyword in NEEDED:
        setattr(ds, keyword, "")
    ds.StudyID = ds.DeviceSerialNumber = ds.SoftwareVersions = ds.ManufacturerModelName = (
        ds.SeriesDescription
    ) = "1"
    ds.PatientSex, ds.InstanceNumber, ds.SliceThickness = "M", k + 1, "3"
    ds.StudyDate = ds.ContentDate = "20240131"
    ds.StudyTime = ds.ContentTime = "110000"


def convert(folder: Path, out: Path, kind: type, series: str) -> Path:
    sources = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    out.mkdir(parents=True, exist_ok=True)
    kind(sources, uid("P1", "S1", series), 5, uid(series, "instance"), 1).save_as(out / "file")
    return out


def test_converted_pet_is_the_same_suv_image(tmp_path: Path) -> None:
    write_series(tmp_path / "slices", n=5, edit=complete)
    convert(tmp_path / "slices", tmp_path / "converted", LegacyConvertedEnhancedPETImage, "9")
    series = find_series(tmp_path / "converted")[0]
    assert [len(s.instances) for s in series] == [5]
    assert len(series[0].files) == 1
    image, suv = read_suv(select_one_study(series, tmp_path).require_pet())
    assert suv.single_factor == pytest.approx(FACTOR, rel=1e-9)
    np.testing.assert_allclose(image.array, expected_values(5) * FACTOR, rtol=1e-6)
    plain, _ = read_suv(find_series(tmp_path / "slices")[0][0])
    assert image.geometry.same_grid(plain.geometry)
    check_files(series[0])
    path = series[0].files[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DicomError, match="has 299 of 300 bytes"):
        check_files(series[0])


def test_converted_ct_goes_with_converted_pet(tmp_path: Path) -> None:
    write_series(tmp_path / "p", edit=complete)
    write_series(tmp_path / "c", "CT", series="2", edit=complete)
    convert(tmp_path / "p", tmp_path / "out" / "p", LegacyConvertedEnhancedPETImage, "9")
    convert(tmp_path / "c", tmp_path / "out" / "c", LegacyConvertedEnhancedCTImage, "8")
    selection = select_one_study(find_series(tmp_path / "out")[0], tmp_path)
    assert selection.ct is not None
    ct, _ = read_volume(selection.ct)
    plain, _ = read_volume(find_series(tmp_path / "c")[0][0])
    np.testing.assert_array_equal(ct.array, plain.array)


def test_converted_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "p", edit=complete)
    path = convert(tmp_path / "p", tmp_path / "out", LegacyConvertedEnhancedPETImage, "9") / "file"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DicomError, match=r"PixelData \(7FE0,0010\)"):
        read_suv(find_series(tmp_path / "out")[0][0])


def test_functional_groups_missing_is_a_damaged_file(tmp_path: Path) -> None:
    write_series(tmp_path / "p", edit=complete)
    path = convert(tmp_path / "p", tmp_path / "out", LegacyConvertedEnhancedPETImage, "9") / "file"
    ds = pydicom.dcmread(path)
    del ds.SharedFunctionalGroupsSequence
    ds.save_as(path)
    series, skipped = find_series(tmp_path / "out")
    assert series == []
    assert skipped[0].damaged


# -- files whose frames cannot be told apart -------------------------------------------------------------------


def broken(tmp_path: Path, change) -> str:
    """What is said of a converted PET that `change` broke, read as every command does."""
    write_series(tmp_path / "p", n=5, edit=complete)
    path = convert(tmp_path / "p", tmp_path / "out", LegacyConvertedEnhancedPETImage, "9") / "file"
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path)
    series, skipped = find_series(tmp_path / "out")
    if not series:
        return skipped[0].reason
    with pytest.raises(DicomError) as caught:
        read_suv(series[0])
    assert str(caught.value).startswith(str(path))
    with pytest.raises(DicomError):  # `inspect` reads the same header
        check_files(series[0])
    return str(caught.value)


def test_a_lost_frame_does_not_shift_the_slopes(tmp_path: Path) -> None:
    text = broken(tmp_path, lambda ds: ds.PerFrameFunctionalGroupsSequence.pop(1))
    assert "PerFrameFunctionalGroupsSequence (5200,9230) has 4 items" in text


def test_a_lost_slope_of_one_frame(tmp_path: Path) -> None:
    def change(ds):
        del ds.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence

    text = broken(tmp_path, change)
    assert "is missing in the functional groups of frame 3" in text


def test_a_left_over_slope_of_the_whole_file(tmp_path: Path) -> None:
    text = broken(tmp_path, lambda ds: setattr(ds, "RescaleSlope", "0.22"))
    assert "RescaleSlope (0028,1053) stands twice, for all frames (0.22)" in text


def test_a_second_dose_above_the_groups(tmp_path: Path) -> None:
    def change(ds):
        injected = None
        for groups in ds.SharedFunctionalGroupsSequence:
            for element in groups:
                for item in element.value:
                    injected = item.get("RadiopharmaceuticalInformationSequence", injected)
        again = pydicom.Dataset.from_json(
            (injected or ds.RadiopharmaceuticalInformationSequence)[0].to_json()
        )
        again.RadionuclideTotalDose = "700000000"
        if injected is None:  # it stands in the file itself: the copy goes into the groups
            unassigned = pydicom.Dataset()
            unassigned.RadiopharmaceuticalInformationSequence = [again]
            ds.SharedFunctionalGroupsSequence[0].UnassignedSharedConvertedAttributesSequence = [unassigned]
        else:
            ds.RadiopharmaceuticalInformationSequence = [again]

    assert "RadiopharmaceuticalInformationSequence (0054,0016) stands twice" in broken(tmp_path, change)


@pytest.mark.parametrize("keyword", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_empty_functional_groups_do_not_stop_the_tree(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path / "good", series="2")
    write_series(tmp_path / "p", edit=complete)
    path = convert(tmp_path / "p", tmp_path / "out", LegacyConvertedEnhancedPETImage, "9") / "file"
    ds = pydicom.dcmread(path)
    setattr(ds, keyword, [])
    ds.save_as(path)
    series, skipped = find_series(tmp_path)
    assert f"{keyword} " in skipped[0].reason
    assert "has 0 items" in skipped[0].reason
    assert len(series) == 2
