"""DICOM bytes to plain header values: private blocks, wrong VRs, broken text. Truth: PS3.5 6.2 and 7.8."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path

import pytest
from dicom_files import FACTOR, injected, write_series
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from petct.dicom.headers import find_series
from petct.dicom.reading import read_dataset
from petct.errors import SuvError
from petct.suv import PetHeader, parse_pet_header, read_suv
from petct.suv.parse import nuclide_name, parse_date, parse_datetime, parse_time


def header(folder: Path, edit=None) -> PetHeader:
    paths = sorted(write_series(folder, edit=edit).iterdir())
    return parse_pet_header([read_dataset(path) for path in paths], "/pet")


def test_plain_header(tmp_path: Path) -> None:
    h = header(tmp_path)
    assert (h.units, h.decay_correction, h.patient_weight, h.total_dose) == ("BQML", "START", 70, 350e6)
    assert (h.nuclide, h.half_life_s, h.radiopharmaceutical) == ("F-18", 6588, "FDG")
    assert h.injection_datetime == datetime(2024, 1, 31, 10)
    assert h.injection_time == time(10)
    assert h.series_datetime == h.slices[0].acquisition == datetime(2024, 1, 31, 11, 49, 48)
    assert h.slices[0].frame_duration_s == 120
    assert h.corrected_image == ("ATTN", "DECY", "SCAT")
    assert h.unusable == {}


def test_file_to_suv(tmp_path: Path) -> None:
    image, suv = read_suv(find_series(write_series(tmp_path))[0][0])
    assert suv.single_factor == pytest.approx(FACTOR, rel=1e-9)
    assert image.array.max() == pytest.approx(120 * 2.5 * FACTOR, rel=1e-6)


def private(
    ds: Dataset, group: int, creator: str | None, element: int, vr: str, value: object, block: int = 0x10
):
    if creator:
        ds.add(DataElement((group, block), "LO", creator))
    ds.add(DataElement((group, block << 8 | element), vr, value))


@pytest.mark.parametrize("block", [0x10, 0x11, 0x20])
@pytest.mark.parametrize(("vr", "value"), [("DS", "0.5"), ("UN", b"0.5 "), ("LO", "0.5"), ("FD", 0.5)])
def test_philips_block_is_found_by_its_creator(tmp_path: Path, block: int, vr: str, value: object) -> None:
    def edit(ds, k):
        private(ds, 0x7053, "Philips PET Private Group", 0x00, vr, value, block)

    assert header(tmp_path, edit).philips_suv_factor == 0.5


def test_block_of_another_owner_is_left_alone(tmp_path: Path) -> None:
    def edit(ds, k):
        private(ds, 0x7053, "SOMEBODY ELSE", 0x00, "DS", "0.5")

    assert header(tmp_path, edit).philips_suv_factor is None


def test_block_whose_creator_was_dropped(tmp_path: Path) -> None:
    """As the public reference objects have it; GE's group only in a file of GE."""

    def edit(ds, k):
        private(ds, 0x7053, None, 0x09, "DS", "0.5")
        private(ds, 0x0009, None, 0x0D, "DT", "20240131114948")

    assert header(tmp_path / "a", edit).philips_activity_factor == 0.5
    assert header(tmp_path / "a", edit).ge_reference is None
    ge = header(
        tmp_path / "b", lambda ds, k: (edit(ds, k), setattr(ds, "Manufacturer", "GE MEDICAL SYSTEMS"))
    )
    assert ge.ge_reference == datetime(2024, 1, 31, 11, 49, 48)


@pytest.mark.parametrize(("vr", "value"), [("DT", "20240131114948.00"), ("UN", b"20240131114948.00\0")])
def test_ge_times_in_any_vr(tmp_path: Path, vr: str, value: object) -> None:
    def edit(ds, k):
        private(ds, 0x0009, "GEMS_PETD_01", 0x0D, vr, value, 0x12)
        private(ds, 0x0009, "GEMS_PETD_01", 0x3B, vr, value, 0x12)

    h = header(tmp_path, edit)
    assert h.ge_reference == h.ge_injection == datetime(2024, 1, 31, 11, 49, 48)


def test_values_that_differ_between_slices(tmp_path: Path) -> None:
    def edit(ds, k):
        if k == 2:
            ds.PatientWeight = "71"
            injected(ds).RadionuclideTotalDose = "3.5e8"  # the same number, written otherwise

    h = header(tmp_path, edit)
    assert set(h.unusable) == {"patient_weight"}
    assert "not the same in all slices: '70' in 003_1_PT and '71' in 017_1_PT" in h.unusable["patient_weight"]
    with pytest.raises(SuvError, match="PatientWeight"):
        read_suv(find_series(tmp_path)[0][0])


@pytest.mark.parametrize("items", [0, 2])
def test_injection_sequence_without_its_one_item(tmp_path: Path, items: int) -> None:
    def edit(ds, k):
        ds.RadiopharmaceuticalInformationSequence = [injected(ds)] * items

    write_series(tmp_path, edit=edit)
    with pytest.raises(SuvError, match=r"RadionuclideTotalDose \(0018,1074\)"):
        read_suv(find_series(tmp_path)[0][0])


def test_utc_offset_is_applied_when_the_file_names_its_own(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.TimezoneOffsetFromUTC = "+0100"
        injected(ds).RadiopharmaceuticalStartDateTime = "20240131090000+0000"

    assert header(tmp_path, edit).injection_datetime == datetime(2024, 1, 31, 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1035", time(10, 35)), ("103512", time(10, 35, 12)), ("103512.25", time(10, 35, 12, 250000)),
     ("10:35:12", time(10, 35, 12))],
)  # fmt: skip
def test_times(text: str, expected: time) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "103", "10351", "2460", "250000", "1035121", "103560", "10.5", "-1000", "１０３５"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time(text)


def test_dates() -> None:
    assert parse_date("20240131") == parse_date("2024.01.31") == datetime(2024, 1, 31).date()
    for text in ("20241301", "20230229", "00010101", "240131", ""):
        with pytest.raises(ValueError, match="not a date|day is out of range|month must be"):
            parse_date(text)


def test_date_times() -> None:
    assert parse_datetime("202401311035") == datetime(2024, 1, 31, 10, 35)
    assert parse_datetime("20240131103500.5+0100", "+0200") == datetime(2024, 1, 31, 11, 35, 0, 500000)
    assert parse_datetime("20240131103500+0000", None, time(10, 35)) == datetime(2024, 1, 31, 10, 35)
    for clock in (None, time(11, 35)):
        with pytest.raises(ValueError, match=r"TimezoneOffsetFromUTC \(0008,0201\)"):
            parse_datetime("20240131103500+0000", None, clock)
    for text in ("20240131", "2024013110", "20240131 1035"):
        with pytest.raises(ValueError, match="not a date and time|not a time"):
            parse_datetime(text)


def test_offset_of_the_injection_without_a_clock_for_the_others(tmp_path: Path) -> None:
    """10:00 UTC on a scanner that runs at +0100 is 11:00: one hour of uptake, 46 % of the SUV."""

    def edit(ds, k):
        injected(ds).RadiopharmaceuticalStartDateTime = "20240131100000+0000"
        del injected(ds).RadiopharmaceuticalStartTime

    write_series(tmp_path / "none", edit=edit)
    with pytest.raises(SuvError, match=r"StartDateTime \(0018,1078\).*TimezoneOffsetFromUTC \(0008,0201\)"):
        read_suv(find_series(tmp_path / "none")[0][0])

    def named(ds, k):
        edit(ds, k)
        ds.TimezoneOffsetFromUTC = "+0000"

    _, suv = read_suv(find_series(write_series(tmp_path / "named", edit=named))[0][0])
    assert suv.single_factor == pytest.approx(FACTOR, rel=1e-9)


@pytest.mark.parametrize("tag", [0x0D, 0x3B])
def test_offset_of_a_private_time_is_applied(tmp_path: Path, tag: int) -> None:
    def edit(ds, k):
        ds.TimezoneOffsetFromUTC = "+0100"
        private(ds, 0x0009, "GEMS_PETD_01", tag, "DT", "20240131101500+0000")

    found = header(tmp_path, edit)
    assert (found.ge_reference or found.ge_injection) == datetime(2024, 1, 31, 11, 15)


@pytest.mark.parametrize(
    ("text", "name"),
    [("^18^Fluorine", "F-18"), ("18F", "F-18"), ("F^18^", "F-18"), ("Fluorine-18", "F-18"), ("C-111A1", "F-18"),
     ("^68^Gallium", "Ga-68"), ("^99m^Technetium", "Tc-99m"), ("99mTc", "Tc-99m"), ("^11^Carbon", "C-11"),
     ("I-123", "I-123"), ("unknown", "unknown")],
)  # fmt: skip
def test_nuclides(text: str, name: str) -> None:
    assert nuclide_name(text) == name


def test_values_that_no_patient_has_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "RescaleSlope", "1e9"))
    with pytest.raises(SuvError, match=r"which no SUV is .*RescaleSlope \(0028,1053\)"):
        read_suv(find_series(tmp_path)[0][0])


def test_odd_maximum_is_mentioned(tmp_path: Path) -> None:
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "RescaleSlope", "1"))  # at most 120 * 4e-4
    assert any("highest SUV" in warning for warning in read_suv(find_series(tmp_path)[0][0])[1].warnings)
