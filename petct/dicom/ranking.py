"""Of several series that fit, which one is taken: rules applied one after another, each loser with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from petct.dicom.headers import Series
from petct.dicom.values import tag_value, tag_values

# Axial ranges that differ by less than this share are one range (another bed overlap, another slice thickness).
SAME_COVERAGE = 0.05


class Choice(NamedTuple):
    """The series to use, sentences about the choice, and why each other one is not used."""

    series: Series | None
    notes: list[str]
    passed_over: dict[str, str]  # SeriesInstanceUID -> reason


class Rule(NamedTuple):
    """Of two series, the one with the higher value is taken; `why` says of the other what is the matter with it."""

    why: str
    value: Callable[[Series], float]
    tolerance: float = 0.0  # values that are lower by no more than this share count as equal


def _coverage_mm(series: Series) -> float:
    extent = _range_mm(series)
    return extent[1] - extent[0] if extent else 0.0


def _low_number(series: Series) -> float:
    return -float(series.number if series.number is not None else 2**31)


def _original(series: Series) -> float:
    return float("DERIVED" not in tag_values(series.header, "ImageType"))


PET_ORDER = (
    Rule("covers less of the body", _coverage_mm, SAME_COVERAGE),
    Rule("a derived image beside an original one", _original),
    Rule("a higher SeriesNumber (0020,0011)", _low_number),
)


def covered_mm(series: Series, pet: Series) -> float:
    """How much of the PET's axial range a series covers."""
    (low, high), (first, last) = _range_mm(pet) or (0.0, 0.0), _range_mm(series) or (0.0, 0.0)
    return max(0.0, min(high, last) - max(low, first))


def _without_contrast(series: Series) -> float:
    return float(tag_value(series.header, "ContrastBolusAgent") is None)


def ct_order(pet: Series) -> tuple[Rule, ...]:
    """Rules that put CT series in order, the one to use first."""
    return (
        Rule("covers less of the PET", lambda series: covered_mm(series, pet), SAME_COVERAGE),
        Rule("with contrast agent", _without_contrast),
        Rule("a narrower field of view", _field_of_view_mm),
        Rule("a higher SeriesNumber (0020,0011)", _low_number),
    )


_OPTION = {"PET": "pet-uid", "CT": "ct-uid"}


def best(candidates: Sequence[Series], rules: Sequence[Rule], kind: str) -> Choice:
    """Apply the rules one after another until one series is left.

    Series that no rule tells apart: the one with the lowest SeriesInstanceUID, and a note that it is arbitrary.
    """
    left, notes = list(candidates), []
    passed_over: dict[str, str] = {}
    for rule in rules:
        if len(left) < 2:
            break
        values = [rule.value(series) for series in left]
        limit = max(values) - rule.tolerance * abs(max(values))
        losers = [series for series, value in zip(left, values, strict=True) if value < limit]
        passed_over |= {series.series_uid: f"{rule.why} (another {kind} is in use)" for series in losers}
        left = [series for series in left if series not in losers]
        if losers:
            notes.append(f"{len(candidates)} {kind} series fit; left out: {rule.why}.")
    left.sort(key=lambda s: s.series_uid)
    if len(left) > 1:
        notes.append(
            f"{len(left)} {kind} series fit equally well and no rule tells them apart; the one with the lowest "
            f"SeriesInstanceUID (0020,000E) is used: --{_OPTION[kind]} chooses another."
        )
    passed_over |= {s.series_uid: f"a higher SeriesInstanceUID than the {kind} in use" for s in left[1:]}
    return Choice(left[0] if left else None, notes, passed_over)


def _range_mm(series: Series) -> tuple[float, float] | None:
    """First and last slice along the body (LPS z), voxel centres."""
    z = [instance.position_mm[2] for instance in series.instances if instance.position_mm]
    return (min(z), max(z)) if z and np.all(np.isfinite(z)) else None


def _field_of_view_mm(series: Series) -> float:
    first = series.instances[0]
    return (
        round(first.pixel_spacing_mm[1] * first.columns) if first.pixel_spacing_mm and first.columns else 0.0
    )
