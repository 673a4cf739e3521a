"""Two worker processes on one machine train what one process does: same log, same weights."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from little_cohort import write_little_cohort
from test_strategy import CONFIG, assert_same

from training.config import read_config
from training.multi_worker import any_worker, slurm_cluster, worker_loss_explained
from training.train_vnet import Config, run


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    """12 cases: 9 train, 3 validate in batches of 2, so the last batch leaves worker 1 without a case; and one
    worker's run on them."""
    folder = tmp_path_factory.mktemp("one")
    write_little_cohort(folder / "cases", 12)
    (folder / "c.yaml").write_text(CONFIG)
    run(read_config(folder / "c.yaml", Config), folder / "cases", folder / "run")
    return folder


def train(one: Path, out: Path, environments: list[dict[str, str]]) -> tuple[list[int], list[str]]:
    """Exit statuses and output of workers with these environments."""
    script = Path(__file__).with_name("train_on_logical_cpus.py")
    command = [sys.executable, script, "1", one / "c.yaml", one / "cases", out]
    workers = [
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for environment in environments
    ]
    try:
        outputs = [worker.communicate(timeout=240)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], outputs


def tf_config(**signals: str) -> list[dict[str, str]]:
    """Environments of two workers; `worker0="KILL 5"` has worker 0 killed after its fifth step."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        {
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            ),
            **({"SIGNAL_AT": signals[f"worker{index}"]} if f"worker{index}" in signals else {}),
        }
        for index in range(2)
    ]


@pytest.mark.slow
def test_two_workers_give_the_weights_of_one(one, tmp_path):
    status, outputs = train(one, tmp_path / "two", tf_config())
    assert status == [0, 0], outputs
    assert "2 replica(s)" in outputs[0]
    assert "Best val_loss" not in outputs[1]  # worker 0 alone speaks and writes
    assert_same(one / "run", tmp_path / "two")


@pytest.mark.slow
def test_a_job_whose_workers_are_stopped_and_lost_ends_as_if_undisturbed(one, tmp_path):
    """Four steps an epoch. SIGTERM to one worker stops both after that step; a lost worker costs its epoch."""
    out = tmp_path / "two"
    status, outputs = train(one, out, tf_config(worker1="TERM 2"))
    assert status == [75, 75], outputs
    assert "Stopped by another worker in epoch 1 after step 2; all is saved" in outputs[0]
    assert "Stopped by SIGTERM in epoch 1 after step 2; all is saved" in outputs[1]

    status, outputs = train(one, out, tf_config(worker1="KILL 4"))  # two steps into the second epoch
    assert status == [2, -signal.SIGKILL], outputs
    assert "Another worker of this job stopped, so training cannot go on" in outputs[0]

    status, outputs = train(one, out, tf_config(worker0="KILL 5"))  # one step into the third
    assert status == [-signal.SIGKILL, 2], outputs
    assert "Another worker of this job stopped, so training cannot go on" in outputs[1]

    status, outputs = train(one, out, tf_config())
    assert status == [0, 0], outputs
    assert_same(one / "run", out)


@pytest.mark.slow
def test_keras_still_cannot_build_under_several_workers(one, tmp_path):
    """Else delete `training._keras_internals.build_beforehand`."""
    status, outputs = train(one, tmp_path / "two", [{**e, "WITHOUT_BUILD": "1"} for e in tf_config()])
    assert 0 not in status, outputs
    assert not (tmp_path / "two" / "state.npz").exists()


@pytest.mark.slow
def test_workers_find_each_other_under_slurm(one, tmp_path):
    step = {
        "SLURM_JOB_ID": str(random.randrange(10**6)),
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
    }
    status, outputs = train(one, tmp_path / "two", [{**step, "SLURM_PROCID": str(i)} for i in range(2)])
    assert status == [0, 0], outputs
    assert_same(one / "run", tmp_path / "two")


def test_slurm_tasks_are_workers_in_slurms_order():
    """TensorFlow's own resolver puts node10 before node9."""
    cluster = slurm_cluster(
        {
            "SLURM_JOB_ID": "123456",
            "SLURM_STEP_NODELIST": "node[9-10],gpu07",
            "SLURM_STEP_TASKS_PER_NODE": "1(x2),2",
            "SLURM_PROCID": "2",
        }
    )
    assert cluster == {
        "cluster": {"worker": ["node9:17296", "node10:17296", "gpu07:17296", "gpu07:17297"]},
        "task": {"type": "worker", "index": 2},
    }


def test_a_lost_worker_in_a_job_of_one_process_is_no_such_thing():
    strategy = tf.distribute.get_strategy()
    assert any_worker(strategy, True)
    assert not any_worker(strategy, False)
    with pytest.raises(tf.errors.UnavailableError), worker_loss_explained(strategy):
        raise tf.errors.UnavailableError(None, None, "gone")
