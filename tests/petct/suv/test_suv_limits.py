"""What a header or a user may say (DESIGN section 7), and what the user's own values do. 70 kg, 350 MBq: 2e-4 g/Bq."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from petct.errors import SuvError
from petct.suv import Overrides, PetHeader, SliceTiming, SuvFactor, suv_bw_factor

REFERENCE = datetime(2024, 1, 31, 11, 0, 0)


ADMIN = PetHeader(
    source="/pet",
    units="BQML",
    decay_correction="ADMIN",
    corrected_image=("ATTN", "DECY"),
    patient_weight=70,
    patient_size=1.75,
    patient_sex="M",
    radiopharmaceutical="FDG",
    nuclide="F-18",
    total_dose=350e6,
    half_life_s=6588.0,
    injection_datetime=REFERENCE - timedelta(hours=1),
    series_datetime=REFERENCE,
    slices=(SliceTiming(REFERENCE), SliceTiming(REFERENCE + timedelta(minutes=3))),
)


START = replace(ADMIN, decay_correction="START")


GML = replace(ADMIN, units="GML")


def refusal(header: PetHeader, **overrides) -> str:
    with pytest.raises(SuvError) as caught:
        suv_bw_factor(header, Overrides(**overrides))
    return str(caught.value)


def unusual(header: PetHeader, **overrides) -> SuvFactor:
    suv = suv_bw_factor(header, Overrides(**overrides, allow_unusual=True))
    assert suv.overrides["allow_unusual"] is True
    assert any("--allow-unusual" in text for text in suv.warnings)
    return suv


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"dose_bq": 223000000 * 1e6}, ["--dose-mbq, a number in MBq,", "2.23e+14 Bq", "1e+07 to 5e+09 Bq"]),
        ({"dose_bq": 8.65e6}, ["--dose-mbq", "8.65e+06 Bq", "possible is 1e+07"]),
        ({"dose_bq": 12e6}, ["12 MBq over the weight 70 kg", "200000 to 3e+07 Bq/kg"]),
        ({"weight_kg": 0.07}, ["--weight-kg is 0.07 kg", "2.5 to 400 kg"]),
        ({"weight_kg": 7000.0}, ["--weight-kg is 7000 kg"]),
    ],
)
def test_a_users_values_are_held_to_the_limits(overrides: dict, words: list[str]) -> None:
    text = refusal(ADMIN, **overrides)
    for word in ["/pet", "--allow-unusual", *words]:
        assert word in text
    suv = unusual(ADMIN, **overrides)
    weight, dose = overrides.get("weight_kg", 70), overrides.get("dose_bq", 350e6)
    assert suv.single_factor == pytest.approx(weight * 1000 / dose, rel=1e-12)


@pytest.mark.parametrize(
    "changes", [{"total_dose": 9.9e6}, {"total_dose": 6e9}, {"patient_weight": 401}, {"patient_weight": 2.4}]
)
def test_so_are_the_headers(changes: dict) -> None:
    assert "--allow-unusual" in refusal(replace(ADMIN, **changes))
    unusual(replace(ADMIN, **changes))


def test_limits_themselves_are_possible() -> None:
    for kg, bq in ((2.5, 1e7), (400.0, 5e9), (50.0, 1e7), (100.0, 3e9)):
        suv_bw_factor(replace(ADMIN, patient_weight=kg, total_dose=bq))


def test_a_unit_in_doubt_is_not_a_limit() -> None:
    """10 may be MBq or mCi: nothing lifts that."""
    assert "nobody knows" in refusal(replace(ADMIN, total_dose=10.0), allow_unusual=True)


def test_what_was_replaced_is_said() -> None:
    suv = suv_bw_factor(START, Overrides(weight_kg=80.0, dose_bq=3e8, injection_time=time(10, 5)))
    said = "\n".join(suv.warnings)
    assert "PatientWeight (0010,1030) is 70 in the header; --weight-kg 80 was used instead." in said
    assert "RadionuclideTotalDose (0018,1074) is 3.5e+08 in the header; --dose-mbq 3e+08" in said
    assert "RadiopharmaceuticalStartDateTime (0018,1078) is 2024-01-31T10:00:00 in the header" in said
    missing = suv_bw_factor(replace(ADMIN, patient_weight=None), Overrides(weight_kg=80.0))
    assert any("is missing in the header" in text for text in missing.warnings)


@pytest.mark.parametrize(
    ("header", "overrides", "option"),
    [
        (GML, {"weight_kg": 70.0}, "--weight-kg"),
        (GML, {"dose_bq": 3e8}, "--dose-mbq"),
        (replace(GML, suv_type="LBM"), {"dose_bq": 3e8}, "--dose-mbq"),
        (ADMIN, {"injection_time": time(10, 0)}, "--injection-time"),
        (replace(ADMIN, units="CNTS", philips_suv_factor=1e-3), {"weight_kg": 70.0}, "--weight-kg"),
    ],
)
def test_a_value_that_the_rule_does_not_use_is_refused(
    header: PetHeader, overrides: dict, option: str
) -> None:
    text = refusal(header, **overrides)
    assert f"{option} was given, and the rule in use does not need it" in text


@pytest.mark.parametrize(
    ("minutes", "refused", "warned"), [(0.5, False, False), (9, False, True), (30, True, True)]
)
def test_series_time_long_before_the_first_slice(minutes: float, refused: bool, warned: bool) -> None:
    """The last resort for the reference time; 30 min before the first slice is 17 % of the SUV."""
    header = replace(START, series_datetime=REFERENCE - timedelta(minutes=minutes))
    if refused:
        text = refusal(header)
        assert "SeriesTime" in text
        assert "1800 s; possible is 0 to 600 s" in text
        unusual(header)
        return
    suv = suv_bw_factor(header)
    assert suv.reference_time == header.series_datetime
    assert any("before the first acquisition; it was used" in text for text in suv.warnings) is warned


def test_uptake_above_six_hours() -> None:
    header = replace(START, injection_datetime=REFERENCE - timedelta(hours=7))
    assert "--allow-unusual" in refusal(header)
    suv = unusual(header)
    assert suv.single_factor == pytest.approx(2e-4 * 2 ** (7 * 3600 / 6588), rel=1e-9)
    before = replace(START, injection_datetime=REFERENCE + timedelta(hours=1))
    assert "-1.00 h apart" in refusal(before, allow_unusual=True)  # nobody is scanned before the injection
