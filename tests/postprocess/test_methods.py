"""A method's name means one thing; what could mean another is refused, with what was probably meant."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ParameterError
from postprocess import segment, threshold_suvmax_fraction
from postprocess.config import Config
from postprocess.methods import Method, parse_method


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("0.41", "41 (41 % of SUVmax)"),
        ("0,41", "41 (41 % of SUVmax)"),
        (".41", "41 (41 % of SUVmax)"),
        ("00.410", "41 (41 % of SUVmax)"),
        ("0.5", "50 (50 % of SUVmax)"),
        ("41%", "41 (41 % of SUVmax)"),
        ("41 %", "41 (41 % of SUVmax)"),
        ("41.0", "41 (41 % of SUVmax)"),
        ("0.5p", "50p (50 % of SUVpeak)"),
        ("50p%", "50p (50 % of SUVpeak)"),
        ("2,5", "2.5 (SUV > 2.5)"),
        ("4", "4.0 (SUV > 4)"),
        ("4,", "4.0 (SUV > 4)"),
    ],
)
def test_a_number_that_could_mean_another_thing_is_refused(name: str, meant: str) -> None:
    """0.41 ran as SUV > 0.41: 98 mL in place of 13 (issue 12, item 4)."""
    suv = np.full((3, 3, 3), 5.0, np.float32)
    with pytest.raises(ParameterError) as error:
        segment(suv > 0, suv, (1.0, 1.0, 1.0), name)
    assert f"Did you mean {meant}?" in str(error.value)


@pytest.mark.parametrize("name", ["0.0", "0.05", "0", "150", "150.0", "1e1", "-2.5", "nan", "2.5.1", "", "."])
def test_other_numbers_are_refused_without_a_guess(name: str) -> None:
    with pytest.raises(ParameterError, match="No method") as error:
        parse_method(name, Config())
    assert "Did you mean" not in str(error.value)


def test_the_numbers_that_are_methods() -> None:
    for name, number in (("1.0", 1), ("2.5", 2.5), ("3.0", 3), ("20.0", 20)):
        assert parse_method(name, Config()) == Method("suv_above", number)
    for name, number in (("10", 0.1), ("41", 0.41), ("100", 1)):
        assert parse_method(name, Config()) == Method("suvmax_fraction", number, per_part=True)


@pytest.mark.parametrize("fraction", [41, 0.0, -0.41, float("nan")])
def test_a_fraction_is_no_percentage(fraction: float) -> None:
    labels, suv = np.ones((2, 2, 2), np.int32), np.ones((2, 2, 2), np.float32)
    with pytest.raises(ParameterError, match=r"\(0, 1\]"):
        threshold_suvmax_fraction(labels, suv, fraction)
