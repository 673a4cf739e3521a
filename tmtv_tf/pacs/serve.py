"""`tmtv serve`: receive studies, run each once it is complete, store its results, and lose nothing on the way.

What is where, below `OUT/serve`: `queue.sqlite` the queue, `received/<case_id>/` the images, `audit.jsonl` the log.
Results are in `OUT/<case_id>/` as `tmtv run` writes them. The service may be killed at any moment: every step is done
again from the queue, and gives the same files with the same UIDs.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import NoReturn

from petct.dicom.quiet import quiet_pydicom
from petct.errors import TmtvError
from petct.files import locked, remove_leftovers, require_writable, sync_all
from petct.parallel import Outcome, explain
from petct.processes import WorkerProcess
from postprocess.cohort import write_table
from postprocess.results import mark_late, unmark_late
from tmtv_tf.cases.pseudonym import load_key
from tmtv_tf.pacs.archive import is_uid
from tmtv_tf.pacs.arrived import Ended, Job, run_arrived, was_made_of
from tmtv_tf.pacs.audit import record
from tmtv_tf.pacs.incoming import Incoming
from tmtv_tf.pacs.options import ServeOptions
from tmtv_tf.pacs.queue import SETTLED, Queue, Row
from tmtv_tf.pacs.receiver import Receiver, connection_failed
from tmtv_tf.pacs.sender import Sender, pause_s
from tmtv_tf.pacs.status import AUDIT_FILE, IMAGES_FOLDER, QUEUE_FILE, Page
from tmtv_tf.pipeline.run import chosen_model

log = logging.getLogger(__name__)

FOLDER = "serve"
TICK_S = 0.05
COUNT_S = 1.0
TIDY_S = 30.0
DAY_S = 86_400.0
# A process that dies while it runs a study is replaced; a study that does so this often is refused.
LOST_TRIES = 3
# A worker is replaced after so many studies, so that what libraries leave behind cannot add up.
STUDIES_A_WORKER = 20


class Service:
    """The running service: made, run until `stop` is set, closed.

    Raises
    ------
    TmtvError
        Another service uses this folder; an address is taken; the model, the key or the folder cannot be used.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self.out = options.out.absolute()
        self.folder = self.out / FOLDER
        require_writable(self.out)
        self.model = chosen_model(options.model)
        key = load_key(options.key_file)
        self._tls = None if options.tls is None else options.tls.context()
        self._workers: dict[str, tuple[WorkerProcess, float]] = {}
        self._idle: list[WorkerProcess] = []
        self._outcomes: dict[str, Outcome] = {}
        self._not_before: dict[str, float] = {}  # monotonic
        self._last_error = ""
        self._tidied = False
        self._writing = ExitStack()
        self._changes = self._in_table = 0  # so a change while the table is written is for the next one
        self._stack = ExitStack()
        try:
            self._stack.enter_context(locked(self.folder, wait_s=2.0))
            sync_all((self.folder, self.out, self.out.parent))
            self._stack.enter_context(quiet_pydicom())
            self._open(key)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, key: bytes) -> None:
        options, close = self.options, self._stack.callback
        self.queue = Queue(self.folder / QUEUE_FILE)
        close(self.queue.close)
        self.queue.recover()
        self.audit = partial(record, self.folder / AUDIT_FILE)
        images = self.folder / IMAGES_FOLDER
        self.incoming = Incoming(
            images,
            self.queue,
            key,
            options.limits,
            late=self._mark_late,
            has_result=lambda case_id: was_made_of(self.out / case_id, images / case_id),
        )
        self.incoming.recover()
        self.sender = None
        if options.archive is not None:
            audit = self.folder / AUDIT_FILE
            self.sender = Sender(self.queue, self.out, options.archive, objects=options.objects, audit=audit)
            close(self.sender.close)
        self.page = None if options.page_port is None else Page(self.queue, options.page_port)
        if self.page is not None:
            close(self.page.close)
        close(self._end_workers)
        self.receiver = Receiver(
            self.incoming,
            options.host,
            options.port,
            ae_title=options.ae_title,
            allowed=options.allowed,
            audit=self.audit,
            tls=self._tls,
        )
        close(self.receiver.close)
        self._say("started")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. One bad study, or a disk that is full, does not end it."""
        last = counted = tidied = time.monotonic()
        while not stop.wait(TICK_S):
            try:
                self._step()
                now = time.monotonic()
                if now - counted >= COUNT_S:
                    counted = now
                    self.queue.count(self.incoming.amounts())
                    self.incoming.bytes = self.queue.total_bytes()
                if now - tidied >= TIDY_S:
                    tidied = now
                    self.queue.add_service(now - last)
                    last = now
                    self._remove_old()
                    self._write_table()
                self._last_error = ""
            except Exception as error:
                text = explain(error)[0]
                if text != self._last_error:  # a full disk is said once, not every second
                    log.error("%s", text)
                self._last_error = text
                stop.wait(COUNT_S)

    def close(self) -> None:
        """End at once; what was running is run again by the next service."""
        with suppress(TmtvError):
            self._say("stopped")
        self._stack.close()
        with suppress(TmtvError):
            self._write_table()
        self._writing.close()

    # One step

    def _step(self) -> None:
        self.receiver.tidy()
        self.incoming.complete()
        self._collect()
        self._dispatch()
        if not self._workers:
            self._writing.close()  # now a reader may edit results

    def _dispatch(self) -> None:
        free = self.options.workers - len(self._workers)
        if free <= 0:
            return
        now = time.monotonic()
        due = [
            row
            for row in self.queue.studies("waiting")
            if row.case_id not in self._workers and now >= self._not_before.get(row.case_id, 0.0)
        ]
        for row in due[:free]:
            if not self._workers and not self._may_write():
                return
            if self.queue.move(row.case_id, "waiting", "running", ran=True):
                self._start(row)

    def _may_write(self) -> bool:
        """Take the lock on the results; False while a reader edits one: then in the next step."""
        try:
            self._writing.enter_context(locked(self.out))
        except TmtvError:
            return False
        if not self._tidied:
            remove_leftovers(self.out)
            self._tidied = True
        return True

    def _start(self, row: Row) -> None:
        worker = self._idle.pop() if self._idle else WorkerProcess()
        threads = max(1, (os.cpu_count() or 1) // self.options.workers)
        job = Job(
            row.case_id,
            self.incoming.folder / row.case_id,
            self.out,
            self.model,
            self.options.run,
            again=row.runs > 0,
            threads=threads,
        )
        worker.start(row.case_id, run_arrived, job)
        self._workers[row.case_id] = (worker, time.monotonic())

    def _collect(self) -> None:
        for case_id, (worker, begun) in list(self._workers.items()):
            outcome = self._outcome(case_id, worker, begun)
            if outcome is None:
                continue
            self._outcomes[case_id] = outcome
            del self._workers[case_id]
            if outcome.lost or worker.cases >= STUDIES_A_WORKER:
                worker.end()
            else:
                self._idle.append(worker)
        for case_id, outcome in list(self._outcomes.items()):
            self._settle(case_id, outcome)
            del self._outcomes[case_id]  # not if the queue could not be written: then in the next step

    def _outcome(self, case_id: str, worker: WorkerProcess, begun: float) -> Outcome | None:
        try:
            outcome = worker.outcome()
        except TmtvError as error:  # it died before it could work
            return Outcome(case_id, error=str(error), lost=True)
        if outcome is None and time.monotonic() - begun > self.options.run_minutes * 60:
            worker.end()
            worker.cases = STUDIES_A_WORKER
            minutes = f"{self.options.run_minutes:g} minutes"
            return Outcome(case_id, value=Ended(f"The run took more than {minutes} (--run-minutes)."))
        return outcome

    def _settle(self, case_id: str, outcome: Outcome) -> None:
        ended = outcome.value if outcome.error is None else Ended(outcome.error, retry=outcome.lost)
        after = "done" if self.sender is None else "sending"
        if ended.retry:
            tries = self.queue.failed(case_id, "running", ended.reason)
            self._not_before[case_id] = time.monotonic() + pause_s(tries)
            after = "refused" if outcome.lost and tries >= LOST_TRIES else "waiting"
        elif ended.reason:
            after = "refused"
        if not ended.reason:
            unmark_late(self.out / case_id)
            self._changes += 1
        moved = self.queue.move(case_id, "running", after, reason=ended.reason)
        if not ended.retry:
            self._not_before.pop(case_id, None)
        if self.sender is not None:
            self.sender.wake()
        row = self.queue.study(case_id)
        if moved:
            self._say("run", case_id=case_id, state=after, study_uid=_uid(row))
        elif row is not None and row.state in ("receiving", "waiting"):  # more images came while it ran
            self._mark_late(case_id)

    def _mark_late(self, case_id: str) -> None:
        """Its number must not pass for that of the whole study, until a run has used what came."""
        mark_late(self.out / case_id)
        self._changes += 1

    # Now and then

    def _remove_old(self) -> None:
        oldest = self.queue.service_s() - self.options.keep_days * DAY_S
        for row in self.queue.studies(*SETTLED):
            old = row.settled_s is not None and row.settled_s < oldest
            if old and self.queue.forget(row.case_id, *SETTLED):
                self.incoming.remove(row.case_id)
                self._say("removed", case_id=row.case_id, study_uid=_uid(row), count=row.images)

    def _write_table(self) -> None:
        if (changes := self._changes) != self._in_table:
            for text in write_table(self.out):
                log.info("%s", text)
            self._in_table = changes

    def _end_workers(self) -> None:
        for worker in [*self._idle, *(worker for worker, _ in self._workers.values())]:
            worker.end()

    def _say(self, event: str, **what: str | int | None) -> None:
        try:
            self.audit(event, **what)
        except TmtvError as error:
            log.error("%s", error)


def _uid(row: Row | None) -> str | None:
    """A UID for the audit log; one that is none is not written there."""
    return row.study_uid if row and is_uid(row.study_uid) else None


def serve(options: ServeOptions, stop: threading.Event) -> None:
    """Run the service until `stop` is set, and say where it listens."""
    threading.excepthook = connection_failed  # this process is the service's own
    service = Service(options)
    try:
        place = service.receiver.address + (" over TLS" if options.tls else "")
        print(f"Receiving as {place}; results in {service.out}.", flush=True)
        if service.page is not None:
            print(f"Status: {service.page.url}", flush=True)
        service.run(stop)
    finally:
        service.close()


def serve_until_signalled(options: ServeOptions) -> NoReturn:
    """Serve until SIGTERM or Ctrl-C, then leave at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(options, stop)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # connections that were cut may still have threads, and nothing of theirs is wanted
