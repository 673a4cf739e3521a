"""CSV files: what a spreadsheet would run, numbers, missing values."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from petct.files import csv_text


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=1", "-1_0", "-inf "]
)
def test_text_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    """OWASP, "CSV injection": a cell must not start with these; a quote in front makes it text."""
    for rows in ([{"case_id": text}], [[text]]):
        (header, row) = csv.reader(io.StringIO(csv_text(["case_id"], rows), newline=""))
        assert (header, row) == (["case_id"], ["'" + text.replace("\r", "\n")])
    assert csv_text([text], []).startswith(("'", "\"'"))


def test_numbers_and_names_stay_as_they_are() -> None:
    row = ["P-1", -21, -21.5, "-21.5", "+1e3", True, np.float32(2.5), np.int64(-3), "a,b"]
    assert csv_text(range(0), [row]) == '\nP-1,-21,-21.5,-21.5,+1e3,True,2.5,-3,"a,b"\n'


def test_numbers_have_six_significant_digits_and_what_is_missing_is_empty() -> None:
    row = {"a": 1 / 3, "b": 1234567.8, "c": math.nan, "d": None, "e": 12345678, "f": np.float64("nan")}
    assert csv_text("abcdefg", [row]) == "a,b,c,d,e,f,g\n0.333333,1.23457e+06,,,12345678,,\n"
    assert csv_text("a", [row], digits=None) == "a\n0.3333333333333333\n"
