"""Foreign text in messages: one short line, without control characters."""

from __future__ import annotations

import os
from pathlib import PurePath

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


def stated_name(path: str | os.PathLike[str]) -> str:
    """The name of a file as a result states it.

    What is no printable text (bytes that are no UTF-8, a line break) is `?`, and so is a backslash, which elsewhere
    would be a folder.

    Examples
    --------
    >>> stated_name(os.fsdecode(b"in/M\\xfcller\\n.nii.gz"))
    'M?ller?.nii.gz'
    """
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in PurePath(path).name)
