"""Foreign text in messages: one short line, without control characters."""

from __future__ import annotations

MAX_SHOWN = 80


def one_line(value: object) -> str:
    """A value of a file as it stands in a message: `repr`, ASCII, at most 80 characters.

    Examples
    --------
    >>> one_line("a" * 3 + chr(10))
    "'aaa\\\\n'"
    """
    if isinstance(value, str):
        value = value[: MAX_SHOWN + 1]
    elif not isinstance(value, int | float | bool | type(None)):
        value = type(value).__name__
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
