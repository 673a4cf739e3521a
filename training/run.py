"""The folder of a training run: run.json says what was trained, on what, with which software."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import ValidationError

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import read_json, write_json
from petct.parallel import progress
from tmtv_tf import __version__
from tmtv_tf.cases.case import INFO_NAME, is_phantom
from tmtv_tf.cases.cohort import CohortRow, read_cohort
from tmtv_tf.evaluation.training_hours import HOURS
from tmtv_tf.input.arrays import ModelArrays, model_arrays, write_model_arrays
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.file import PHANTOM
from training.config import RENAMED, FitConfig
from training.state import NAME


def split_cases(cases: Path) -> dict[str, list[CohortRow]]:
    """Rows of cohort.csv by split, in the order of case_id.

    Raises
    ------
    CaseError
        A case without a split (splits are never drawn here), or one patient in two splits.
    """
    rows = sorted(read_cohort(cases), key=lambda row: row["case_id"])
    unassigned = [row["case_id"] for row in rows if row["split"] is None]
    if unassigned:
        raise CaseError(
            f"{cases / 'cohort.csv'}: {len(unassigned)} cases have no split (the first: {unassigned[0]}); "
            "`tmtv prepare` assigns them."
        )
    return {split: [r for r in rows if r["split"] == split] for split in ("train", "validation", "test")}


def prepare_arrays(cases: Path, case_ids: Sequence[str], grid: ModelGrid) -> list[ModelArrays]:
    """The model-grid arrays of the cases; those that are missing are written now, one case at a time."""
    ready = []
    with progress("model-grid arrays", len(case_ids)) as advance:
        for case_id in case_ids:
            write_model_arrays(cases / case_id, grid)
            ready.append(model_arrays(cases / case_id, grid))
            advance(1)
    return ready


def trained_on(cases: Path, case_ids: Sequence[str]) -> str:
    """What a model trained on these cases has seen, as its file says it: one of `tmtv_tf.models.file.TRAINED_ON`."""
    phantoms = {is_phantom(read_json(cases / case_id / INFO_NAME), case_id) for case_id in case_ids}
    return "phantom and patients" if len(phantoms) > 1 else PHANTOM if True in phantoms else "patients"


def data_fingerprint(arrays: dict[str, Sequence[ModelArrays]]) -> dict[str, Any]:
    """Which cases, in which split, made from which files: their ids, counts and one SHA-256."""
    content = {split: {a.case_id: _sizes(a) for a in members} for split, members in arrays.items()}
    text = json.dumps(content, sort_keys=True)
    return {
        "cases": {split: sorted(members) for split, members in content.items()},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def open_run(
    out: Path, config: FitConfig, data: dict[str, Any], devices: Sequence[str], *, writes: bool = True
) -> None:
    """Begin a run in `out`, or continue the one that it already holds; write run.json.

    Raises
    ------
    ParameterError
        `out` holds a run of another configuration or other data.
    """
    path = out / "run.json"
    # as it reads back from JSON, so that the comparison below is of equals
    settings = json.loads(json.dumps(config.model_dump(mode="json")))
    starts: list[dict[str, Any]] = []
    hours: dict[str, float] = {}
    trained = (out / NAME).is_file() or any(out.glob("*.keras"))
    if trained:  # otherwise there is nothing to go on with, and nothing to lose
        before = read_json(path) if path.is_file() else {}
        if not {"config", "data", "starts"} <= before.keys():
            raise ParameterError(f"{out}: holds models but no run.json of theirs; choose another --out.")
        changed = _differences(_with_defaults(before["config"], config), settings)
        if not config.cosine_decay:  # which depends on the number of epochs
            changed = [c for c in changed if not c.startswith("epochs:")]
        if changed:
            raise ParameterError(
                f"{out}: holds a run of another configuration ({'; '.join(changed)}); choose another --out."
            )
        if before["data"]["sha256"] != data["sha256"]:
            raise ParameterError(
                f"{out}: holds a run on other data (or a copy of it with other file times: cp -a keeps them); "
                "choose another --out."
            )
        starts = before["starts"]
        hours = {HOURS: before[HOURS]} if HOURS in before else {}
    starts.append(
        {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "devices": list(devices),
            "software": software(),
        }
    )
    if writes:
        write_json(path, {"config": settings, "data": data, "starts": starts, **hours})


def _with_defaults(settings: dict[str, Any], like: FitConfig) -> dict[str, Any]:
    """The settings of an earlier start with the defaults of keys that came into being since."""
    settings = {RENAMED.get(key, key): value for key, value in settings.items()}
    try:
        return json.loads(json.dumps(type(like).model_validate(settings).model_dump(mode="json")))
    except ValidationError:  # a key is gone or has other values now: the comparison names it
        return settings


def software() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "tmtv_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _sizes(arrays: ModelArrays) -> dict[str, Any]:
    try:
        description = read_json(arrays.description)
        return {"format": description["format"], **description["sources"]}
    except TmtvError as error:
        raise CaseError(f"{arrays.folder}: model-grid arrays are incomplete.") from error


def _differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted(before.keys() | now.keys()):
        a, b = before.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}: {a} there, {b} here")
    return found
