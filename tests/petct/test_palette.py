"""Colours of lesions."""

from __future__ import annotations

from petct.palette import lesion_color


def test_seven_colours_then_the_first_again() -> None:
    assert len({lesion_color(label) for label in range(1, 8)}) == 7
    assert lesion_color(1) == (230, 159, 0)  # Okabe and Ito's orange
    assert lesion_color(8) == lesion_color(1)
