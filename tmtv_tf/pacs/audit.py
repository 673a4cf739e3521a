"""The audit log: who asked for what, and what was sent where. Only ever appended to; it never names a patient.

One JSON object a line, in the order in which things happened, whatever the clock did meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

from petct.errors import ParameterError, TmtvError
from petct.files import sync
from petct.version import software

_UID = re.compile(r"[0-9.]{1,64}")
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ADDRESS = re.compile(r"[A-Za-z0-9 ._@:/?\[\]%-]{1,300}")
# What may be said, and how it must look. No free text: a sentence about a study may name a patient.
FIELDS: Mapping[str, re.Pattern[str] | None] = {
    "case_id": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"),
    "patient": _PSEUDONYM,  # tmtv_tf.cases.pseudonym.patient_key
    "accession": _PSEUDONYM,
    "study_uid": _UID,
    "series_uid": _UID,
    "sop_instance_uid": _UID,
    "sop_class_uid": _UID,
    "sha256": _SHA256,
    "peer": _ADDRESS,  # AE title@address of who asked
    "archive": _ADDRESS,
    "state": _WORD,
    "kind": _WORD,
    "status": None,  # numbers
    "count": None,
    "bytes": None,
    "attempt": None,
}


def record(path: Path, event: str, **what: str | int | None) -> None:
    """Append one event to the log, on disk when this returns.

    Several processes may write into one log. A last line that a power loss cut short is left as it is, and the next
    event starts on a line of its own.

    Parameters
    ----------
    path : the log; made on first use, readable by its owner only (mode 600)
    event : one word, such as "received", "sent", "asked"
    what : only the names in `FIELDS`: UIDs, pseudonyms, SHA-256, addresses, numbers; None is left out

    Raises
    ------
    ParameterError
        A field that is not in `FIELDS`, or a value that could be a name.
    TmtvError
        The log cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record(Path(folder) / "audit.jsonl", "sent", archive="dicom://PACS@127.0.0.1:4242", count=3)
    ...     [line["event"] for line in events(Path(folder) / "audit.jsonl")]
    ['sent']
    """
    if not _WORD.fullmatch(event):
        raise ParameterError(f"An event of the audit log is one word in small letters. Received: {event!r}.")
    said = {name: _checked(name, value) for name, value in what.items() if value is not None}
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "user": _user(),
        "software": software()["version"],
        **said,
    }
    try:
        _append(Path(path), json.dumps(line, ensure_ascii=True).encode() + b"\n")
    except OSError as error:
        raise TmtvError(f"{path}: the audit log cannot be written ({error.strerror or error}).") from error


def events(path: Path) -> list[dict]:
    """The events of a log, oldest first; lines that are not whole are left out."""
    found = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                found.append(event)
    return found


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync(path.parent)


def _checked(name: str, value: str | int) -> str | int:
    if name not in FIELDS:
        raise ParameterError(f"The audit log has no field {name!r}; it has {', '.join(FIELDS)}.")
    pattern = FIELDS[name]
    if pattern is None:
        fits = isinstance(value, int)
    else:
        fits = isinstance(value, str) and pattern.fullmatch(value) is not None
    if not fits:  # the value itself is not shown: it may be what must not be written
        raise ParameterError(f"{name}: not a value that the audit log may hold.")
    return value


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user without an entry in /etc/passwd
        return str(os.getuid())
