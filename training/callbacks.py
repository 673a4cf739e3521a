"""What happens beside the gradient steps: checkpoints and state, stopping."""

from __future__ import annotations

import csv
import io
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from petct.errors import TmtvError
from petct.files import write_text
from tmtv_tf.evaluation.training_hours import record_hours
from training.multi_worker import any_worker, wait_for_all
from training.state import NAME, Progress, save_state
from training.stopping import TrainingStopped
from training.strategy import is_chief

# What Keras's ReduceLROnPlateau forgets when a run is resumed.
REMEMBERED = {"ReduceLROnPlateau": ("best", "wait", "cooldown_counter")}


class TrainingError(TmtvError):
    """Training cannot go on."""


class Keep(keras.callbacks.Callback):
    """After each epoch: last.keras, best.keras, log.csv, and, as the last, the state that names the epoch done.

    A run that is killed before the state was written repeats that epoch and writes the same files again. Must be
    the last of the callbacks, so that their memory of the epoch is in the state.

    Parameters
    ----------
    out : folder of the run.
    save : writes the network as a model file: save(path, model).
    progress : where the run stands; kept up to date.
    partial_metrics : metrics of the half-finished epoch that is resumed.
    strategy : the devices and workers that train; worker 0 writes.
    """

    def __init__(
        self,
        out: Path,
        save: Callable[[Path, keras.Model], None],
        progress: Progress,
        others: list[keras.callbacks.Callback],
        *,
        monitor: str,
        partial_metrics: list[np.ndarray] | None = None,
        strategy: tf.distribute.Strategy,
    ):
        super().__init__()
        self.out, self.save, self.progress, self.others = out, save, progress, others
        # a loss is better when it is lower, a Dice when it is higher
        self.monitor, self.sign = monitor, -1.0 if monitor.endswith("dice") else 1.0
        self.partial_metrics, self.writes = partial_metrics or [], is_chief(strategy)
        self.strategy = strategy
        self.first_step = progress.step
        self.stop_signal: int | None = None
        self.handlers: dict[int, Any] = {}  # those of before
        self.clock = time.monotonic()

    def on_train_begin(self, logs=None):
        self.clock = time.monotonic()
        for callback in self.others:
            for name, value in self.progress.callbacks.get(type(callback).__name__, {}).items():
                setattr(callback, name, value)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self.handlers[number] = signal.signal(number, self._stop)

    def on_train_end(self, logs=None):
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def on_epoch_begin(self, epoch, logs=None):
        self.progress.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.partial_metrics:  # metrics are sums: those of the earlier part of this epoch are added
            for variable, value in zip(self.model.metrics_variables, self.partial_metrics, strict=True):
                variable.assign(variable.numpy() + value)
            self.partial_metrics = []
        self.progress.step = self.first_step + batch + 1
        if batch + 1 == self.params["steps"]:
            return  # the epoch is finished first, and then saved as a whole
        if any_worker(self.strategy, self.stop_signal is not None):
            # each read adds up the replicas of all workers, so all workers read
            self._save_state([np.asarray(v.numpy()) for v in self.model.metrics_variables])
            self._leave(f"in epoch {self.progress.epoch + 1} after step {self.progress.step}")

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        rate = self.model.optimizer.learning_rate
        logs.setdefault("learning_rate", float(keras.ops.convert_to_numpy(rate)))
        value = logs[self.monitor]
        self.progress.history.append({"epoch": epoch + 1, **logs})
        self.progress.epoch, self.progress.step, self.first_step = epoch + 1, 0, 0
        improved = math.isfinite(value) and (
            self.progress.best is None or self.sign * value < self.sign * self.progress.best
        )
        if improved:
            self.progress.best = value
        if self.writes:
            self.save(self.out / "last.keras", self.model)
            if improved or not (self.out / "best.keras").exists():
                self.save(self.out / "best.keras", self.model)
            write_text(self.out / "log.csv", _csv(self.progress.history))
        self._save_state()
        if self.writes:
            record_hours(self.out, self.progress.seconds)
        if epoch + 1 < self.params["epochs"] and any_worker(self.strategy, self.stop_signal is not None):
            self._leave(f"after epoch {epoch + 1}")

    def _leave(self, where: str):
        wait_for_all(self.strategy)  # no worker leaves while worker 0 still writes
        by = "another worker" if self.stop_signal is None else signal.Signals(self.stop_signal).name
        raise TrainingStopped(
            f"Stopped by {by} {where}; all is saved, and the same command goes on from here."
        )

    def _save_state(self, metrics=()):
        now = time.monotonic()
        self.progress.seconds += now - self.clock
        self.clock = now
        self.progress.callbacks = {
            type(c).__name__: {name: getattr(c, name) for name in REMEMBERED[type(c).__name__]}
            for c in self.others
            if type(c).__name__ in REMEMBERED
        }
        if self.writes:
            save_state(self.out / NAME, self.model, self.progress, metrics)

    def _stop(self, number, frame):
        if self.stop_signal is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self.stop_signal = number


class StopOnNaN(keras.callbacks.Callback):
    """Stops as soon as a loss or weight is no number, before anything is overwritten, and says what to try."""

    def on_train_batch_end(self, batch, logs=None):
        self._check("loss", (logs or {}).get("loss"), f"step {batch + 1}")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        for name in ("loss", "val_loss"):
            self._check(name, (logs or {}).get(name), "its end")
        for variable in self.model.variables:  # the last step's update has not met a loss
            self._check(variable.path, float(np.sum(variable.numpy(), dtype=np.float64)), "its last step")

    def _check(self, name: str, value, where: str):
        if value is not None and not math.isfinite(value):
            raise TrainingError(
                f"The {name} became {float(value)} in epoch {self.epoch + 1} at {where}. What was finished before is "
                "kept. Try a lower learning rate, optimizer.clip_norm, or float32 in place of float16, in a new --out."
            )


def _csv(history: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    columns = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return buffer.getvalue()
