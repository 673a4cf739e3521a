"""Each mend of `training._keras_internals` is still needed: a test that fails says which one to delete.

The processes have two logical CPUs in place of two GPUs.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TWO_REPLICAS = """
import json
import keras
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from training._keras_internals import make_replicas_equal
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def clipped():
    "Gradients (3, 0) and (0, 4) on two replicas, clipped to the norm 0.5: a step from (1, 1)."
    with strategy.scope():
        variable = keras.Variable([1.0, 1.0])
        optimizer = keras.optimizers.SGD(1.0, global_clipnorm=0.5)
        optimizer.build([variable])
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([[3.0, 0.0], [0.0, 4.0]][context.replica_id_in_sync_group])
    )
    tf.function(lambda: strategy.run(lambda g: optimizer.apply([g], [variable]), args=(share,)))()
    return variable.numpy().tolist()

def dropped(mend, strategy):
    "What is left of four samples of ones in a training step."
    with strategy.scope():
        image = keras.Input((1000,))
        model = keras.Model(image, keras.layers.Dropout(0.2, seed=7)(image))
        if mend:
            make_replicas_equal(model)
    n = strategy.num_replicas_in_sync
    step = tf.function(lambda: strategy.run(lambda: model(tf.ones((4 // n, 1000)), training=True)))
    return np.concatenate([part.numpy() for part in strategy.experimental_local_results(step())]).tolist()

def normalised(mend):
    "Samples 0 and 1 on the first replica, 2 and 3 on the second."
    with strategy.scope():
        image = keras.Input((1,))
        model = keras.Model(image, keras.layers.BatchNormalization(epsilon=0.0)(image))
        if mend:
            make_replicas_equal(model)
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([[0.0], [1.0]]) + 2.0 * context.replica_id_in_sync_group
    )
    step = tf.function(lambda: strategy.run(lambda x: model(x, training=True), args=(share,)))
    return np.concatenate([p.numpy() for p in strategy.experimental_local_results(step())]).ravel().tolist()

one = tf.distribute.OneDeviceStrategy("CPU:0")
print(json.dumps({
    "clipped": clipped(),
    "dropped": {
        f"{whose}, {number}": dropped(whose == "ours", s)
        for whose in ("keras", "ours") for number, s in (("one", one), ("two", strategy))
    },
    "normalised": {name: normalised(mend) for name, mend in (("keras", False), ("ours", True))},
}))
"""


@pytest.fixture(scope="module")
def replicas() -> dict:
    done = subprocess.run([sys.executable, "-c", TWO_REPLICAS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_keras_still_clips_replica_by_replica(replicas):
    """(3, 4) clipped to 0.5 is (0.3, 0.4), a step to (0.7, 0.6). Else delete `AddsUpFirst`."""
    assert replicas["clipped"] == pytest.approx([0.5, 0.5])


def test_keras_still_drops_by_replica(replicas):
    """Else delete `DropoutBySample`. Ours drops a fifth, other values in each sample, and the same on two replicas."""
    dropped = replicas["dropped"]
    assert dropped["keras, two"] != dropped["keras, one"]
    assert dropped["ours, two"] == dropped["ours, one"]
    samples = dropped["ours, one"]
    assert {round(v, 6) for sample in samples for v in sample} == {0.0, 1.25}
    assert all(120 < sample.count(0.0) < 280 for sample in samples)
    assert len({tuple(sample) for sample in samples}) == 4


def test_keras_still_normalises_replica_by_replica(replicas):
    """By default; `synchronized` is a public switch. Of 0, 1, 2, 3 the mean is 1.5 and the variance 1.25."""
    assert replicas["normalised"]["keras"] == pytest.approx([-1, 1, -1, 1], abs=1e-3)
    expected = [(x - 1.5) / 1.25**0.5 for x in range(4)]
    assert replicas["normalised"]["ours"] == pytest.approx(expected, abs=1e-3)


SCALAR = """
import json, os
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": ["127.0.0.1:0"]}, "task": {"type": "worker", "index": 0}})
import tensorflow as tf
from training._keras_internals import ScalarReducingStrategy
for kind in (tf.distribute.MultiWorkerMirroredStrategy, ScalarReducingStrategy):
    strategy = kind()
    try:
        print(kind.__name__, float(strategy.reduce("MEAN", strategy.run(lambda: tf.constant(2.0)), axis=0)))
    except Exception as error:
        print(kind.__name__, type(error).__name__)
"""


def test_scalars_are_still_not_reduced_along_an_axis():
    """Else delete `ScalarReducingStrategy`."""
    done = subprocess.run([sys.executable, "-c", SCALAR], capture_output=True, text=True)
    plain, ours = done.stdout.splitlines()[-2:]
    assert ours == "ScalarReducingStrategy 2.0", done.stderr
    assert plain.endswith(" ValueError")


def test_slurm_resolver_still_sorts_nodes_as_text(monkeypatch):
    """node10 before node9; else use TensorFlow's own resolver, and delete the two imported functions."""
    import tensorflow as tf

    from training._keras_internals import expand_hostlist

    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "node[9-10]")
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1(x2)")
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        gpus_per_node=1, gpus_per_task=1, auto_set_gpu=False
    )
    assert resolver.cluster_spec().as_dict()["worker"][0].startswith("node10:")
    assert expand_hostlist("node[9-10]") == ["node9", "node10"]
