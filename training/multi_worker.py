"""Several machines: MultiWorkerMirroredStrategy with Keras 3's `model.fit`."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from petct.errors import TmtvError
from training._keras_internals import ScalarReducingStrategy, expand_hostlist, expand_tasks_per_node

# What TensorFlow raises in the surviving workers when one is lost.
WORKER_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class WorkerLostError(TmtvError):
    """Another worker of the job is gone."""


def multi_worker_strategy() -> tf.distribute.Strategy:
    """The strategy of this job: workers named by TF_CONFIG, or by SLURM."""
    if not os.environ.get("TF_CONFIG"):
        os.environ["TF_CONFIG"] = json.dumps(slurm_cluster(os.environ))
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    task = f"{resolver.task_type} {resolver.task_id}"
    members = [address for job in resolver.cluster_spec().as_dict().values() for address in job]
    print(f"{task} waits until all of {', '.join(members)} have started.", file=sys.stderr, flush=True)
    return ScalarReducingStrategy(cluster_resolver=resolver)


def several_workers() -> bool:
    """Whether the environment names a job of several workers: TF_CONFIG, or a SLURM step of several tasks."""
    return bool(os.environ.get("TF_CONFIG")) or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def slurm_cluster(environment: Mapping[str, str]) -> dict[str, Any]:
    """TF_CONFIG of this task of a SLURM step: one worker a task, in the order of SLURM_PROCID (block distribution).

    TensorFlow's own SlurmClusterResolver sorts the nodes as text, so that task 0 of node[9-10] is given the address
    of node10; overwrites CUDA_VISIBLE_DEVICES; and needs nvidia-smi. Each task takes the GPUs that SLURM shows it.
    """
    hosts = expand_hostlist(environment["SLURM_STEP_NODELIST"])
    tasks = expand_tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
    # Two jobs that share a node must not share ports; below Linux's ephemeral ports (32768).
    port = 10_000 + 16 * (int(environment.get("SLURM_JOB_ID", "0")) % 1000)
    workers = [f"{host}:{port + i}" for host, count in zip(hosts, tasks, strict=True) for i in range(count)]
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": int(environment["SLURM_PROCID"])},
    }


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether the training runs on several computers."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def worker_of(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(index, number) of this process among the workers: (0, 1) where there is one only."""
    if not is_multi_worker(strategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    members = resolver.cluster_spec().as_dict()
    chiefs = len(members.get("chief", []))
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return index, chiefs + len(members.get("worker", []))


@contextmanager
def worker_loss_explained(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """A lost worker as one sentence."""
    try:
        yield
    except WORKER_LOST as error:
        if not is_multi_worker(strategy):
            raise
        raise WorkerLostError(
            "Another worker of this job stopped, so training cannot go on. If it printed an error, see to that; then "
            "start all workers again with the same command: they go on after the last finished epoch. "
            f"({str(error).splitlines()[0][:200]})"
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
    any_worker(strategy, False)


def any_worker(strategy: tf.distribute.Strategy, mine: bool) -> bool:
    """Whether it is so for any worker; every worker must ask. At once where there is one only."""
    if not is_multi_worker(strategy):
        return mine
    with worker_loss_explained(strategy):
        return bool(_sum(strategy)(tf.constant(float(mine))) > 0)


@functools.cache
def _sum(strategy: tf.distribute.Strategy):
    """A scalar's sum over the replicas of all workers, compiled once."""
    return tf.function(lambda x: strategy.reduce("SUM", strategy.run(tf.identity, (x,)), axis=None))
