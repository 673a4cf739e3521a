"""Cases in worker processes, a pipe to each. A process that dies is replaced, and its case is known."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from petct.errors import TmtvError
from petct.parallel import Job, Outcome, attempt, say_stage, show_stages

# Workers may clean up for so long after Ctrl-C before they are killed; a command has to end within two seconds.
GRACE_S = 1.0
# Spawned, not forked: a forked process must not inherit the threads of SimpleITK or TensorFlow.
CONTEXT = get_context("spawn")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    ready: bool = False  # its first sign of life: it can compute


def run_in_processes(jobs: list[Job], workers: int) -> Generator[tuple[int, Outcome], None, None]:
    """Outcomes by position as they come. When the iterator is closed, the processes end.

    Raises
    ------
    TmtvError
        A worker process ends before it has begun to work.
    """
    waiting = deque(jobs)
    staff: list[_Worker] = []
    try:
        while waiting or any(worker.job for worker in staff):
            while waiting and len(staff) < workers and len(staff) < len(jobs):
                _hire(staff)
                _give(staff[-1], waiting)
            for pipe in wait([worker.pipe for worker in staff if worker.job]):
                worker = next(worker for worker in staff if worker.pipe is pipe)
                outcome = _receive(worker)
                if isinstance(outcome, str):
                    say_stage(outcome)
                if worker.job is None or not isinstance(outcome, Outcome):  # its case is running
                    continue
                position, case_id = worker.job[:2]
                worker.job = None
                if outcome.lost:
                    staff.remove(worker)
                elif waiting:
                    _give(worker, waiting)
                yield position, replace(outcome, case_id=case_id)
    finally:
        _dismiss(staff)


class WorkerProcess:
    """One process that computes one case after another, for as long as its owner lives. It may be ended at any time.

    Raises
    ------
    TmtvError
        The process ends before it has begun to work.
    """

    def __init__(self) -> None:
        staff: list[_Worker] = []
        _hire(staff)
        self._worker = staff[0]
        self.cases = 0

    @property
    def busy(self) -> bool:
        return self._worker.job is not None

    def start(self, case_id: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Give it a case; `function` is importable by name."""
        self.cases += 1
        _give(self._worker, deque([(0, case_id, function, arguments)]))

    def outcome(self) -> Outcome | None:
        """What became of the case, once it is known; a lost one means that the process is dead."""
        while self._worker.job is not None and self._worker.pipe.poll():
            found = _receive(self._worker)
            if isinstance(found, Outcome):
                case_id = self._worker.job[1]
                self._worker.job = None
                return replace(found, case_id=case_id)
        return None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._worker.process.terminate()
        _dismiss([self._worker])


def _hire(staff: list[_Worker]) -> None:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_work, args=(theirs, logging.getLogger().level), daemon=True)
    resource_tracker.ensure_running()  # now: starting it would unblock the signal
    # Ctrl-C on a terminal reaches every process; the workers leave it to the one that started them, from birth on.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
        staff.append(_Worker(process, ours))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    theirs.close()  # so that the end of the process is the end of the pipe


def _give(worker: _Worker, waiting: deque[Job]) -> None:
    worker.job = waiting.popleft()
    with suppress(OSError):  # it died between two cases: the next reading of the pipe says so
        worker.pipe.send_bytes(pickle.dumps(worker.job[1:]))


def _receive(worker: _Worker) -> Outcome | str | None:
    """What the worker says: None that it is ready, a stage of its case, or the outcome; a lost one if it is dead."""
    try:
        message = pickle.loads(worker.pipe.recv_bytes())
    except (EOFError, OSError):
        worker.process.join(GRACE_S)
        code = worker.process.exitcode
        if not worker.ready:
            raise TmtvError(f"A worker process ended before it could work ({_end(code)}).") from None
        return Outcome("", error=f"Its process died ({_end(code)}).", lost=True)
    if message is None:
        worker.ready = True
    return message


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name
    memory = "; the system does so when memory runs out: use fewer --workers" if name == "SIGKILL" else ""
    return f"{name}{memory}"


def _dismiss(staff: list[_Worker]) -> None:
    """End all workers: idle ones at the end of their pipe, busy ones by SIGTERM, stubborn ones by SIGKILL."""
    busy = any(worker.job for worker in staff)
    for worker in staff:
        worker.pipe.close()
        if worker.job:
            worker.process.terminate()
    deadline = time.monotonic() + GRACE_S * (1 if busy else 10)
    for worker in staff:
        worker.process.join(max(0.0, deadline - time.monotonic()))
    for worker in staff:
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(GRACE_S)


def _work(pipe: Connection, log_level: int) -> None:
    """A worker's life: case after case until the pipe ends. It uses one core, and ends with its parent."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # temporary files are removed
    logging.basicConfig(level=log_level, format="%(levelname)s: %(message)s", stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    _say(pipe, pickle.dumps(None))
    show_stages(lambda stage: _say(pipe, pickle.dumps(stage)))
    while True:
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            break
        _say(pipe, _answer(message))
    pipe.close()


def _say(pipe: Connection, message: bytes) -> None:
    try:
        pipe.send_bytes(message)
    except OSError:  # nobody listens any more
        sys.exit(1)


def _answer(message: bytes) -> bytes:
    """The outcome of a case, pickled; also where the job cannot be read here, or its result not be sent."""
    outcome = attempt("", _compute, (message,))
    return outcome.value if outcome.error is None else pickle.dumps(outcome)


def _compute(message: bytes) -> bytes:
    return pickle.dumps(attempt(*pickle.loads(message)))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
