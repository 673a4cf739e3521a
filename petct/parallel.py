"""One function over many cases: here, in processes, or on a Dask cluster. A bad case never stops the rest."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

from petct.errors import ParameterError, TmtvError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one case: `value` when it was done, else `error`, one sentence."""

    case_id: str
    value: Any = None
    error: str | None = None


def run_cases(
    function: Callable[..., Any],
    cases: Sequence[tuple[str, tuple]],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    description: str = "cases",
) -> list[Outcome]:
    """Call `function(*arguments)` for each `(case_id, arguments)`; outcomes in the order of `cases`.

    Parameters
    ----------
    function : importable by name (processes and Dask pickle it); its result should be small.
    workers : processes here; 1 runs in this process.
    scheduler : "tcp://host:port" of a running Dask scheduler, used instead of `workers`.
    description : what the progress bar says (shown on a terminal only).
    """
    if workers < 1:
        raise ParameterError(f"--workers must be at least 1. Received: {workers}.")
    outcomes: dict[int, Outcome] = {}
    with _submitter(workers, scheduler) as (submit, completed), progress(description, len(cases)) as advance:
        positions = {submit(function, *arguments): i for i, (_, arguments) in enumerate(cases)}
        for future in completed(positions):
            i = positions[future]
            outcomes[i] = _outcome(cases[i][0], future)
            advance(1)
    return [outcomes[i] for i in range(len(cases))]


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 all done, 1 some done and some failed, 2 nothing done."""
    failed = sum(outcome.error is not None for outcome in outcomes)
    return 0 if outcomes and not failed else 2 if failed == len(outcomes) else 1


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr when that is a terminal; yields a function that advances it."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda step: bar.update(task, advance=step)


def _outcome(case_id: str, future: Future) -> Outcome:
    error = future.exception()
    if error is None:
        return Outcome(case_id, value=future.result())
    if isinstance(error, TmtvError):
        return Outcome(case_id, error=str(error))
    if isinstance(error, OSError) and error.filename:
        return Outcome(case_id, error=f"{error.filename}: {error.strerror or error}.")
    log.debug("case %s", case_id, exc_info=error)
    return Outcome(
        case_id,
        error=f"unexpected {type(error).__name__}: {error} (a fault of this software: please report it)",
    )


@contextmanager
def _submitter(
    workers: int, scheduler: str | None
) -> Iterator[tuple[Callable[..., Any], Callable[[Iterable], Iterable]]]:
    if scheduler is not None:
        try:
            from distributed import Client
            from distributed import as_completed as dask_completed
        except ImportError as error:
            raise ParameterError("--scheduler needs Dask: pip install 'tmtv-tf[cluster]'.") from error
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ParameterError(f"No Dask scheduler answers at {scheduler} ({error}).") from error
        with client:
            yield (lambda f, *a: client.submit(f, *a, pure=False), dask_completed)
    elif workers == 1:
        with ThreadPoolExecutor(1) as executor:
            yield executor.submit, as_completed
    else:
        # Spawned, not forked: a forked process must not inherit the threads of SimpleITK or TensorFlow.
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start_worker
        ) as executor:
            yield executor.submit, as_completed


def _start_worker() -> None:
    """Each worker process uses one core, and ends with the process that started it, even if that is killed."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
