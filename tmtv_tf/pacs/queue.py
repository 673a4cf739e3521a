"""The queue of `tmtv serve`: one row a study in an SQLite file, each step one transaction that is on disk at its end.

A study goes receiving -> waiting -> running -> sending -> done, or ends as refused. The order of studies is that of
their arrival (`sequence`), and ages are counted in seconds of service, so no step depends on the computer's clock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from petct.errors import TmtvError
from petct.files import make_folder, sync

STATES = ("receiving", "waiting", "running", "sending", "done", "refused")
SETTLED = ("done", "refused")
VERSION = 1
BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE studies (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL UNIQUE,
    study_uid TEXT NOT NULL,
    patient TEXT NOT NULL,
    peer TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    images INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0,
    may_change INTEGER NOT NULL DEFAULT 0,
    changed_at TEXT NOT NULL,
    settled_s REAL
);
CREATE INDEX studies_by_uid ON studies (study_uid);
CREATE INDEX studies_by_state ON studies (state, sequence);
CREATE TABLE open_series (
    case_id TEXT NOT NULL, series_uid TEXT NOT NULL, association TEXT NOT NULL,
    PRIMARY KEY (case_id, series_uid, association)
);
CREATE TABLE service (seconds REAL NOT NULL);
INSERT INTO service VALUES (0);
"""


@dataclass(frozen=True)
class Row:
    """One study.

    Attributes
    ----------
    case_id : pseudonym of patient and study; name of its folders
    patient : keyed hash that tells two patients with one StudyInstanceUID apart
    peer : AE title@address of the first sender
    reason : why it was refused, or why its results could not be stored yet
    attempts : failed tries of the step that it is in
    runs : how often the pipeline was started with it
    may_change : images may arrive with other content than before: the study was refused as it was
    changed_at : UTC, for reading only
    settled_s : seconds of service at which it was done or refused
    """

    sequence: int
    case_id: str
    study_uid: str
    patient: str
    peer: str
    state: str
    reason: str
    images: int
    bytes: int
    attempts: int
    runs: int
    may_change: int
    changed_at: str
    settled_s: float | None


_COLUMNS = ", ".join(field.name for field in fields(Row))


class Queue:
    """The studies that `tmtv serve` holds. Safe for threads, and for readers and writers in other processes.

    Raises
    ------
    TmtvError
        The file is not such a queue, is of a later version, is damaged, or cannot be written.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not make and not path.is_file():
            raise TmtvError(f"{path}: no such queue; tmtv serve has not run with this --out.")
        with self._sentence():
            make_folder(path.parent, durable=True)
            if not path.exists():
                path.touch(mode=0o600)
                sync(path.parent)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")  # a committed step survives a power loss
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
            elif version != VERSION:
                raise TmtvError(f"{path}: a queue of version {version}; this software reads {VERSION}.")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # What is there

    def study(self, case_id: str) -> Row | None:
        return next(iter(self._rows("WHERE case_id = ?", case_id)), None)

    def studies(self, *states: str) -> list[Row]:
        """Those in these states (all without any), the oldest first."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        return self._rows(f"{where} ORDER BY sequence", *states)

    def latest(self, count: int) -> list[Row]:
        """Those that are not done, then the others; of each the newest first."""
        return self._rows(f"ORDER BY state = 'done', sequence DESC LIMIT {count}")

    def counts(self) -> dict[str, int]:
        """How many studies are in each state."""
        with self._sentence(), self._lock:
            found = dict(self._db.execute("SELECT state, COUNT(*) FROM studies GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in STATES}

    def total_bytes(self) -> int:
        """Of all images held."""
        with self._sentence(), self._lock:
            return int(self._db.execute("SELECT COALESCE(SUM(bytes), 0) FROM studies").fetchone()[0])

    def is_new(self) -> bool:
        """Whether no study has ever been in it."""
        with self._sentence(), self._lock:
            return not self._db.execute("SELECT COUNT(*) FROM sqlite_sequence").fetchone()[0]

    def other_patient(self, study_uid: str, patient: str) -> Row | None:
        """A study with this UID and another patient."""
        return next(iter(self._rows("WHERE study_uid = ? AND patient != ?", study_uid, patient)), None)

    def service_s(self) -> float:
        """For how long the service has run, all its runs together."""
        with self._sentence(), self._lock:
            return float(self._db.execute("SELECT seconds FROM service").fetchone()[0])

    def open_series(self, case_id: str) -> dict[str, set[str]]:
        """Series that were begun and whose association has not been released: series -> associations."""
        found: dict[str, set[str]] = {}
        with self._sentence(), self._lock:
            rows = self._db.execute(
                "SELECT series_uid, association FROM open_series WHERE case_id = ?", (case_id,)
            )
            for series_uid, association in rows.fetchall():
                found.setdefault(series_uid, set()).add(association)
        return found

    # Steps; each is one transaction

    def arrive(self, case_id: str, study_uid: str, patient: str, peer: str) -> None:
        """A study begins to arrive; one that is there stays as it is."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO studies (case_id, study_uid, patient, peer, state, changed_at)"
                " VALUES (?, ?, ?, ?, 'receiving', ?)",
                (case_id, study_uid, patient, peer, _now()),
            )

    def begin_series(self, case_id: str, series_uid: str, association: str) -> None:
        """An association begins to send images of a series: the study is receiving (again)."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO open_series VALUES (?, ?, ?)", (case_id, series_uid, association)
            )
            db.execute(
                "UPDATE studies SET state = 'receiving', may_change = (state = 'refused'), reason = '', attempts = 0,"
                " settled_s = NULL, changed_at = ? WHERE case_id = ? AND state != 'receiving'",
                (_now(), case_id),
            )

    def release(self, case_id: str, series: Iterable[str], association: str, alive: Iterable[str]) -> None:
        """The association ended in order: its series are whole, whatever was cut off before."""
        kept = set(alive) - {association}
        with self._transaction() as db:
            for series_uid in series:
                db.execute(
                    "DELETE FROM open_series WHERE case_id = ? AND series_uid = ?"
                    f" AND association NOT IN ({', '.join('?' * len(kept))})",
                    (case_id, series_uid, *kept),
                )

    def count(self, amounts: dict[str, tuple[int, int]]) -> None:
        """Images and bytes received, by case id."""
        with self._transaction() as db:
            for case_id, (images, size) in amounts.items():
                db.execute(
                    "UPDATE studies SET images = ?, bytes = ? WHERE case_id = ?", (images, size, case_id)
                )

    def move(self, case_id: str, before: str, after: str, *, reason: str = "", ran: bool = False) -> bool:
        """Take a study from one state to the next; False, and nothing done, if it is no longer in that state."""
        settled = "(SELECT seconds FROM service)" if after in SETTLED else "NULL"
        with self._transaction() as db:
            moved = db.execute(
                "UPDATE studies SET state = ?, reason = ?, runs = runs + ?, changed_at = ?,"
                # a run that was lost is waiting again, and its failures still count
                " attempts = CASE WHEN state = 'waiting' OR ? = 'waiting' THEN attempts ELSE 0 END,"
                f" settled_s = {settled} WHERE case_id = ? AND state = ?",
                (after, reason, int(ran), _now(), after, case_id, before),
            ).rowcount
            if moved and before == "receiving":
                db.execute("DELETE FROM open_series WHERE case_id = ?", (case_id,))
        return bool(moved)

    def failed(self, case_id: str, state: str, reason: str) -> int:
        """A try of the step failed and will be made again; how many have failed in a row."""
        with self._transaction() as db:
            db.execute(
                "UPDATE studies SET attempts = attempts + 1, reason = ? WHERE case_id = ? AND state = ?",
                (reason, case_id, state),
            )
            row = db.execute("SELECT attempts FROM studies WHERE case_id = ?", (case_id,)).fetchone()
        return int(row[0]) if row else 0

    def recover(self) -> None:
        """What a stopped service was running is waiting again."""
        with self._transaction() as db:
            db.execute("UPDATE studies SET state = 'waiting' WHERE state = 'running'")

    def again(self, case_id: str) -> bool:
        """A person asks for a settled study to be run, or its results to be sent, as it is."""
        with self._transaction() as db:
            return bool(
                db.execute(
                    "UPDATE studies SET state = 'waiting', reason = '', attempts = 0, settled_s = NULL"
                    " WHERE case_id = ? AND state IN ('done', 'refused')",
                    (case_id,),
                ).rowcount
            )

    def forget(self, case_id: str, *states: str) -> bool:
        """Take a study off the queue, if it is in one of these states."""
        with self._transaction() as db:
            gone = db.execute(
                f"DELETE FROM studies WHERE case_id = ? AND state IN ({', '.join('?' * len(states))})",
                (case_id, *states),
            ).rowcount
            if gone:
                db.execute("DELETE FROM open_series WHERE case_id = ?", (case_id,))
        return bool(gone)

    def add_service(self, seconds: float) -> None:
        with self._transaction() as db:
            db.execute("UPDATE service SET seconds = seconds + ?", (seconds,))

    # How

    def _rows(self, rest: str, *values: object) -> list[Row]:
        with self._sentence(), self._lock:
            found = self._db.execute(f"SELECT {_COLUMNS} FROM studies {rest}", values).fetchall()
        return [Row(*row) for row in found]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._sentence(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise TmtvError(f"{self.path}: the queue cannot be used ({error}).") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
