"""Cases on a running Dask cluster. A scheduler or workers that are gone end the wait, with one sentence."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from petct.errors import ParameterError, TmtvError
from petct.extras import extra
from petct.parallel import Job, Outcome, attempt

# How long a command waits for a scheduler's answer.
ANSWER_S = 10.0
# How long a command goes on without any connected worker, or without the scheduler, before it gives up.
PATIENCE_S = 20.0
# How often it looks.
LOOK_S = 0.1


def run_on_cluster(jobs: list[Job], scheduler: str) -> Generator[tuple[int, Outcome], None, None]:
    """Outcomes by position as they come.

    Raises
    ------
    ParameterError
        Dask is not installed, or no scheduler answers at this address.
    TmtvError
        The scheduler, or every worker, is gone for longer than PATIENCE_S.
    """
    with extra("cluster", "--scheduler"):
        from distributed import Client
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # our sentence says it
    try:
        client = Client(scheduler, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ParameterError(f"No Dask scheduler answers at {scheduler} ({error}).") from error
    try:
        futures = {
            client.submit(attempt, case_id, function, arguments, pure=False): i
            for i, case_id, function, arguments in jobs
        }
        seen_s = time.monotonic()
        while futures:
            time.sleep(LOOK_S)  # a future hears of its end by itself, but not of that of the scheduler
            if _has_workers(client):
                seen_s = time.monotonic()
            for future in [future for future in futures if future.status in ("finished", "error")]:
                i = futures.pop(future)
                yield i, _outcome(jobs, i, future)
            if futures and time.monotonic() - seen_s > PATIENCE_S:
                raise TmtvError(
                    f"The Dask scheduler at {scheduler} has had no worker for {PATIENCE_S:.0f} seconds, or is gone: "
                    f"{len(futures)} of {len(jobs)} cases are not done. Start them, then run the same command again."
                )
    finally:
        _close(client)


def _has_workers(client: Any) -> bool:
    if client.status != "running" or client.scheduler is None or not client.scheduler_comm:
        return False
    if client.scheduler_comm.comm.closed():
        return False
    try:
        return bool(client.nthreads() if client.status == "running" else {})
    except (OSError, TimeoutError, ValueError):
        return False


def _outcome(jobs: list[Job], i: int, future: Any) -> Outcome:
    case_id = next(job[1] for job in jobs if job[0] == i)
    if future.status == "finished":
        return future.result(timeout=ANSWER_S)
    error = future.exception(timeout=ANSWER_S)
    lost = type(error).__name__ == "KilledWorker"
    reason = "The Dask workers that tried it died" if lost else f"unexpected {type(error).__name__}: {error}"
    return Outcome(case_id, error=f"{reason}.", lost=lost)


def _close(client: Any) -> None:
    """Cancel what runs and close, in bounded time, also where the scheduler is gone."""
    with suppress(OSError, TimeoutError):
        client.close(timeout=1)
