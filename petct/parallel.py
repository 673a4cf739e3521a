"""One function over many cases: here, in processes, or on a Dask cluster. A bad case never stops the rest.

A case that raises, and a case whose process dies (no memory, a crash of native code), fail alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from petct.errors import Interrupted, ParameterError, TmtvError

T = TypeVar("T")
Job = tuple[int, str, Callable[..., Any], tuple]  # position, case id, function, its arguments


@dataclass(frozen=True)
class Outcome:
    """What became of one case: `value` when it was done, else `error`, one sentence.

    Attributes
    ----------
    traceback : where the error is one that nobody foresaw; else empty.
    lost : the process that computed the case died, so `error` is what is known of its end.
    """

    case_id: str
    value: Any = None
    error: str | None = None
    traceback: str = ""
    lost: bool = False


def run_cases(
    function: Callable[..., Any],
    cases: Sequence[tuple[str, tuple]],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    description: str = "cases",
) -> list[Outcome]:
    """Call `function(*arguments)` for each `(case_id, arguments)`; outcomes in the order of `cases`.

    One case runs in this process. Several run in processes of their own, also with one worker, so that a process
    that dies takes one case with it. A case that was lost so beside others is tried once more, alone, because
    what it lacked may have been the memory that the others held.

    Parameters
    ----------
    function : importable by name (processes and Dask pickle it); its result should be small.
    workers : processes at once.
    scheduler : "tcp://host:port" of a running Dask scheduler, used instead of `workers`.
    description : what the progress bar says (shown on a terminal only).

    Raises
    ------
    ParameterError
        Less than one worker; no Dask, or no scheduler or worker of it that answers in time.
    Interrupted
        Ctrl-C. Running cases are ended, the others are not begun.
    """
    if workers < 1:
        raise ParameterError(f"--workers must be at least 1. Received: {workers}.")
    jobs = [(i, case_id, function, arguments) for i, (case_id, arguments) in enumerate(cases)]
    outcomes: dict[int, Outcome] = {}
    try:
        with progress(description, len(jobs)) as advance:
            for i, outcome in _outcomes(jobs, workers, scheduler):
                if outcome.lost and len(jobs) > 1 and (workers > 1 or scheduler is not None):
                    outcome = next(_run_elsewhere([jobs[i]], 1, scheduler))[1]
                outcomes[i] = outcome
                advance(1)
    except KeyboardInterrupt as error:
        done = sum(outcome.error is None for outcome in outcomes.values())
        raise Interrupted(
            f"Interrupted: {done} of {len(jobs)} cases are done ({description}). The same command goes on."
        ) from error
    return [outcomes[i] for i in range(len(jobs))]


def _outcomes(jobs: list[Job], workers: int, scheduler: str | None) -> Iterator[tuple[int, Outcome]]:
    """Outcomes by position; those of lost cases come last, when no other case is running any more."""
    if len(jobs) < 2 and scheduler is None:
        for i, *job in jobs:
            yield i, interruptible(attempt, *job)
        return
    lost = []
    with closing(_run_elsewhere(jobs, workers, scheduler)) as found:
        for i, outcome in found:
            if outcome.lost:
                lost.append((i, outcome))
            else:
                yield i, outcome
    yield from lost


def _run_elsewhere(
    jobs: list[Job], workers: int, scheduler: str | None
) -> Generator[tuple[int, Outcome], None, None]:
    if scheduler is not None:
        from petct.cluster import run_on_cluster

        return run_on_cluster(jobs, scheduler)
    from petct.processes import run_in_processes

    return run_in_processes(jobs, workers)


def attempt(case_id: str, function: Callable[..., Any], arguments: tuple) -> Outcome:
    """Call the function; whatever it raises becomes the outcome's sentence."""
    try:
        return Outcome(case_id, value=function(*arguments))
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit) as error:
        sentence, unforeseen = explain(error)
        return Outcome(case_id, error=sentence, traceback=_traceback(error) if unforeseen else "")


def explain(error: BaseException) -> tuple[str, bool]:
    """One sentence for an error, and whether it is one that nobody foresaw."""
    if isinstance(error, TmtvError):
        return str(error), False
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "bad_alloc" in text or "ailed to allocate memory" in text:
        return (
            "The memory of this computer does not suffice. Close other programs, or use fewer --workers.",
            False,
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}.", False
    return (
        f"unexpected {type(error).__name__}: {text[:500]} (a fault of this software: please report it).",
        True,
    )


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def interruptible(function: Callable[..., T], *arguments: Any) -> T:
    """Call the function in a thread, so that Ctrl-C is heard at once, even while native code computes."""
    found: list[T] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            found.append(function(*arguments))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if raised:
        raise raised[0]
    return found[0]


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 all done, 1 some done and some failed, 2 nothing done."""
    failed = sum(outcome.error is not None for outcome in outcomes)
    return 0 if outcomes and not failed else 2 if failed == len(outcomes) else 1


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr when that is a terminal; yields a function that advances it."""
    if sys.stderr is None or not sys.stderr.isatty():
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
        _BARS.append(lambda stage: bar.update(task, description=f"{description}: {stage}"))
        try:
            yield lambda step: bar.update(task, advance=step)
        finally:
            _BARS.pop()


# What shows a stage beside the bars that this process shows.
_BARS: list[Callable[[str], None]] = []


def show_stages(show: Callable[[str], None]) -> None:
    """Have this process pass on what `say_stage` says, for as long as it lives."""
    _BARS.append(show)


def say_stage(stage: str) -> None:
    """Say on the progress bar what is being done; nothing where this process shows none."""
    for show in _BARS[-1:]:
        show(stage)
