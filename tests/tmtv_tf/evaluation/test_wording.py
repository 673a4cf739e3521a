"""Numbers as the report writes them."""

from __future__ import annotations

import pytest

from tmtv_tf.evaluation.wording import number, p_value

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (0.8149, 2, False, "0.81"),
        (12345.6, 0, True, "+12\u2009346"),
        (-3.26, 1, True, "−3.3"),
        (-0.001, 1, True, "0.0"),
        (0.0, 0, True, "0"),
        (100.0, 0, True, "+100"),
        (NAN, 2, False, "–"),
        (None, 2, False, "–"),
    ],
)
def test_numbers_for_readers(value, digits, sign, text):
    assert number(value, digits, sign=sign) == text


def test_p_values_for_readers():
    assert [p_value(p) for p in (0.00009, 0.0004, 0.0123, 1.0, NAN)] == [
        "< 0.0001",
        "0.0004",
        "0.012",
        "1.000",
        "–",
    ]
