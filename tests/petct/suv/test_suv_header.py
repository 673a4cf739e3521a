"""Values of a PET header: there, possible, or refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from suv_headers import START

from petct.errors import SuvError
from petct.suv import Overrides, suv_bw_factor
from petct.suv.header import Limit, check_within, need, optional, positive

LIMIT = Limit(1, 300, "kg")


@pytest.mark.parametrize("value", [1.0, 300.0])
def test_both_ends_are_possible(value: float) -> None:
    assert check_within(START, "PatientWeight", value, LIMIT, Overrides()) == []


@pytest.mark.parametrize("value", [0.999, 300.1, math.nan])
def test_outside_is_refused_or_allowed_with_a_warning(value: float) -> None:
    with pytest.raises(
        SuvError, match=r"/pet: SUV cannot be computed: PatientWeight is .*possible is 1 to 300 kg"
    ):
        check_within(START, "PatientWeight", value, LIMIT, Overrides())
    (warning,) = check_within(START, "PatientWeight", value, LIMIT, Overrides(allow_unusual=True))
    assert "it was allowed" in warning


def test_a_value_that_must_be_there() -> None:
    assert need(START, "patient_weight", "it must be a number") == 70
    with pytest.raises(
        SuvError, match=r"PatientWeight \(0010,1030\) is missing or empty; it must be a number"
    ):
        need(replace(START, patient_weight=None), "patient_weight", "it must be a number")
    for value in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(SuvError, match="must be above 0, in kg"):
            positive(replace(START, patient_weight=value), "patient_weight", "kg")


def test_a_value_that_cannot_be_used_says_why_only_where_it_is_wanted() -> None:
    header = replace(START, unusable={"patient_weight": "/pet: PatientWeight is no number."})
    assert optional(header, "patient_size") == 1.75
    with pytest.raises(SuvError, match="is no number"):
        optional(header, "patient_weight")


@pytest.mark.parametrize("number", [np.float32, np.float64, np.int64, float, int])
def test_a_number_of_numpy_is_a_number(number: type) -> None:
    """It ended in an AttributeError, and would not have gone into case.json."""
    admin = replace(START, decay_correction="ADMIN")
    suv = suv_bw_factor(admin, Overrides(weight_kg=number(80), dose_bq=number(320_000_000)))
    assert suv.factor == pytest.approx(80_000 / 320e6)
    assert json.loads(json.dumps(suv.overrides)) == {"weight_kg": 80.0, "dose_bq": 320e6}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"weight_kg": "70"}, "weight must be above 0 kg. Received: '70'"),
        ({"weight_kg": np.float32(0)}, "weight must be above 0 kg"),
        ({"dose_bq": np.float32(np.inf)}, "dose must be above 0 Bq"),
        ({"injection_time": "10:35"}, "injection time must be a datetime, .* Received: '10:35'"),
        ({"injection_time": date(2024, 5, 17)}, "injection time must be a datetime"),
    ],
)
def test_what_is_no_value_of_a_user_is_refused(given: dict, says: str) -> None:
    with pytest.raises(SuvError, match=says):
        Overrides(**given)
