"""Parameters outside their range."""

from __future__ import annotations

import math

import pytest

from petct.errors import ParameterError
from postprocess import Config


@pytest.mark.parametrize(
    "wrong",
    [
        {"probability_threshold": 1.0},
        {"connectivity": 8},
        {"split_above_ml": -1},
        {"peak_distance_mm": math.nan},
        {"liver_suv": 0.0},
        {"lung_suv": -0.5},
    ],
)
def test_parameters_outside_their_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        Config(**wrong)
