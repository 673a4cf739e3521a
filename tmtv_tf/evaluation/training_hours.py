"""How long a run has trained, in its run.json: what the first paper gives as 93 hours."""

from __future__ import annotations

from pathlib import Path

from petct.errors import CaseError
from petct.files import read_json, write_json

HOURS = "training_hours"


def record_hours(out: Path, seconds: float) -> None:
    """Write the hours into `out/run.json`, if the run has one."""
    path = out / "run.json"
    if path.is_file():
        write_json(path, read_json(path) | {HOURS: round(seconds / 3600, 4)})


def read_hours(run: Path) -> float:
    """The hours that a run has trained.

    Raises
    ------
    CaseError
        No run.json, or one of a version that did not record them.
    """
    path = run / "run.json"
    if not path.is_file():
        raise CaseError(f"{path}: no such file; expected the folder that training wrote (--out).")
    found = read_json(path)
    hours = found.get(HOURS) if isinstance(found, dict) else None
    if not isinstance(hours, int | float) or isinstance(hours, bool) or not hours >= 0:
        raise CaseError(
            f"{path}: does not say how long the run trained ({HOURS}); an earlier version wrote it."
        )
    return float(hours)
