"""Which clock counts (DESIGN section 7), with the round numbers of suv_headers."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suv_headers import BEDS, HALF_LIFE_S, INJECTION, REFERENCE, SHIFTED, START, factor, refused

from petct.suv import PetHeader, suv_bw_factor
from petct.suv.times import mean_count_time_s


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


@given(duration_s=st.floats(1e-3, 7200))
def test_mean_count_time_lies_just_before_the_middle_of_the_frame(duration_s: float) -> None:
    mean_s = mean_count_time_s(duration_s, HALF_LIFE_S)
    assert 0.45 * duration_s < mean_s <= 0.5 * duration_s * (1 + 1e-6)
