"""Files that appear whole or not at all, and their fingerprints."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from petct.errors import TmtvError

# In every output folder that a command writes into. The file stays; only the lock on it counts.
LOCK_NAME = ".lock"
# What `replace_atomically` calls a file before it is whole.
TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{8}\..+")
SIGNIFICANT_DIGITS = 6
# A spreadsheet runs a cell that starts so as a formula (OWASP, "CSV injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


@contextmanager
def replace_atomically(
    path: str | os.PathLike[str], *, durable: bool = False, after: Sequence[Path] = ()
) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` on success, delete it on any failure.

    The temporary name keeps the suffix, starts with a dot, and is unique, so that a run killed half-way leaves
    nothing that looks like a result. Parent folders are made.

    Parameters
    ----------
    durable : on disk when this ends, under its name: a power loss leaves the file as it was before, or as it is now
    after : what a durable file names, files and folders: they are on disk before it appears

    Raises
    ------
    TmtvError
        The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        make_folder(path.parent, durable=durable)
        yield temporary
        if durable:
            sync_all((temporary, *after))
        os.replace(temporary, path)
        if durable:
            sync(path.parent)
    except OSError as error:
        raise TmtvError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        with suppress(OSError):  # not there after success; nor if the folder could not be made
            temporary.unlink()


@contextmanager
def locked(folder: str | os.PathLike[str], *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other runs out of an output folder while this one writes into it.

    The folder is made, and goes again if nothing was written. The lock goes with the process that holds it, even if
    that is killed. A reader needs no lock, since all files appear whole.

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
    new = not folder.exists()
    try:
        while not lock.is_locked:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            if not (folder / LOCK_NAME).exists():  # the run before removed it with its empty folder
                lock.release()
    except Timeout as error:
        raise TmtvError(
            f"{folder}: another run is writing into this folder. Wait until it ends, or give another folder."
        ) from error
    except OSError as error:
        raise TmtvError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        yield
    finally:
        with suppress(OSError):
            if new and os.listdir(folder) == [LOCK_NAME]:  # nothing came of it
                (folder / LOCK_NAME).unlink()
                folder.rmdir()
        lock.release()


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed runs left in an output folder, its folders and theirs.

    Only names that `replace_atomically` draws, and only for the run that holds the lock of the folder (`locked`).
    """
    for pattern in (".*", "*/.*", "*/*/.*"):
        for path in Path(folder).glob(pattern):
            if TEMPORARY_NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                with suppress(OSError):  # it is only in the way
                    path.unlink()


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Refuse, before any work, an output folder that could not be made or written; nothing is made here."""
    folder = Path(folder)
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not place.is_dir():
        raise TmtvError(f"{folder}: cannot be written ({place} is not a folder).")
    if not os.access(place, os.W_OK | os.X_OK):
        raise TmtvError(f"{folder}: cannot be written (no permission to write in {place}).")


def make_folder(folder: str | os.PathLike[str], *, durable: bool = False, mode: int = 0o777) -> None:
    """Make a folder and those above it, where they are not there.

    durable : each new one is on disk, with its entry in the one above
    """
    folder = Path(folder)
    new = [place for place in (folder, *folder.parents) if not place.exists()] if durable else []
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for place in new:
        sync(place.parent)


def sync(path: str | os.PathLike[str]) -> None:
    """Put a file, or the entries of a folder, on disk: a power loss does not take it.

    The entry of a file that was just made is in its folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # A folder that we may write into and not read; file systems that cannot do this for a folder.
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


def sync_all(paths: Iterable[str | os.PathLike[str]]) -> None:
    """`sync` several at once: file systems commit them together."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sync, paths))


def sync_tree(folder: str | os.PathLike[str]) -> None:
    """Put a folder on disk with everything in it, and its entry in the one above."""
    places = list(os.walk(folder))
    sync_all(os.path.join(place, name) for place, _, names in places for name in names)
    for place, _, _ in places:
        sync(place)
    sync(Path(folder).absolute().parent)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it is there; one that cannot be removed is refused by name."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise TmtvError(f"{path}: cannot be removed ({error.strerror or error}).") from error


def write_text(
    path: str | os.PathLike[str], text: str, *, durable: bool = False, after: Sequence[Path] = ()
) -> None:
    """Write UTF-8 text whole or not at all; durable, after : see `replace_atomically`."""
    with replace_atomically(path, durable=durable, after=after) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # file names need not be text


def write_csv(
    path: str | os.PathLike[str],
    columns: Iterable[str],
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    *,
    digits: int | None = SIGNIFICANT_DIGITS,
) -> None:
    """Write a table as `csv_text` gives it, whole or not at all. Every CSV file of the project is written here."""
    write_text(path, csv_text(columns, rows, digits=digits))


def csv_text(
    columns: Iterable[str],
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    *,
    digits: int | None = SIGNIFICANT_DIGITS,
) -> str:
    """A table as CSV text that a spreadsheet cannot run.

    Parameters
    ----------
    columns : the header
    rows : mappings by column (one that is missing is an empty cell), or sequences in the order of `columns`
    digits : significant digits of a number that is not whole; None writes it exactly

    Returns
    -------
    str
        Lines end with a line feed. None and NaN are empty cells. Text that a spreadsheet would take for a formula (it
        starts with `=`, `+`, `-`, `@`, a tab or a line break, and is not a number) gets an apostrophe in front.

    Examples
    --------
    >>> csv_text(["case_id", "tmtv_ml"], [{"case_id": "=1+1", "tmtv_ml": 12.3456789}])
    "case_id,tmtv_ml\\n'=1+1,12.3457\\n"
    """
    columns = list(columns)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_cell(name, digits) for name in columns])
    for row in rows:
        cells = [row.get(name) for name in columns] if isinstance(row, Mapping) else row
        writer.writerow([_cell(cell, digits) for cell in cells])
    return buffer.getvalue()


def write_private_text(
    path: str | os.PathLike[str], text: str, *, durable: bool = False, after: Sequence[Path] = ()
) -> None:
    """Write UTF-8 text that only its owner can read (mode 600), whole or not at all."""
    with replace_atomically(path, durable=durable, after=after) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


def write_json(
    path: str | os.PathLike[str],
    value: Any,
    *,
    private: bool = False,
    durable: bool = False,
    after: Sequence[Path] = (),
) -> None:
    """Write strict JSON whole or not at all: an undefined number (NaN, infinity) becomes null.

    private : only its owner can read the file (mode 600). durable, after : see `replace_atomically`
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (write_private_text if private else write_text)(path, text, durable=durable, after=after)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; a missing or broken one, or one nested too deeply, is refused by name."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TmtvError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        raise TmtvError(f"{path}: not readable as JSON ({error}).") from error
    except RecursionError as error:
        raise TmtvError(f"{path}: not readable as JSON (nested too deeply).") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cell(value: Any, digits: int | None) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a NumPy scalar
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and digits is not None:
        return f"{value:.{digits}g}"
    if isinstance(value, str):
        value = value.replace("\r\n", "\n").replace("\r", "\n")  # csv does not quote a lone carriage return
        return f"'{value}" if value.startswith(_FORMULA_STARTS) and not _is_number(value) else value
    return value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text and text == text.strip()
    except ValueError:
        return False


def sha256_of_files(files: Iterable[str | os.PathLike[str]]) -> str:
    """SHA-256 of one file; of several (a DICOM series), that of their sorted SHA-256, in hexadecimal, one a line.

    Raises
    ------
    TmtvError
        A file that cannot be read.
    """
    try:
        digests = sorted(map(sha256, files))
    except OSError as error:
        raise TmtvError(f"{error.filename}: cannot be read any more ({error.strerror}).") from error
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


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
