"""How the report writes methods and numbers."""

from __future__ import annotations

DASH = "–"
NO_TEST_CASE = (
    "No evaluated case belongs to the test split of cohort.csv: the numbers may come from cases that the network was "
    "trained on."
)
FINAL = "These are the results after a reader's edits, where there are any; the ceiling and the rivals know no edits."
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


def span(low: float, high: float, digits: int = 2, sign: bool = False) -> str:
    """An interval, `low to high`; a dash where one end is undefined."""
    if low != low or high != high:
        return DASH
    return f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def spread(mean: float, sd: float, digits: int = 2) -> str:
    """`mean ± SD`; the mean alone where the SD is undefined (one case), a dash without a mean."""
    return number(mean, digits) + (f" ± {number(sd, digits)}" if mean == mean and sd == sd else "")


def no_rivals(why: str) -> str:
    """In place of the rivals, where no training case was at hand to choose them."""
    return f"No simple rival could be chosen: {why}"


def p_value(value: float | None) -> str:
    """p as papers print it: three digits, four below 0.001, and `< 0.0001`."""
    if value is None or value != value:
        return DASH
    return "< 0.0001" if value < 0.0001 else f"{value:.{4 if value < 0.001 else 3}f}"
