"""Single values of a header: as text and as numbers, never guessed.

Python reads "1_0" as 10 and other scripts' digits as ours; DICOM does not (PS3.5 6.2, DS and IS). Numbers are therefore
parsed here, from the text as it stands in the file.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from petct.dicom.quiet import PYDICOM_ERRORS, unvalidated

# Value representations whose bytes are the text (PS3.5 6.2); of all others pydicom makes a value first.
TEXT_VRS = frozenset(
    {"AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UN", "UT"}
)
# What `element_text` gives for a value that cannot be text: a sequence, broken bytes.
UNREADABLE = "unreadable"
# Numbers longer than this stand for a broken length: six direction cosines of 16 characters are 101.
LONGEST_NUMBERS = 128

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def tag_value(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute, or None when it is absent, empty or not decodable."""
    try:
        with unvalidated():
            value = dataset.get(keyword)
    except PYDICOM_ERRORS:
        return None
    return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value


def tag_values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a multi-valued text attribute (ImageType, CorrectedImage), upper case; empty if absent."""
    text = element_text(dataset, keyword, longest=None)
    return () if text is None else tuple(printable(part.strip().upper()) for part in text.split("\\"))


def element_text(dataset: Dataset, key: str | int, longest: int | None = 64) -> str | None:
    """The text of one attribute as it stands in the file; None when it is absent or empty."""
    tag = as_tag(key)
    try:
        raw = dataset.get_item(tag)
        if raw is None:
            return None
        if isinstance(raw, RawDataElement) and (raw.VR or _known_vr(tag)) in TEXT_VRS:
            return _as_text(raw.value, longest)
        with unvalidated():
            return _as_text(dataset[tag].value, longest)
    except PYDICOM_ERRORS:
        return UNREADABLE


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers, or None."""
    text = element_text(dataset, keyword, LONGEST_NUMBERS)
    parts = [] if text is None else text.split("\\")
    if len(parts) != count:
        return None
    try:
        return tuple(parse_number(part.strip(" \0")) for part in parts)
    except ValueError:
        return None


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """A single whole number, or None when it is absent or is none."""
    number = numbers(dataset, keyword, 1)
    return int(number[0]) if number and number[0].is_integer() else None


def parse_number(text: str) -> float:
    """A DICOM decimal string. Raises ValueError on anything else."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def printable(text: str, longest: int | None = 64) -> str:
    """One short line: a broken length can turn the rest of a file into one value, and values stand in messages."""
    text = text[:longest]
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def tag_name(key: str | int) -> str:
    """'PatientWeight (0010,1030)'; '(0009,100D)' for a tag without keyword."""
    tag = tag_for_keyword(key) if isinstance(key, str) else key
    if tag is None:
        return str(key)
    if not isinstance(key, str):
        key = keyword_of(tag)
    return f"{key} ({tag >> 16:04X},{tag & 0xFFFF:04X})".strip()


@cache
def as_tag(key: str | int) -> BaseTag:
    """The tag of a keyword or of a number."""
    return Tag(key)


def keyword_of(tag: int) -> str:
    """The standard's keyword, or nothing."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag)


@cache
def _known_vr(tag: int) -> str | None:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


def _as_text(value: Any, longest: int | None) -> str | None:
    """A value of any VR as text; bytes are decoded; absent or empty is None."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    elif not isinstance(value, str) and hasattr(value, "__iter__"):
        if any(isinstance(item, Dataset) for item in value):
            return UNREADABLE
        value = "\\".join(str(item) for item in value)
    text = "" if value is None else str(value).strip(" \0")
    return printable(text, longest) or None
