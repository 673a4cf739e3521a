"""Every slice is judged, not the first alone. Truth: one slice of a series is given another value."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import injected, refusal, write_series

from petct.dicom.headers import find_series
from petct.suv import read_suv

IDENTITY = {"PatientName": "Other^Name", "PatientSex": "F", "PatientBirthDate": "19600101"}
OTHERS = {
    "CorrectedImage": ["DECY", "SCAT"],
    "SeriesType": ["DYNAMIC", "IMAGE"],
    "ImageType": ["DERIVED", "SECONDARY", "MIP"],
    "Units": "CNTS",
    "DecayCorrection": "ADMIN",
    "SUVType": "LBM",
    "SeriesNumber": 4,
    "PixelRepresentation": 1,
}


@pytest.mark.parametrize("odd", [0, 3])
@pytest.mark.parametrize(("keyword", "value"), [*IDENTITY.items(), *OTHERS.items()])
def test_one_slice_of_another_kind(tmp_path: Path, keyword: str, value: object, odd: int) -> None:
    def edit(ds, k):
        if k == odd:
            setattr(ds, keyword, value)

    write_series(tmp_path, edit=edit)
    series = find_series(tmp_path)[0][0]
    (conflict,) = series.conflicts
    assert keyword in conflict
    assert str(tmp_path) in conflict
    shown = value if isinstance(value, str) else ""
    assert (shown in conflict) is (keyword in OTHERS)  # nobody's name reaches a log


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientWeight", "71"), ("SeriesTime", "110000"), ("RadionuclideTotalDose", "351000000")],
)
def test_what_the_rule_uses_is_compared_too(tmp_path: Path, keyword: str, value: str) -> None:
    def edit(ds, k):
        if k == 2:
            setattr(injected(ds) if keyword.startswith("Radio") else ds, keyword, value)
        if keyword == "SeriesTime":  # only then is it asked for
            del ds.FrameReferenceTime

    write_series(tmp_path, edit=edit)
    text = refusal(tmp_path)
    assert "not the same in all slices" in text
    assert value in text
    assert "017_1_PT" in text  # slice 2


def test_padding_and_order_are_no_difference(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.CorrectedImage = ["DECY", "ATTN", "SCAT"][:: 1 if k else -1]
        ds.PatientName = "Hidden^Name" + "^" * k

    write_series(tmp_path, edit=edit)
    assert find_series(tmp_path)[0][0].conflicts == ()


def swapped(ds, k):
    ds.InstanceNumber, ds.SliceLocation = k + 1, f"{3.0 * k}"
    z = {1: 2, 2: 1}.get(k, k)
    ds.ImagePositionPatient = [-10.0, -20.0, 3.0 * z]


def test_two_swapped_positions_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, n=6, edit=swapped)
    text = refusal(tmp_path)
    assert "InstanceNumber (0020,0013)" in text
    assert "SliceLocation (0020,1041)" in text


@pytest.mark.parametrize("keyword", ["InstanceNumber", "SliceLocation"])
def test_one_witness_against_the_positions_is_a_warning(tmp_path: Path, keyword: str) -> None:
    def edit(ds, k):
        swapped(ds, k)
        delattr(ds, keyword)

    write_series(tmp_path, n=6, edit=edit)
    _, suv = read_suv(find_series(tmp_path)[0][0])
    assert any("does not follow ImagePositionPatient" in text for text in suv.warnings)


@pytest.mark.parametrize("step", [1, -1])
def test_numbers_in_either_direction_are_fine(tmp_path: Path, step: int) -> None:
    def edit(ds, k):
        ds.InstanceNumber, ds.SliceLocation = 50 + step * k, f"{-3.0 * step * k}"

    write_series(tmp_path, n=6, edit=edit)
    _, suv = read_suv(find_series(tmp_path)[0][0])
    assert not any("follow" in text for text in suv.warnings)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "ImagePositionPatient", "PatientWeight"])
def test_underscores_are_no_digits(tmp_path: Path, keyword: str) -> None:
    """Python reads 1_0 as 10; DICOM knows no such number."""

    def edit(ds, k):
        if k == 1:
            setattr(ds, keyword, "1")  # short text, replaced below

    write_series(tmp_path, edit=edit if keyword == "RescaleSlope" else None)
    old = {
        "RescaleSlope": b"DS\x02\x001 ",
        "ImagePositionPatient": b"-10.0\\-20.0\\3.0",
        "PatientWeight": b"DS\x02\x0070",
    }
    new = {
        "RescaleSlope": b"DS\x04\x001_0 ",
        "ImagePositionPatient": b"-1_0.\\-20.0\\3.0",
        "PatientWeight": b"DS\x04\x007_0 ",
    }
    tag = {"RescaleSlope": b"\x28\x00\x53\x10", "PatientWeight": b"\x10\x00\x30\x10"}.get(keyword, b"")
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        path.write_bytes(data.replace(tag + old[keyword], tag + new[keyword]))
    assert "_0" in b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode("latin-1")
    text = refusal(tmp_path)
    assert keyword in text
