"""Ids that become folder names, and the lock of an output folder."""

from __future__ import annotations

import pytest

from petct.errors import CaseError
from petct.ids import MAX_LENGTH, check_distinct, check_id

BAD = [
    "",
    ".",
    "..",
    "../x",
    "/etc/x",
    "a/b",
    "a\\b",
    "~",
    "~root",
    "C:x",
    "a\0b",
    "a\n",
    "\na",
    "a b",
    "-rf",
    ".hidden",
    "case.",
    "CON",
    "nul.nii",
    "com1",
    "а1",  # a Cyrillic a
    "ａ1",  # a full-width a
    "case\u2024\u2024",  # one dot leaders
    "é",
    "x" * (MAX_LENGTH + 1),
    None,
    3,
    ["P1"],
    {"a": 1},
    True,
]


@pytest.mark.parametrize("value", BAD, ids=[f"bad{i}" for i in range(len(BAD))])
def test_what_cannot_be_a_folder_name_is_refused_in_one_short_line(value: object) -> None:
    with pytest.raises(CaseError, match="case.json: the case id .* cannot be a folder name") as error:
        check_id(value, "case.json")
    assert str(error.value).isascii()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "value", ["P1", "P-01.2", "_a", "0", "3f" * 8, "x" * MAX_LENGTH, "CONTROL1", "com10"]
)
def test_a_good_id_is_kept(value: str) -> None:
    assert check_id(value, "case.json") == value


def test_ids_that_differ_in_case_only_are_refused() -> None:
    check_distinct(["P1", "p2", "P1"], "cohort.csv")
    with pytest.raises(CaseError, match="P1 and p1 differ in upper and lower case only"):
        check_distinct(["P1", "p2", "p1"], "cohort.csv")
