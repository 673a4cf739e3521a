"""The configured Keras optimizer, which does under `tf.distribute` what it does on one device."""

from __future__ import annotations

from typing import Any

import keras

from training._keras_internals import AddedUpBefore, AddsUpFirst
from training.config import OptimizerConfig, Precision

KINDS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}


class _LossScaling(AddsUpFirst, keras.optimizers.LossScaleOptimizer):
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
    optimizer = type(kind.__name__, (AddedUpBefore if scaled else AddsUpFirst, kind), {})(**options)
    return _LossScaling(optimizer) if scaled else optimizer
