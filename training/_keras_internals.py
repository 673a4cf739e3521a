"""What Keras 3.15 and TensorFlow 2.21 do wrong under `tf.distribute`, mended in one place.

Nothing else in this package touches their internals. Each mend has a test in tests/training/test_keras_internals.py
that fails as soon as upstream works without it; then it is deleted here.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver.slurm_cluster_resolver import (
    expand_hostlist,
    expand_tasks_per_node,
)

__all__ = [
    "AddedUpBefore",
    "AddsUpFirst",
    "DropoutBySample",
    "ScalarReducingStrategy",
    "build_beforehand",
    "expand_hostlist",
    "expand_tasks_per_node",
    "make_replicas_equal",
]


class AddedUpBefore:
    """An optimizer that receives gradients which are the sum over the replicas already."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


class AddsUpFirst(AddedUpBefore):
    """An optimizer that adds up the gradients of all replicas before anything else.

    Keras adds them up as the last thing before the update. Clipping, and with mixed_float16 the look whether the
    gradients are finite, come before, replica by replica: two replicas clip otherwise than one does, and an overflow
    on any but the first replica goes into the weights.
    """

    def apply(self, grads, trainable_variables=None):
        context = tf.distribute.get_replica_context()
        super().apply(context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads)), trainable_variables)


class DropoutBySample(keras.layers.Dropout):
    """Dropout whose mask depends on the training step and on the sample's place in the global batch.

    Keras draws one mask for the share of a replica, with a seed that all replicas have in common: two replicas drop
    other values than one does, and the same in each share.
    """

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        step = tf.cast(self.seed_generator.next(), tf.int32)
        here = tf.shape(inputs)[0]
        place = tf.distribute.get_replica_context().replica_id_in_sync_group * here + tf.range(here)

        def kept(place):
            return tf.random.stateless_uniform(inputs.shape[1:], step + [0, 1_000_003] * place) >= self.rate

        mask = tf.map_fn(kept, place, fn_output_signature=tf.TensorSpec(inputs.shape[1:], tf.bool))
        return tf.where(mask, inputs / (1.0 - self.rate), tf.zeros_like(inputs))


def make_replicas_equal(model: keras.Model) -> None:
    """Let any number of replicas compute what one does: dropout by sample, batch statistics of the whole batch.

    Changes the layers of `model` in place. It is for training: the saved network has Keras's own layers.
    """
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    for layer in model.layers:
        if type(layer) is keras.layers.Dropout:
            layer.__class__ = DropoutBySample
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = several


class ScalarReducingStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """MultiWorkerMirroredStrategy that reduces scalars over the replicas whatever axis it is given.

    After each step Keras averages the metrics, which are scalars, "along axis 0", which a scalar does not have
    (https://github.com/tensorflow/tensorflow/issues/72388).
    """

    def reduce(self, reduce_op, value, axis):
        if axis is not None and all(v.shape.rank == 0 for v in self.experimental_local_results(value)):
            axis = None
        return super().reduce(reduce_op, value, axis)


def build_beforehand(model: keras.Model, data: tf.data.Dataset) -> None:
    """Build metrics and losses from the shapes of `data`, and let `fit` leave that out.

    Before the first step `fit` reduces a batch of the data over the replicas to learn its shapes, which several
    workers cannot do (https://github.com/keras-team/keras/issues/20585).
    """
    batch = tf.nest.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), data.element_spec)
    model._symbolic_build(data_batch=batch)
    model._maybe_symbolic_build = lambda iterator=None, data_batch=None: None
