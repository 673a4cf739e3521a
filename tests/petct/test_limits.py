"""What is a number within limits."""

from __future__ import annotations

import math

import pytest

from petct.limits import LARGEST, SMALLEST, between


@pytest.mark.parametrize("value", [1, 1.5, 2, True])
def test_both_ends_are_within(value: float) -> None:
    assert between(value, 1, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.999, 2.001, "1.5", None, [1]])
def test_what_is_no_number_is_outside(value: object) -> None:
    assert not between(value, 1, 2)


def test_the_positive_numbers() -> None:
    assert between(SMALLEST, SMALLEST, LARGEST)
    assert between(LARGEST, SMALLEST, LARGEST)
    assert not any(between(value, SMALLEST, LARGEST) for value in (0.0, -1.0, math.inf, math.nan))
