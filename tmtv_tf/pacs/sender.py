"""Storing results in the archive: each once, again and again with growing pauses for as long as it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from petct.errors import ArchiveError, TmtvError
from petct.parallel import explain
from tmtv_tf.pacs.archive import Archive
from tmtv_tf.pacs.push import push
from tmtv_tf.pacs.queue import Queue, Row

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 600.0
LOOK_S = 0.5


def pause_s(tries: int) -> float:
    """How long to wait after so many failed tries: 5 s, twice as long each time, at most ten minutes."""
    return min(FIRST_PAUSE_S * 2 ** max(tries - 1, 0), LONGEST_PAUSE_S)


class Sender:
    """A thread that stores the results of every study in the state `sending`.

    Parameters
    ----------
    objects : which objects of a result; None: all that it has (`push.OBJECTS`)
    """

    def __init__(
        self, queue: Queue, out: Path, archive: Archive, *, objects: Sequence[str] | None, audit: Path
    ) -> None:
        self._queue, self._out, self._audit = queue, out, audit
        self._archive, self._objects = archive, objects
        self._due: dict[str, float] = {}  # monotonic: a clock that is turned back delays nothing
        self._stop, self._new = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        self._new.set()

    def close(self) -> None:
        """End; a transfer that is under way is left to itself for a moment, and made again by the next service."""
        self._stop.set()
        self._new.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for row in self._queue.studies("sending"):
                    if self._stop.is_set():
                        return
                    if time.monotonic() >= self._due.get(row.case_id, 0.0):
                        self._send(row)
            except Exception as error:  # a full disk: the queue could not be written
                log.error("%s", explain(error)[0])
            self._new.wait(LOOK_S)
            self._new.clear()

    def _send(self, row: Row) -> None:
        final = False
        try:
            report = push(self._out / row.case_id, self._archive, objects=self._objects, audit=self._audit)
            reason = "; ".join(dict.fromkeys(outcome.reason for outcome in report.failed))
            final = bool(report.failed) and not report.retry
        except ArchiveError as error:  # gone, or it does not let us in: somebody will mend that
            reason = str(error)
        except TmtvError as error:
            reason, final = str(error), True
        except Exception as error:
            reason = explain(error)[0]
        if self._stop.is_set() and reason:
            return
        if not reason:
            self._due.clear()  # it is there: what has waited long goes now
            self._queue.move(row.case_id, "sending", "done")
        elif final:
            self._queue.move(row.case_id, "sending", "refused", reason=reason)
        else:
            tries = self._queue.failed(row.case_id, "sending", reason)
            self._due[row.case_id] = time.monotonic() + pause_s(tries)
            log.warning("%s: not stored, next try in %.0f s: %s", row.case_id, pause_s(tries), reason)
