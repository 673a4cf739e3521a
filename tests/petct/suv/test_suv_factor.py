"""Every row of the SUV table. Round numbers: 70 kg, 350 MBq, one half-life of 6588 s: 70000 / 175e6 = 4e-4 g/Bq."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suv_headers import BEDS, FRAME_S, HALF_LIFE_S, INJECTION, REFERENCE, SHIFTED, START, factor, refused

from petct.errors import SuvError
from petct.suv import Overrides, PetHeader, suv_bw_factor

# -- decay correction ------------------------------------------------------------------------------------------


def test_start_is_one_half_life_later() -> None:
    suv = suv_bw_factor(START)
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert suv.injection_time == INJECTION
    assert abs((suv.reference_time - REFERENCE).total_seconds()) < 1e-3
    assert suv.rule == "BQML, START: reference time computed back from every frame; injection by (0018,1078)"
    assert suv.warnings == ("Uptake time 110 min, outside the recommended 55 to 75 min.",)


def test_admin_does_not_decay() -> None:
    suv = suv_bw_factor(replace(START, decay_correction="ADMIN"))
    assert suv.single_factor == pytest.approx(2e-4, rel=1e-12)
    assert suv.reference_time == INJECTION


def test_none_takes_each_slice_by_its_own_frame() -> None:
    header = replace(START, decay_correction="NONE", corrected_image=("ATTN",))
    rate = math.log(2) / HALF_LIFE_S
    frame = rate * FRAME_S / (1 - math.exp(-rate * FRAME_S))
    expected = [2e-4 * frame * math.exp(rate * (HALF_LIFE_S + 150 * bed)) for bed in range(3)]
    assert suv_bw_factor(header).factor == pytest.approx(expected, rel=1e-12)
    assert suv_bw_factor(replace(header, slices=BEDS[:1] * 2)).single_factor == pytest.approx(expected[0])


def test_none_with_decy_is_worth_a_warning() -> None:
    found = suv_bw_factor(replace(START, decay_correction="NONE"))
    assert any("DECY" in w and "too high" in w for w in found.warnings)
    silent = suv_bw_factor(replace(START, decay_correction="NONE", corrected_image=("ATTN",)))
    assert found.factor == silent.factor
    assert not any("DECY" in w for w in silent.warnings)


@pytest.mark.parametrize("value", [None, "", "MAYBE"])
def test_decay_correction_missing_where_it_is_used(value: str | None) -> None:
    refused(replace(START, decay_correction=value or None), "DecayCorrection (0054,1102)")


def test_decy_missing_is_worth_a_warning() -> None:
    assert any("DECY" in w for w in suv_bw_factor(replace(START, corrected_image=("ATTN",))).warnings)


# -- units -----------------------------------------------------------------------------------------------------


def test_gml_needs_nothing() -> None:
    assert factor(PetHeader(source="/pet", units="GML")) == 1.0
    assert factor(PetHeader(source="/pet", units="GML", suv_type="BW")) == 1.0


@pytest.mark.parametrize(
    ("suv_type", "sex", "mass_kg"),
    [
        ("LBM", "M", 1.10 * 70 - 120 * 0.16),
        ("LBM", "F", 1.07 * 70 - 148 * 0.16),
        ("LBMJAMES128", "M", 1.10 * 70 - 128 * 0.16),
        ("LBMJAMES128", "F", 1.07 * 70 - 148 * 0.16),
        ("LBMJANMA", "M", 9270 * 70 / (6680 + 216 * 70 / 1.75**2)),
        ("LBMJANMA", "F", 9270 * 70 / (8780 + 244 * 70 / 1.75**2)),
        ("IBW", "M", 48.0 + 1.06 * 23),
        ("IBW", "F", 45.5 + 0.91 * 23),
        ("IBW", "O", (48.0 + 1.06 * 23 + 45.5 + 0.91 * 23) / 2),
    ],
)
def test_gml_of_another_mass_is_brought_to_body_weight(suv_type: str, sex: str, mass_kg: float) -> None:
    """70 kg, 175 cm: (W/H)^2 = 0.16."""
    header = replace(START, units="GML", suv_type=suv_type, patient_sex=sex)
    assert factor(header) == pytest.approx(70 / mass_kg, rel=1e-12)


def test_cm2ml_by_du_bois() -> None:
    surface_m2 = 0.007184 * 70**0.425 * 175**0.725
    assert factor(replace(START, units="CM2ML")) == pytest.approx(70e3 / (surface_m2 * 1e4), rel=1e-12)


@pytest.mark.parametrize(
    ("units", "suv_type", "words"),
    [
        ("GML", "BSA", ("SUVType (0054,1006) is BSA",)),
        ("GML", "SUV", ("SUVType (0054,1006) is SUV",)),
        ("CM2ML", "BW", ("SUVType (0054,1006) is BW",)),
        ("PROPCNTS", None, ("Units (0054,1001) is PROPCNTS",)),
        ("CPS", None, ("Units (0054,1001) is CPS",)),
        ("CNTS", None, ("(7053,1000)", "(7053,1009)")),
        (None, None, ("Units (0054,1001) is missing",)),
    ],
)
def test_units_that_are_not_suv(units: str | None, suv_type: str | None, words: tuple[str, ...]) -> None:
    refused(replace(START, units=units, suv_type=suv_type), *words)


@pytest.mark.parametrize("field", ["patient_weight", "patient_size", "patient_sex"])
def test_other_suv_types_need_weight_height_and_sex(field: str) -> None:
    refused(replace(START, units="GML", suv_type="LBM", **{field: None}), "is missing")


def test_philips_suv_factor_is_all() -> None:
    assert factor(PetHeader(source="/pet", units="CNTS", philips_suv_factor=0.03)) == 0.03


def test_philips_activity_factor_goes_on_as_bqml() -> None:
    header = replace(START, units="CNTS", philips_suv_factor=0.0, philips_activity_factor=2.5)
    assert factor(header) == pytest.approx(2.5 * 4e-4, rel=1e-9)


@pytest.mark.parametrize(
    ("suv_scale", "activity_scale"), [(0.0, 0.0), (None, 0.0), (-1.0, None), (None, -1.0)]
)
def test_philips_without_a_factor(suv_scale: float | None, activity_scale: float | None) -> None:
    header = replace(
        START, units="CNTS", philips_suv_factor=suv_scale, philips_activity_factor=activity_scale
    )
    refused(header, "(7053,")


# -- tracer ----------------------------------------------------------------------------------------------------


def test_only_what_the_rule_needs_is_judged() -> None:
    """Sentences about unusable values are raised when a rule asks for the value, not before."""
    broken = {
        name: f"/pet: {name} is broken" for name in ("patient_size", "injection_time", "philips_suv_factor")
    }
    assert factor(replace(START, unusable=broken)) == pytest.approx(4e-4, rel=1e-9)
    assert factor(PetHeader(source="/pet", units="GML", unusable={"patient_weight": "x"})) == 1.0
    refused(replace(START, unusable={"patient_weight": "/pet: broken weight"}), "broken weight")


# -- a user's own values ---------------------------------------------------------------------------------------


def test_overrides_replace_the_header_and_are_recorded() -> None:
    suv = suv_bw_factor(
        replace(START, patient_weight=None, total_dose=None, injection_datetime=None),
        Overrides(weight_kg=70, dose_bq=350e6, injection_time=time(10, 0)),
    )
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert suv.overrides == {"weight_kg": 70, "dose_bq": 350e6, "injection_time": "10:00:00"}
    assert "injection by the user" in suv.rule


def test_override_with_a_date() -> None:
    assert factor(SHIFTED, injection_time=INJECTION) == pytest.approx(4e-4, rel=1e-9)


@pytest.mark.parametrize("values", [{"weight_kg": 0}, {"dose_bq": -1}, {"weight_kg": math.nan}])
def test_impossible_overrides(values: dict) -> None:
    with pytest.raises(SuvError, match="must be above 0"):
        Overrides(**values)


# -- laws ------------------------------------------------------------------------------------------------------


@given(
    weight=st.floats(30, 200),
    dose_mbq=st.floats(100, 700),
    uptake_s=st.floats(0, 6 * 3600 - 1),
)
def test_factor_is_weight_over_decayed_dose(weight: float, dose_mbq: float, uptake_s: float) -> None:
    header = replace(
        START,
        patient_weight=weight,
        total_dose=dose_mbq * 1e6,
        ge_reference=REFERENCE,
        injection_datetime=REFERENCE - timedelta(seconds=uptake_s),
    )
    expected = weight * 1000 / (dose_mbq * 1e6) * 2 ** (uptake_s / HALF_LIFE_S)
    assert factor(header) == pytest.approx(expected, rel=1e-8)
    assert factor(header, weight_kg=2 * weight) == pytest.approx(2 * expected, rel=1e-8)
