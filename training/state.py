"""Everything a training run needs to go on as if it had never stopped, in one file.

Weights, optimizer slots, learning rate, the seeds of dropout, the metrics of a half-finished epoch, and the memory
of the callbacks (patience, best value). `BackupAndRestore` keeps the first two only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from petct.errors import ModelError
from petct.files import replace_atomically
from petct.npz import NPZ_ERRORS

NAME = "state.npz"


@dataclass
class Progress:
    """How far a run has come.

    Attributes
    ----------
    epoch, step : the next training step to make, both counted from 0.
    history : logs of the finished epochs.
    best : best value of the monitored quantity so far.
    callbacks : attributes of Keras's callbacks that they would forget, by class name.
    seconds : spent in training and validation so far, over all starts; without reading and preparing cases.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0


def save_state(
    path: Path, model: keras.Model, progress: Progress, metrics: Sequence[np.ndarray] = ()
) -> None:
    """Write the state whole or not at all, through to the disk; `metrics` are those of a half-finished epoch."""
    arrays = {f"v{i:05d}": np.asarray(v.numpy()) for i, v in enumerate(variables_of(model))}
    arrays |= {f"m{i:05d}": value for i, value in enumerate(metrics)}
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, progress=json.dumps(asdict(progress)), **arrays)
        file.flush()
        os.fsync(file.fileno())


def load_state(path: Path, model: keras.Model) -> tuple[Progress, list[np.ndarray]]:
    """Put the variables back; returns the progress, and the metrics of a half-finished epoch.

    The optimizer must have been built before.

    Raises
    ------
    ModelError
        The file is damaged, or is of another network or optimizer.
    """
    try:
        with np.load(path) as archive:
            values = {name: archive[name] for name in archive.files}
        progress = Progress(**json.loads(str(values.pop("progress"))))
    except NPZ_ERRORS as error:
        raise ModelError(f"{path}: not readable as the state of a training run ({error}).") from error
    saved = [values[name] for name in sorted(values) if name.startswith("v")]
    variables = variables_of(model)
    if [v.shape for v in saved] != [tuple(v.shape) for v in variables]:
        raise ModelError(f"{path}: the state of another network or optimizer; choose another --out.")
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)
    return progress, [values[name] for name in sorted(values) if name.startswith("m")]


def variables_of(model: keras.Model) -> list:
    """Of the network and its optimizer."""
    return [*model.variables, *model.optimizer.variables]
