"""Paths in what is written: numbers, since folders and files are often called like patients."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from petct.files import csv_text, write_private_text

# After a root: the rest of a path that no list knows, up to what ends it in a sentence.
REST_OF_PATH = r"""(?![\w-])[^:;,'"()\n]*?(?=[:;,'"()\n]|\.?\s|\.?$)"""


def shorten(text: str, roots: Sequence[Path]) -> str:
    """A message with every path relative to the folder that the user named: for the user's own terminal."""
    for root in sorted(map(str, roots), key=len, reverse=True):
        text = text.replace(root.rstrip(os.sep) + os.sep, "")
    return text


class PathNumbers:
    """Replaces the paths of one case (or of a list) in a message: `file 3`, `folder 1`.

    Numbers follow the order of the sorted paths, so they stay the same while the files do. Other paths below the
    roots, which no list knows, become `a path`. The files of `called` lose their bare names as well.

    Examples
    --------
    >>> numbers = PathNumbers([Path("/in/Doe/2.dcm"), Path("/in/Doe/10.dcm")], [Path("/in")])
    >>> numbers("/in/Doe/2.dcm: cut short; /in/Doe: 1 slice is missing; /in/Roe/1.dcm: another patient")
    'file 2: cut short; folder 1: 1 slice is missing; a path: another patient'
    """

    def __init__(self, paths: Iterable[Path], roots: Sequence[Path], called: Iterable[Path] = ()) -> None:
        files = sorted(set(paths))
        folders = sorted({path.parent for path in files})
        self.names = {str(path): f"folder {i}" for i, path in enumerate(folders, start=1)}
        self.names |= {str(path): f"file {i}" for i, path in enumerate(files, start=1)}
        self.called: dict[str, str] = {}  # files of one name in several folders share what it becomes
        for path in sorted(called):
            number = self.names[str(path)]
            self.called[path.name] = (
                f"{self.called[path.name]} or {number}" if path.name in self.called else number
            )
        self.roots = sorted({str(root) for root in roots}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        if any(root in text for root in self.roots) or any(name in text for name in self.names):
            for path in sorted(self.names, key=len, reverse=True):
                text = text.replace(path, self.names[path])
            for root in self.roots:
                text = re.sub(re.escape(root) + REST_OF_PATH, "a path", text)
        for name in sorted(filter(text.__contains__, self.called), key=len, reverse=True):
            text = re.sub(rf"(?<![\w./-]){re.escape(name)}(?!\w)", self.called[name], text)
        return text


def write_path_list(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """The key to the numbers, on request: a CSV file that only its owner can read.

    Parameters
    ----------
    rows : where the number stands (a case id, or left_out.csv), the number, the path
    """
    write_private_text(path, csv_text(("where", "number", "path"), rows))
