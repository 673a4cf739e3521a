"""Two replicas update as one does that has the sum of their gradients, in a process with two logical CPUs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf
import keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from training.config import OptimizerConfig
from training.optimizer import make_optimizer

def update(precision, gradients, **options):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        variable = keras.Variable([1.0, 1.0])
        optimizer = make_optimizer(OptimizerConfig(**options), precision)
        optimizer.build([variable])
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(gradients[context.replica_id_in_sync_group])
    )
    @tf.function
    def step():
        strategy.run(lambda g: optimizer.apply([g], [variable]), args=(share,))
    step()
    scale = float(optimizer.dynamic_scale.numpy()) if hasattr(optimizer, "dynamic_scale") else None
    local = [v.numpy().tolist() for v in strategy.experimental_local_results(variable.value)]
    return {"values": local, "scale": scale}

plain = dict(name="sgd", learning_rate=1.0, momentum=0.0)
inf = float("inf")
print(json.dumps({
    "summed": update("float32", [[0.25, 0.0], [0.25, 0.0]], **plain),
    "clipped": update("float32", [[3.0, 0.0], [0.0, 4.0]], clip_norm=0.5, **plain),
    "overflow on the first": update("mixed_float16", [[inf, 0.0], [0.0, 0.0]], **plain),
    "overflow on the second": update("mixed_float16", [[0.0, 0.0], [inf, 0.0]], **plain),
    "scaled": update("mixed_float16", [[2.0**13, 0.0], [2.0**13, 0.0]], **plain),
    "scaled, clipped": update("mixed_float16", [[3 * 2.0**15, 0.0], [0.0, 4 * 2.0**15]], clip_norm=0.5, **plain),
}))
"""


@pytest.fixture(scope="module")
def updates() -> dict:
    run = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ("summed", [0.5, 1.0]),
        ("clipped", [0.7, 0.6]),  # (3, 4) has the norm 5; clipped to 0.5: (0.3, 0.4)
        ("scaled", [0.5, 1.0]),
        ("scaled, clipped", [0.7, 0.6]),
    ],
)
def test_two_replicas_update_by_the_sum_of_their_gradients(updates, case, value):
    for replica in updates[case]["values"]:
        assert replica == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("case", ["overflow on the first", "overflow on the second"])
def test_an_overflow_on_any_replica_leaves_the_step_out(updates, case):
    assert updates[case]["values"] == [[1.0, 1.0], [1.0, 1.0]]
    assert updates[case]["scale"] == updates["scaled"]["scale"] / 2
