"""Foreign text in messages and results: one short line that nothing takes for an order."""

import ast
import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petct.text import MAX_SHOWN, one_line, stated_name


@given(st.text(max_size=MAX_SHOWN))
def test_a_short_text_is_shown_so_that_it_can_be_read_back(text: str) -> None:
    shown = one_line(text)
    assert shown.isascii()
    assert shown.isprintable()
    if len(ascii(text)) <= MAX_SHOWN:
        assert ast.literal_eval(shown) == text
    else:
        assert shown == ascii(text)[:MAX_SHOWN] + "..."


def test_exactly_as_much_as_fits_is_shown_whole() -> None:
    fits = "a" * (MAX_SHOWN - 2)  # and two quotes
    assert one_line(fits) == f"'{fits}'"
    assert one_line(fits + "b") == f"'{fits}b'"[:MAX_SHOWN] + "..."


def test_a_huge_text_is_cut_before_it_is_turned_over() -> None:
    class Counted(str):
        asked = 0

        def __getitem__(self, key: slice) -> str:
            Counted.asked = key.stop
            return str.__getitem__(self, key)

    assert len(one_line(Counted("\n" * 10_000))) == MAX_SHOWN + 3
    assert Counted.asked <= MAX_SHOWN + 1


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (-0.5, "-0.5"), (True, "True"), (None, "None"), (float("nan"), "nan")]
)
def test_numbers_are_shown_as_they_are(value: object, shown: str) -> None:
    assert one_line(value) == shown


@pytest.mark.parametrize("value", [["Doe^John"] * 1000, {"PatientName": "Doe^John"}, b"Doe^John"])
def test_of_anything_else_only_the_kind_is_shown(value: object) -> None:
    assert one_line(value) == repr(type(value).__name__)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("in/case_001.nii.gz", "case_001.nii.gz"),
        ("/abs/Müller.dcm", "Müller.dcm"),
        ("in/..", ".."),
        ("in/a\\b.nii", "a?b.nii"),  # elsewhere a folder
        ("in/a\x1b[2Jb", "a?[2Jb"),  # clears a terminal
        ("in/a\r\nb", "a??b"),
        ("in/a\u202eb", "a?b"),  # turns the rest around
        (os.fsdecode(b"in/M\xfcller"), "M?ller"),
    ],
)
def test_the_name_of_a_file(path: str, name: str) -> None:
    assert stated_name(path) == name
    assert stated_name(PurePosixPath(path)) == name


@given(
    st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b"/" not in b and b.strip(b"."))
)
def test_any_name_can_be_written_as_text_and_keeps_its_length(name: bytes) -> None:
    path = os.fsdecode(name)
    stated = stated_name(path)
    assert stated.isprintable()
    assert stated.encode("utf-8").decode("utf-8") == stated
    assert len(stated) == len(path)
