"""Every file below some folders, once each; what cannot be read is named, never passed over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from petct.errors import DicomError

SEEN_FILE = "a second name of a file that is read already"
SEEN_FOLDER = "a second name of a folder that is read already (a link, or a loop of links)"


@dataclass
class Tree:
    """What is below the folders.

    Attributes
    ----------
    files : by path; a file with several names (links) has its first
    seen : second names of files and folders, with the reason why they are not read again
    unread : files and folders that cannot be read, or links that lead nowhere, with the reason
    unread_folders : the folders among them
    """

    files: list[Path] = field(default_factory=list)
    seen: list[tuple[Path, str]] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)
    unread_folders: list[Path] = field(default_factory=list)


def walk(roots: Iterable[str | os.PathLike[str]]) -> Tree:
    """List every file below the folders (or the files themselves). Links are followed, loops end; any depth.

    Raises
    ------
    DicomError
        A root does not exist.
    """
    tree = Tree()
    known: set[tuple[int, int]] = set()
    for root in map(Path, roots):
        if not os.path.exists(root):
            raise DicomError(f"{root}: no such file or folder.")
        waiting = [root]
        while waiting:
            path, is_folder = waiting.pop(), False
            try:
                status = path.stat()
                identity, is_folder = (status.st_dev, status.st_ino), stat.S_ISDIR(status.st_mode)
                if identity in known:
                    tree.seen.append((path, SEEN_FOLDER if is_folder else SEEN_FILE))
                    continue
                children = _children(path) if is_folder else []
            except OSError as error:
                tree.unread.append((path, _why(path, error)))
                tree.unread_folders += [path] if is_folder else []
                continue
            known.add(identity)
            if is_folder:
                waiting += children[::-1]
            else:
                tree.files.append(path)
    return tree


def _children(folder: Path) -> list[Path]:
    """By name, links last: where a link stands beside what it names, it is the second name."""
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in sorted(entries, key=lambda e: (e.is_symlink(), e.name))]


def _why(path: Path, error: OSError) -> str:
    if os.path.islink(path):
        return "a link that leads nowhere"
    return f"cannot be read ({error.strerror or error})"
