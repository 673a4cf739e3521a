"""Every row of the SUV table. Round numbers: 70 kg, 350 MBq, one half-life of 6588 s: 70000 / 175e6 = 4e-4 g/Bq."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petct.errors import SuvError
from petct.suv import Overrides, PetHeader, SliceTiming, lean_body_mass_kg, sul_per_suv, suv_bw_factor
from petct.suv.times import mean_count_time_s

HALF_LIFE_S = 6588.0
REFERENCE = datetime(2024, 1, 31, 11, 49, 48)
INJECTION = REFERENCE - timedelta(seconds=HALF_LIFE_S)  # 10:00:00
FRAME_S = 120.0
TAVE_S = mean_count_time_s(FRAME_S, HALF_LIFE_S)
BEDS = tuple(
    SliceTiming(REFERENCE + timedelta(seconds=150 * bed), 150 * bed + TAVE_S, FRAME_S) for bed in range(3)
)
START = PetHeader(
    source="/pet",
    units="BQML",
    decay_correction="START",
    corrected_image=("ATTN", "DECY"),
    patient_weight=70,
    patient_size=1.75,
    patient_sex="M",
    radiopharmaceutical="FDG",
    nuclide="F-18",
    total_dose=350e6,
    half_life_s=HALF_LIFE_S,
    injection_datetime=INJECTION,
    series_datetime=REFERENCE,
    slices=BEDS,
)


def factor(header: PetHeader, **overrides) -> float:
    value = suv_bw_factor(header, Overrides(**overrides)).single_factor
    assert value is not None
    return value


def refused(header: PetHeader, *words: str, **overrides) -> None:
    with pytest.raises(SuvError) as caught:
        suv_bw_factor(header, Overrides(**overrides))
    for word in ("/pet", *words):
        assert word in str(caught.value)


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


# -- reference time --------------------------------------------------------------------------------------------


def test_ge_private_time_goes_first() -> None:
    suv = suv_bw_factor(replace(START, ge_reference=REFERENCE - timedelta(seconds=HALF_LIFE_S / 2)))
    assert suv.single_factor == pytest.approx(2e-4 * math.sqrt(2), rel=1e-12)
    assert "GE (0009,100D)" in suv.rule
    assert any("SeriesTime" in w for w in suv.warnings)


def test_back_computation_beats_a_series_time_written_by_later_processing() -> None:
    suv = suv_bw_factor(replace(START, series_datetime=REFERENCE + timedelta(hours=2)))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("7200 s" in w for w in suv.warnings)


def test_series_time_within_a_minute_is_not_mentioned() -> None:
    suv = suv_bw_factor(replace(START, series_datetime=REFERENCE + timedelta(seconds=59)))
    assert not any("SeriesTime" in w for w in suv.warnings)


@pytest.mark.parametrize(("spread_s", "rule"), [(10.0, "computed back"), (10.1, "by SeriesTime")])
def test_frames_that_disagree_by_more_than_ten_seconds_are_not_believed(spread_s: float, rule: str) -> None:
    late = replace(BEDS[2], frame_reference_s=BEDS[2].frame_reference_s + spread_s)
    assert rule in suv_bw_factor(replace(START, slices=(*BEDS[:2], late))).rule


def test_one_acquisition_time_for_all_beds_means_series_time() -> None:
    """As GE files with the first bed's AcquisitionTime everywhere: the frames spread over the scan."""
    slices = tuple(replace(s, acquisition=REFERENCE) for s in BEDS)
    suv = suv_bw_factor(replace(START, slices=slices))
    assert "by SeriesTime" in suv.rule
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-12)


def test_series_time_after_the_scan_means_earliest_acquisition() -> None:
    slices = tuple(replace(s, frame_reference_s=None) for s in BEDS)
    suv = suv_bw_factor(replace(START, slices=slices, series_datetime=REFERENCE + timedelta(hours=1)))
    assert suv.reference_time == REFERENCE
    assert "earliest AcquisitionTime" in suv.rule
    assert any("later than the first acquisition" in w for w in suv.warnings)


def test_frame_reference_time_of_zero_cannot_be_true() -> None:
    """It would put the reference a minute into the first frame; START is its beginning."""
    suv = suv_bw_factor(replace(START, slices=tuple(replace(s, frame_reference_s=0.0) for s in BEDS[:1])))
    assert "by SeriesTime" in suv.rule
    assert any("FrameReferenceTime (0054,1300)" in w for w in suv.warnings)
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-12)


def test_no_acquisition_time_is_refused() -> None:
    slices = tuple(replace(s, acquisition=None) for s in BEDS)
    refused(replace(START, slices=slices), "AcquisitionDate and AcquisitionTime (0008,0022), (0008,0032)")


# -- injection -------------------------------------------------------------------------------------------------


def clock_only(injection: time, **changes) -> PetHeader:
    return replace(START, injection_datetime=None, injection_time=injection, **changes)


def test_clock_time_goes_on_the_acquisition_date() -> None:
    assert factor(clock_only(time(10, 0))) == pytest.approx(4e-4, rel=1e-9)


def test_injection_before_midnight_scan_after() -> None:
    after = datetime(2024, 2, 1, 0, 49, 48)
    slices = tuple(replace(s, acquisition=s.acquisition - REFERENCE + after) for s in BEDS)
    suv = suv_bw_factor(clock_only(time(23, 0), slices=slices, series_datetime=after))
    assert suv.injection_time == datetime(2024, 1, 31, 23, 0)
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)


def test_date_and_time_win_over_the_clock_alone() -> None:
    suv = suv_bw_factor(replace(START, injection_time=time(9, 0)))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("(0018,1072)" in w for w in suv.warnings)


def test_no_injection_time_is_refused() -> None:
    refused(replace(START, injection_datetime=None), "(0018,1078)", "(0018,1072)", "--injection-time")


@pytest.mark.parametrize(("hours", "possible"), [(-0.001, False), (0, True), (6, True), (6.001, False)])
def test_uptake_from_zero_to_six_hours(hours: float, possible: bool) -> None:
    header = replace(START, ge_reference=REFERENCE, injection_datetime=REFERENCE - timedelta(hours=hours))
    if possible:
        assert factor(header) == pytest.approx(2e-4 * 2 ** (hours * 3600 / HALF_LIFE_S), rel=1e-12)
    else:
        refused(header, "h apart", "--injection-time")


@pytest.mark.parametrize(("minutes", "warned"), [(54.9, True), (55, False), (75, False), (75.1, True)])
def test_uptake_outside_the_recommended_window(minutes: float, warned: bool) -> None:
    header = replace(START, ge_reference=REFERENCE, injection_datetime=REFERENCE - timedelta(minutes=minutes))
    assert any("Uptake time" in w for w in suv_bw_factor(header).warnings) is warned


# -- dates shifted apart ---------------------------------------------------------------------------------------

SHIFTED = replace(START, injection_datetime=INJECTION - timedelta(days=400))


def test_shifted_dates_are_refused() -> None:
    refused(SHIFTED, "h apart")


def test_shifted_dates_with_the_whole_ge_pair_use_the_pair() -> None:
    pair = {"ge_reference": REFERENCE - timedelta(days=9), "ge_injection": INJECTION - timedelta(days=9)}
    suv = suv_bw_factor(replace(SHIFTED, **pair))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-12)
    assert suv.injection_time == pair["ge_injection"]
    assert any("contradict" in w for w in suv.warnings)


def test_shifted_ge_time_is_never_mixed_with_another_clock() -> None:
    refused(replace(START, ge_reference=REFERENCE - timedelta(days=9)), "h apart")


def test_injection_time_only_in_the_ge_block() -> None:
    suv = suv_bw_factor(
        replace(START, injection_datetime=None, ge_reference=REFERENCE, ge_injection=INJECTION)
    )
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-12)


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


# -- weight, dose, height --------------------------------------------------------------------------------------


def test_weight_in_grams() -> None:
    suv = suv_bw_factor(replace(START, patient_weight=70000))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("grams" in w for w in suv.warnings)


@pytest.mark.parametrize("weight", [None, 0.0, -70.0, 1.75, 500.0, 1000.0])
def test_impossible_weight(weight: float | None) -> None:
    refused(replace(START, patient_weight=weight), "PatientWeight (0010,1030)")


def test_dose_in_megabecquerel() -> None:
    suv = suv_bw_factor(replace(START, total_dose=350.0))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("MBq" in w for w in suv.warnings)


@pytest.mark.parametrize("dose", [None, 0.0, -350e6, 10.0, 350e3, 350e9])
def test_impossible_dose(dose: float | None) -> None:
    """10 may be mCi; 350e3 is kBq; 350e9 a typing error."""
    refused(replace(START, total_dose=dose), "RadionuclideTotalDose (0018,1074)")


def test_height_in_centimetres() -> None:
    header = replace(START, units="CM2ML")
    assert factor(replace(header, patient_size=175)) == pytest.approx(factor(header), rel=1e-12)


def test_height_and_weight_swapped() -> None:
    refused(replace(START, patient_weight=1.75, patient_size=70), "PatientWeight")


# -- tracer ----------------------------------------------------------------------------------------------------


def test_other_tracers_are_computed_with_a_warning() -> None:
    header = replace(START, radiopharmaceutical="DOTATATE", nuclide="Ga-68", half_life_s=4057.7)
    suv = suv_bw_factor(
        replace(header, ge_reference=REFERENCE, injection_datetime=REFERENCE - timedelta(hours=1))
    )
    assert suv.single_factor == pytest.approx(2e-4 * 2 ** (3600 / 4057.7), rel=1e-12)
    assert any("DOTATATE" in w for w in suv.warnings)
    renamed = suv_bw_factor(
        replace(header, radiopharmaceutical="FDG")
    )  # free text against code and half-life
    assert any("nuclide Ga-68" in w for w in renamed.warnings)


@pytest.mark.parametrize(
    ("nuclide", "tracer", "half_life_s"),
    [
        ("F-18", "FDG", 4057.7),
        ("F-18", "FDG", 109.8),
        ("Ga-68", "DOTATOC", 6588.0),
        (None, "FDG", 1221.8),
        (None, None, 21624.0),
    ],
)
def test_half_life_that_does_not_fit(nuclide: str | None, tracer: str | None, half_life_s: float) -> None:
    header = replace(START, nuclide=nuclide, radiopharmaceutical=tracer, half_life_s=half_life_s)
    refused(header, "(0018,")


@pytest.mark.parametrize("nuclide", ["Tc-99m", "C-11", "I-123", "Ge-68"])
@pytest.mark.parametrize("units", ["BQML", "GML", "CNTS"])
def test_other_nuclides_are_refused_in_any_units(nuclide: str, units: str) -> None:
    refused(replace(START, nuclide=nuclide, units=units, philips_suv_factor=1.0), nuclide)


def test_half_life_missing_matters_only_where_it_is_used() -> None:
    refused(replace(START, half_life_s=None), "RadionuclideHalfLife (0018,1075)")
    assert factor(replace(START, half_life_s=None, decay_correction="ADMIN")) == pytest.approx(2e-4)


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


# -- SUL -------------------------------------------------------------------------------------------------------


def test_sul_is_lean_mass_over_weight() -> None:
    assert sul_per_suv(START) == pytest.approx(lean_body_mass_kg("LBMJANMA", 70, 1.75, "M") / 70)
    assert sul_per_suv(START, "LBMJAMES128") == pytest.approx((1.10 * 70 - 128 * 0.16) / 70)


def test_lean_mass_outside_its_validity_is_refused() -> None:
    with pytest.raises(SuvError, match="outside its validity"):
        lean_body_mass_kg("LBM", 300, 1.4, "F")


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


@given(duration_s=st.floats(1e-3, 7200))
def test_mean_count_time_lies_just_before_the_middle_of_the_frame(duration_s: float) -> None:
    mean_s = mean_count_time_s(duration_s, HALF_LIFE_S)
    assert 0.45 * duration_s < mean_s <= 0.5 * duration_s * (1 + 1e-6)
