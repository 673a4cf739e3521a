"""What is a number within limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from petct.limits import LARGEST, SMALLEST, between


@pytest.mark.parametrize("value", [1, 1.5, 2, True])
def test_both_ends_are_within(value: float) -> None:
    assert between(value, 1, 2)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 0.999, 2.001, "1.5", b"1.5", bytearray(b"1.5"), None, [1]]
)
def test_what_is_no_number_is_outside(value: object) -> None:
    assert not between(value, 1, 2)


def test_the_positive_numbers() -> None:
    assert between(SMALLEST, SMALLEST, LARGEST)
    assert between(LARGEST, SMALLEST, LARGEST)
    assert not any(between(value, SMALLEST, LARGEST) for value in (0.0, -1.0, math.inf, math.nan))


@pytest.mark.parametrize("number", [np.float16, np.float32, np.float64, np.int16])
def test_the_positive_numbers_of_numpy(number: type) -> None:
    """In single precision SMALLEST was 0 and LARGEST infinity: 0 passed as positive, infinity as finite."""
    assert between(number(70), SMALLEST, LARGEST)
    assert not between(number(0), SMALLEST, LARGEST)
    if issubclass(number, np.floating):
        assert not between(number(np.inf), SMALLEST, LARGEST)
        assert not between(number(np.nan), SMALLEST, LARGEST)
    assert not between(number(1), 0, math.nextafter(1, 0))
