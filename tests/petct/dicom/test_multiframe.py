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
