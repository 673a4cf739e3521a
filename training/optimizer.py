"""Keras optimizers that do under `tf.distribute` what they do on one device.

Keras 3.15 adds up the replicas' gradients as the last thing before the update. Clipping, and with mixed_float16 the
look whether the gradients are finite, come before, replica by replica: two replicas clip otherwise than one does, and
an overflow on any but the first replica goes into the weights. Here the gradients are added up first.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from training.config import OptimizerConfig, Precision

KINDS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}


class _AddedUpBefore:
    """An optimizer that receives gradients which are the sum over the replicas already."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


class _AddsUpFirst(_AddedUpBefore):
    """An optimizer that adds up the gradients of all replicas before anything else."""

    def apply(self, grads, trainable_variables=None):
        context = tf.distribute.get_replica_context()
        super().apply(context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads)), trainable_variables)


class _LossScaling(_AddsUpFirst, keras.optimizers.LossScaleOptimizer):
    """Dynamic loss scaling: a step whose gradients are not finite on any replica is left out on all."""


def make_optimizer(config: OptimizerConfig, precision: Precision = "float32") -> keras.optimizers.Optimizer:
    """The configured optimizer, to be made inside the strategy's scope; with loss scaling for mixed_float16."""
    options: dict[str, Any] = {
        "learning_rate": config.learning_rate,
        "global_clipnorm": config.clip_norm,
        "gradient_accumulation_steps": (
            config.gradient_accumulation_steps if config.gradient_accumulation_steps > 1 else None
        ),
    }
    if config.name == "sgd":
        options |= {"momentum": config.momentum, "nesterov": config.nesterov}
    kind = KINDS[config.name]
    scaled = precision == "mixed_float16"
    optimizer = type(kind.__name__, (_AddedUpBefore if scaled else _AddsUpFirst, kind), {})(**options)
    return _LossScaling(optimizer) if scaled else optimizer
