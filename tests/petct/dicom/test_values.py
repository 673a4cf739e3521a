"""Numbers, times and names as DICOM writes them (PS3.5 6.2)."""

from __future__ import annotations

import pydicom
import pytest

from petct.dicom.values import parse_number, tag_name, tag_values


def test_names_and_values() -> None:
    assert tag_name("PatientWeight") == "PatientWeight (0010,1030)"
    ds = pydicom.Dataset()
    assert tag_values(ds, "ImageType") == ()
    ds.ImageType = "original"
    assert tag_values(ds, "ImageType") == ("ORIGINAL",)
    ds.ImageType = "a\nb" + "c" * 100
    assert tag_values(ds, "ImageType") == ("A?B" + "C" * 61,)
    ds.ImageType = ["Derived", "Secondary"]
    assert tag_values(ds, "ImageType") == ("DERIVED", "SECONDARY")


@pytest.mark.parametrize(("text", "number"), [("70", 70), ("+7.0E1", 70), (".5", 0.5), ("-1e-3", -1e-3)])
def test_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", "70kg", "70,5", "1e999", "70\\71", "７０"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_number(text)
