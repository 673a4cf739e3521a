"""Files that appear whole or not at all, and their fingerprints."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from petct.errors import TmtvError

# In every output folder that a command writes into. The file stays; only the lock on it counts.
LOCK_NAME = ".lock"


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` on success, delete it on any failure.

    The temporary name keeps the suffix, starts with a dot, and is unique, so that a run killed half-way leaves
    nothing that looks like a result. Parent folders are made.

    Raises
    ------
    TmtvError
        The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise TmtvError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        with suppress(OSError):  # not there after success; nor if the folder could not be made
            temporary.unlink()


@contextmanager
def locked(folder: str | os.PathLike[str], *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other runs out of an output folder while this one writes into it.

    The folder is made. The lock goes with the process that holds it, even if that is killed. A reader needs no lock,
    since all files appear whole.

    Parameters
    ----------
    folder : the output, locked whole by `<folder>/.lock`
    wait_s : how long to wait for another run to end before it is refused

    Raises
    ------
    TmtvError
        Another run writes into this folder, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     write_text(folder + "/tmtv.csv", "case_id\\n")
    """
    folder = Path(folder)
    lock = FileLock(folder / LOCK_NAME, timeout=wait_s)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise TmtvError(
            f"{folder}: another run is writing into this folder. Wait until it ends, or give another folder."
        ) from error
    except OSError as error:
        raise TmtvError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        yield
    finally:
        lock.release()


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Refuse, before any work, an output folder that could not be made or written; nothing is made here."""
    folder = Path(folder)
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not place.is_dir():
        raise TmtvError(f"{folder}: cannot be written ({place} is not a folder).")
    if not os.access(place, os.W_OK | os.X_OK):
        raise TmtvError(f"{folder}: cannot be written (no permission to write in {place}).")


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it is there; one that cannot be removed is refused by name."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise TmtvError(f"{path}: cannot be removed ({error.strerror or error}).") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write strict JSON whole or not at all: an undefined number (NaN, infinity) becomes null."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; a missing or broken one is refused by name."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TmtvError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        raise TmtvError(f"{path}: not readable as JSON ({error}).") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finite(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a NumPy scalar
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value
