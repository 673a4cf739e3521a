"""Pixels that the header does not describe are refused (PS3.5 8.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import refusal, write_series

from petct.dicom.headers import find_series
from petct.dicom.pixel_check import check_files
from petct.errors import DicomError
from petct.suv import read_suv


def smooth(ds, k):
    """A hot spot above 32767 on a warm background: unsigned, as several vendors write."""
    y, x = np.mgrid[:6, :5]
    ds.PixelData = (60000 * np.exp(-((y - 3) ** 2 + (x - 2) ** 2) / 6)).astype("<u2").tobytes()


def test_high_bit_that_is_not_the_last_stored_bit(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.BitsStored, ds.HighBit = 12, 15

    write_series(tmp_path, edit=edit)
    assert "HighBit (0028,0102) is 15, and BitsStored (0028,0101) is 12; it must be 11" in refusal(tmp_path)
    with pytest.raises(DicomError, match="HighBit"):  # `inspect` says so too
        check_files(find_series(tmp_path)[0][0])


def test_values_that_need_more_bits_than_are_stored(tmp_path: Path) -> None:
    """pydicom would cut them: 4096 becomes 0."""

    def edit(ds, k):
        smooth(ds, k)
        ds.BitsStored, ds.HighBit = 12, 11

    write_series(tmp_path, edit=edit)
    assert "BitsStored (0028,0101) is 12, and" in refusal(tmp_path)


def test_unsigned_values_declared_signed(tmp_path: Path) -> None:
    write_series(tmp_path / "right", edit=smooth)
    right, _ = read_suv(find_series(tmp_path / "right")[0][0])
    assert right.array.min() >= 0

    def edit(ds, k):
        smooth(ds, k)
        ds.PixelRepresentation = 1

    write_series(tmp_path / "wrong", edit=edit)
    assert "PixelRepresentation (0028,0103) is 1" in refusal(tmp_path / "wrong")


def test_signed_values_declared_unsigned(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.PixelData = (np.arange(30) - 5).astype("<i2").tobytes()

    write_series(tmp_path, edit=edit)
    assert "PixelRepresentation (0028,0103) is 0" in refusal(tmp_path)
