"""How the report writes methods and numbers."""

from __future__ import annotations

DASH = "–"
METHOD_NAMES = {
    "raw": "raw mask",
    "41": "41 % of SUVmax",
    "2.5": "SUV > 2.5",
    "4.0": "SUV > 4.0",
    "otsu": "Otsu",
}


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A number for a reader: fixed digits, thin spaces between thousands, a true minus; a dash if undefined."""
    if value is None or value != value:
        return DASH
    text = f"{value:{'+' if sign else ''},.{digits}f}".replace(",", "\u2009").replace("-", "−")
    return text.lstrip("−+") if not text.strip("−+0.") else text


def p_value(value: float | None) -> str:
    """p as papers print it."""
    if value is None or value != value:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
