"""Names that come from files and become paths: case ids, readers, methods. One rule for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from petct.errors import CaseError
from petct.text import one_line

MAX_LENGTH = 100
# ASCII only: letters that look alike in other alphabets would be another folder. The first is no dot (hidden files,
# `.` and `..`) and no dash (options); the last is no dot (Windows drops it).
PATTERN = re.compile(rf"(?!.*\.\Z)[A-Za-z0-9_][A-Za-z0-9._-]{{0,{MAX_LENGTH - 1}}}", re.ASCII)
# Windows keeps these names for devices, with any suffix and in any case.
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_id(value: object, where: str, what: str = "case id") -> str:
    """The id itself, if it can be one folder name on every system.

    Parameters
    ----------
    value : what a file says; anything but text is refused
    where : file (and line) that says so; the message starts with it
    what : what the id is of, for the message

    Returns
    -------
    str
        `value`, unchanged: 1 to 100 of the ASCII letters, digits, dot, dash and underscore, not starting with dot
        or dash, not ending with a dot, not a device name of Windows.

    Raises
    ------
    CaseError
        It is something else. An absolute path, `..`, `~`, a slash, NUL or a line break never passes.

    Examples
    --------
    >>> check_id("P-01.2", "case.json")
    'P-01.2'
    """
    if isinstance(value, str) and PATTERN.fullmatch(value) and not RESERVED.fullmatch(value):
        return value
    raise CaseError(
        f"{where}: the {what} {one_line(value)} cannot be a folder name. Use letters, digits, dot, dash and underscore "
        f"(at most {MAX_LENGTH}; no dot or dash at the start; no name that Windows keeps, such as CON)."
    )


def check_distinct(ids: Iterable[str], where: str, what: str = "case id") -> None:
    """Refuse ids that differ in upper and lower case only: on many disks they are one folder.

    Equal ids are not judged here. Raises CaseError.

    Examples
    --------
    >>> check_distinct(["P1", "P2"], "cohort.csv")
    """
    seen: dict[str, str] = {}
    for value in ids:
        other = seen.setdefault(value.lower(), value)
        if other != value:
            raise CaseError(
                f"{where}: the {what}s {other} and {value} differ in upper and lower case only, so they would be one "
                "folder on many disks. Rename one of them."
            )
