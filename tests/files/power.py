"""What a power loss would leave: a disk keeps of a file and of a folder what they held at their last fsync."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest


class Disk:
    """Watches `os.fsync`; everything that was never synced counts as lost, unless it is `root` or above it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._files: dict[int, str] = {}
        self._folders: dict[int, dict[str, int]] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._watch)

    def _watch(self, descriptor: int) -> None:
        self._fsync(descriptor)
        found = os.fstat(descriptor)
        path = f"/proc/self/fd/{descriptor}"
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                self._folders[found.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            self._files[found.st_ino] = _content(Path(path))

    def keeps(self, path: Path) -> bool:
        """Whether a file or folder is found after a power loss, as it is now."""
        path = path.resolve()
        inode = path.stat().st_ino
        if path == self._root:
            return True
        if path.is_file() and self._files.get(inode) != _content(path):
            return False
        entries = self._folders.get(path.parent.stat().st_ino, {})
        return entries.get(path.name) == inode and self.keeps(path.parent)

    def loses(self, folder: Path) -> list[str]:
        """Files of a folder that it does not keep."""
        return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and not self.keeps(path)]


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
