"""One training at a time into one folder. Loads no TensorFlow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from petct.files import locked, remove_leftovers


@contextmanager
def one_training(out: Path) -> Iterator[None]:
    """Hold the lock of a run's folder and remove what a killed run left there half-written.

    Of a job of several workers only the first writes and locks.

    Raises
    ------
    TmtvError
        Another training, or another run, writes into the folder.
    """
    if not _writes():
        yield
        return
    with locked(out):
        remove_leftovers(out)
        yield


def _writes() -> bool:
    """Whether this process is the only worker or the first, as TF_CONFIG or SLURM tell it."""
    if not (configured := os.environ.get("TF_CONFIG")):
        return os.environ.get("SLURM_PROCID", "0") == "0" or os.environ.get("SLURM_STEP_NUM_TASKS") == "1"
    try:
        job = json.loads(configured)
        first = "chief" if "chief" in job["cluster"] else "worker"
        return (job["task"]["type"], job["task"]["index"]) == (first, 0)
    except (ValueError, KeyError, TypeError):
        return True  # TensorFlow refuses it with a sentence of its own
