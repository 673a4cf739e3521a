"""Values of a PET header: there, possible, or refused by name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from suv_headers import START

from petct.errors import SuvError
from petct.suv import Overrides
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
