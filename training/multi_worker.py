"""Several machines: MultiWorkerMirroredStrategy with Keras 3's `model.fit`.

Keras 3.15 with TensorFlow 2.21 fails under this strategy at two places, both got past here and nowhere else
(https://github.com/keras-team/keras/issues/20585, https://github.com/tensorflow/tensorflow/issues/72388):

1. Before the first step `fit` reduces a batch of the data over the replicas to learn its shapes, which this
   strategy cannot do. `build_beforehand` tells Keras the shapes instead, and `fit` skips that step.
2. After each step the metrics, which are scalars, are averaged over the replicas "along axis 0", which a scalar
   does not have. `ScalarReducingStrategy` averages them over the replicas alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from tmtv_tf.errors import TmtvError

# What TensorFlow raises in the surviving workers when one is lost.
WORKER_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class WorkerLostError(TmtvError):
    """Another worker of the job is gone."""


class ScalarReducingStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """MultiWorkerMirroredStrategy that reduces scalars over the replicas whatever axis it is given."""

    def reduce(self, reduce_op, value, axis):
        if axis is not None and all(v.shape.rank == 0 for v in self.experimental_local_results(value)):
            axis = None
        return super().reduce(reduce_op, value, axis)


def multi_worker_strategy() -> tf.distribute.Strategy:
    """The strategy of this job: workers named by TF_CONFIG, or by SLURM (one task per node)."""
    if os.environ.get("TF_CONFIG"):
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    else:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver()
    return ScalarReducingStrategy(cluster_resolver=resolver)


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def build_beforehand(model: keras.Model, data: tf.data.Dataset) -> None:
    """Build metrics and losses from the shapes of `data`, and let `fit` leave that out."""
    batch = tf.nest.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), data.element_spec)
    model._symbolic_build(data_batch=batch)
    model._maybe_symbolic_build = lambda iterator=None, data_batch=None: None


@contextmanager
def worker_loss_explained(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """A lost worker as one sentence."""
    try:
        yield
    except WORKER_LOST as error:
        if not is_multi_worker(strategy):
            raise
        raise WorkerLostError(
            "Another worker of this job stopped answering, so training cannot go on. Start all workers again with "
            f"the same command: they go on after the last finished epoch. ({str(error).splitlines()[0][:200]})"
        ) from error


@contextmanager
def chief_first(strategy: tf.distribute.Strategy, chief: bool) -> Iterator[None]:
    """What is done inside is done by worker 0 before the others (files that all of them read)."""
    if not chief:
        wait_for_all(strategy)
    yield
    if chief:
        wait_for_all(strategy)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Return when every worker has come here (at once where there is one only)."""
    if is_multi_worker(strategy):
        tf.function(lambda: strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None))()
