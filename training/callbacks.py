"""What happens beside the gradient steps: checkpoints and state, stopping, learning-rate drop, pictures."""

from __future__ import annotations

import csv
import io
import math
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from postprocess.files import write_text
from tmtv_tf.errors import TmtvError
from training.state import NAME, Progress, save_state

# What Keras's ReduceLROnPlateau forgets when a run is resumed.
REMEMBERED = {"ReduceLROnPlateau": ("best", "wait", "cooldown_counter")}


class TrainingError(TmtvError):
    """Training cannot go on."""


class TrainingStopped(TmtvError):
    """Asked to stop (SIGTERM, Ctrl-C); the state was saved."""


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
    writes : whether this process writes files (worker 0).
    several_workers : whether other processes train with this one.
    """

    def __init__(
        self,
        out: Path,
        save: Callable[[Path, keras.Model], None],
        progress: Progress,
        others: list[keras.callbacks.Callback],
        *,
        monitor: str,
        mode: str,
        partial_metrics: list[np.ndarray] | None = None,
        writes: bool = True,
        several_workers: bool = False,
    ):
        super().__init__()
        self.out, self.save, self.progress, self.others = out, save, progress, others
        self.monitor, self.sign = monitor, {"min": 1.0, "max": -1.0}[mode]
        self.partial_metrics, self.writes = partial_metrics or [], writes
        self.several_workers = several_workers
        self.first_step = progress.step
        self.stop_signal: int | None = None

    def on_train_begin(self, logs=None):
        for callback in self.others:
            for name, value in self.progress.callbacks.get(type(callback).__name__, {}).items():
                setattr(callback, name, value)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)

    def on_train_end(self, logs=None):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_epoch_begin(self, epoch, logs=None):
        self.progress.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.partial_metrics:  # metrics are sums: those of the earlier part of this epoch are added
            for variable, value in zip(self.model.metrics_variables, self.partial_metrics, strict=True):
                variable.assign(variable.numpy() + value)
            self.partial_metrics = []
        self.progress.step = self.first_step + batch + 1
        if self.stop_signal is not None:
            self._stop_here()

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        rate = self.model.optimizer.learning_rate
        logs.setdefault("learning_rate", float(keras.ops.convert_to_numpy(rate)))
        value = logs.get(self.monitor)
        if value is None:
            raise TrainingError(
                f"monitor: {self.monitor!r} is not among the logs of an epoch ({', '.join(sorted(logs))})."
            )
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

    def _stop_here(self):
        where = f"{signal.Signals(self.stop_signal).name} in epoch {self.progress.epoch + 1}"
        if self.several_workers:  # the metrics of half an epoch lie with all of them
            raise TrainingStopped(
                f"Stopped by {where}; the same command, on all workers, goes on from its beginning."
            )
        self._save_state()
        raise TrainingStopped(
            f"Stopped by {where} after step {self.progress.step}; all is saved, and the same command goes on from "
            "here."
        )

    def _save_state(self):
        self.progress.callbacks = {
            type(c).__name__: {name: getattr(c, name) for name in REMEMBERED[type(c).__name__]}
            for c in self.others
            if type(c).__name__ in REMEMBERED
        }
        if self.writes:
            save_state(self.out / NAME, self.model, self.progress)

    def _stop(self, number, frame):
        if self.stop_signal is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self.stop_signal = number


class StopOnNaN(keras.callbacks.Callback):
    """Stops as soon as the loss is no number, before anything is overwritten, and says what to try."""

    def on_train_batch_end(self, batch, logs=None):
        self._check((logs or {}).get("loss"), f"step {batch + 1}")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self._check((logs or {}).get("loss"), "its end")

    def _check(self, loss, where: str):
        if loss is not None and not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {float(loss)} in epoch {self.epoch + 1} at {where}. The last finished epoch is "
                "kept. Try a lower learning rate, optimizer.clip_norm, or float32 in place of float16."
            )


class DropLearningRate(keras.callbacks.Callback):
    """Multiplies the learning rate once, at the start of epoch `after_epochs` (counted from 0).

    Parameters
    ----------
    resumed_inside : the epoch whose second half is resumed; what happens at its start has happened. Or None.
    """

    def __init__(self, after_epochs: int, factor: float, resumed_inside: int | None = None):
        super().__init__()
        self.after_epochs, self.factor, self.resumed_inside = after_epochs, factor, resumed_inside

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.after_epochs and epoch != self.resumed_inside:
            optimizer = self.model.optimizer
            now = float(keras.ops.convert_to_numpy(optimizer.learning_rate))  # may be mirrored
            optimizer.learning_rate = now * self.factor


def _csv(history: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    columns = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return buffer.getvalue()
