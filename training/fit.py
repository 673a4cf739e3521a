"""`model.fit` on all devices, with checkpoints, logs and a state to go on from. The same for every network."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from training._keras_internals import build_beforehand, make_replicas_equal
from training.callbacks import Keep, StopOnNaN, TrainingError
from training.config import FitConfig
from training.multi_worker import wait_for_all, worker_loss_explained
from training.optimizer import make_optimizer
from training.pictures import without_host_names
from training.state import NAME, Progress, load_state
from training.strategy import computes_in_bfloat16, is_chief

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """What a training script hands to `run_fit`.

    Attributes
    ----------
    build : makes the network (not compiled); called inside the strategy's scope.
    compile_options : makes the arguments of `model.compile` beside the optimizer (loss, loss_weights, metrics);
        called inside the strategy's scope. Losses return one value per sample.
    training_data : (first_epoch, first_step) -> batches of all epochs from there on.
    steps_per_epoch : number of those batches that make an epoch.
    validation_data : all validation cases once, or None.
    save : writes the trained network as a model file that loads without this package: save(path, model).
    callbacks : further Keras callbacks; they run before the checkpoint is written.
    seeded : the network was built and seeded before (a cross-validation's next fold); seeding once more would make
        TensorFlow optimise its graph anew, which takes longer than a small fold.
    """

    build: Callable[[], keras.Model]
    compile_options: Callable[[], dict[str, Any]]
    training_data: Callable[[int, int], tf.data.Dataset]
    steps_per_epoch: int
    validation_data: tf.data.Dataset | None
    save: Callable[[Path, keras.Model], None]
    callbacks: Sequence[keras.callbacks.Callback] = field(default_factory=list)
    seeded: bool = False


def run_fit(
    experiment: Experiment, config: FitConfig, out: Path, strategy: tf.distribute.Strategy
) -> Progress:
    """Train, or go on training, in the folder `out`: best.keras, last.keras, log.csv, state.npz, tensorboard/.

    Interrupted at any moment, the same call goes on after the last finished epoch (after SIGTERM or Ctrl-C: after
    the last step) and ends with the result of a run that was never interrupted.
    """
    if not experiment.seeded:
        keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_tensor_float_32_execution(config.precision != "float32")
    if config.precision == "mixed_bfloat16" and not computes_in_bfloat16():
        log.warning(
            "precision: mixed_bfloat16, which this CPU does not compute in hardware: expect twenty times the time of "
            "precision: float32."
        )
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    with strategy.scope(), dtype_policy(config.precision):
        model = experiment.build()
        if not model.compiled:  # one that comes compiled (the next fold's) keeps its graph
            compile_model(model, config, experiment.compile_options())
        progress, partial_metrics = Progress(), []
        if (out / NAME).exists():
            progress, partial_metrics = load_state(out / NAME, model)
    if progress.epoch >= config.epochs:
        return progress

    keep = Keep(
        out,
        experiment.save,
        progress,
        callbacks := [*_callbacks(config, out, is_chief(strategy)), *experiment.callbacks],
        monitor=config.monitor,
        partial_metrics=partial_metrics,
        strategy=strategy,
    )
    for first, last in _fit_calls(progress, config.epochs):
        step = progress.step
        data = experiment.training_data(first, step)
        if strategy.num_replicas_in_sync > 1:
            with strategy.scope():
                build_beforehand(model, data)
        with (
            worker_loss_explained(strategy),
            memory_explained(config),
            without_host_names(out / "tensorboard"),
        ):
            model.fit(
                data,
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=experiment.steps_per_epoch - step,
                validation_data=experiment.validation_data,
                callbacks=[*callbacks, keep],
                shuffle=False,  # the order of the cases is the data's own
                verbose=(1 if sys.stdout.isatty() else 2) if keep.writes else 0,
            )
    wait_for_all(strategy)  # so that no worker leaves while another still writes
    return progress


@contextmanager
def memory_explained(config: FitConfig):
    """An accelerator's memory that does not suffice, as one sentence."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            f"The memory of a device does not suffice for batch {config.batch} in {config.precision}. Try a smaller "
            "batch with optimizer.gradient_accumulation_steps, mixed_bfloat16, or more devices, in a new --out. "
            f"({str(error).splitlines()[0][:200]})"
        ) from error


def conclusion(progress: Progress, config: FitConfig, out: Path) -> str:
    """The last line of a finished training."""
    if progress.best is None:
        best = out / "best.keras"
        return (
            f"{progress.epoch} epochs done; {config.monitor} was never a number, so {best} is of the first."
        )
    return f"Best {config.monitor} {progress.best:.4f} after {progress.epoch} epochs: {out / 'best.keras'}"


def compile_model(model: keras.Model, config: FitConfig, options: dict[str, Any]) -> None:
    """Compile with the configured optimizer, whose variables are made now; inside the strategy's scope.

    Any number of replicas trains what one device does (`make_replicas_equal`).
    """
    make_replicas_equal(model)
    model.compile(optimizer=make_optimizer(config.optimizer, config.precision), jit_compile=False, **options)
    model.optimizer.build(model.trainable_variables)


@contextmanager
def dtype_policy(name: str):
    """Keras's global policy of a precision, for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if name == "tf32" else name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _fit_calls(progress: Progress, epochs: int) -> list[tuple[int, int]]:
    """(first, last) epochs of the calls of `fit`: what is left of a half-finished epoch is a call of its own."""
    first = progress.epoch
    if progress.step == 0:
        return [(first, epochs)]
    return [(first, first + 1)] + ([(first + 1, epochs)] if first + 1 < epochs else [])


def _schedule(config: FitConfig) -> keras.optimizers.schedules.LearningRateSchedule | None:
    """The learning rate by epoch, counted from 0; None where it follows the loss, or stays."""
    schedules, rate = keras.optimizers.schedules, config.optimizer.learning_rate
    if config.cosine_decay:
        return schedules.CosineDecay(rate, config.epochs)
    if drop := config.learning_rate_drop:
        return schedules.PiecewiseConstantDecay([drop.after_epochs - 1], [rate, rate * drop.factor])
    return None


def _callbacks(config: FitConfig, out: Path, writes: bool) -> list:
    callbacks: list[keras.callbacks.Callback] = [StopOnNaN()]
    if schedule := _schedule(config):
        callbacks.append(keras.callbacks.LearningRateScheduler(lambda epoch: float(schedule(epoch))))
    if config.reduce_on_plateau is not None:
        plateau = config.reduce_on_plateau
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor=plateau.monitor,
                patience=plateau.patience,
                factor=plateau.factor,
                min_lr=plateau.min_learning_rate,
                verbose=1,
            )
        )
    if writes and find_spec("tensorboard") is None:
        log.warning("TensorBoard is not installed (pip install tensorboard): no tensorboard/ is written.")
    elif writes:
        callbacks.append(keras.callbacks.TensorBoard(out / "tensorboard", write_graph=False))
    return callbacks
