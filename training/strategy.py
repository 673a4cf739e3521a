"""On which devices a script trains: all GPUs of this machine, or its CPU, under one tf.distribute strategy."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import tensorflow as tf

from petct.errors import ParameterError
from training.multi_worker import multi_worker_strategy, several_workers

log = logging.getLogger(__name__)


def choose_strategy(accumulate_gradients: bool) -> tf.distribute.Strategy:
    """MultiWorkerMirroredStrategy where TF_CONFIG or SLURM names several workers, else MirroredStrategy.

    One machine: all visible GPUs, or without a GPU all logical CPUs (one, unless configured otherwise).

    Parameters
    ----------
    accumulate_gradients : Keras cannot accumulate gradients under these strategies
        (https://github.com/keras-team/keras/issues/20582): one device then has the default strategy.

    Raises
    ------
    ParameterError
        Gradients accumulated on several devices.
    """
    if accumulate_gradients:
        return _one_device()
    if several_workers():
        return multi_worker_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _one_device() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1 or several_workers():
        raise ParameterError(
            "optimizer.gradient_accumulation_steps: Keras accumulates gradients on one device only. Show one GPU "
            "(CUDA_VISIBLE_DEVICES), or use a larger batch over several in its place."
        )
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files: the only one, or worker 0."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (resolver.task_type == "worker" and resolver.task_id == 0)


def check_batch(batch: int, strategy: tf.distribute.Strategy) -> None:
    """Refuse a global batch that the replicas cannot share evenly (the mean over it would be wrong)."""
    replicas = strategy.num_replicas_in_sync
    if batch % replicas:
        raise ParameterError(
            f"batch: {batch} is not divisible by the {replicas} devices it is shared by. "
            "Choose a multiple, or show fewer devices (CUDA_VISIBLE_DEVICES)."
        )


def check_validation(cases: int, batch: int, strategy: tf.distribute.Strategy) -> None:
    """Refuse validation that leaves a replica on a CPU without a case in the last batch.

    TensorFlow 2.21 with oneDNN cannot run a 3-D convolution on an empty batch ("input and filter must have the same
    depth"). GPUs can, and so can a CPU without oneDNN.
    """
    replicas = strategy.num_replicas_in_sync
    last = cases % batch or batch
    if (
        replicas == 1
        or tf.config.list_physical_devices("GPU")
        or os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
    ):
        return
    if last <= batch // replicas * (replicas - 1):
        raise ParameterError(
            f"{cases} validation cases in batches of {batch} leave one of the {replicas} CPU replicas without a "
            "case, which TensorFlow's oneDNN kernels cannot do: set TF_ENABLE_ONEDNN_OPTS=0."
        )


def computes_in_bfloat16() -> bool:
    """Whether a device here multiplies bfloat16 in hardware: a GPU, or a CPU with AVX-512 BF16 or AMX."""
    cpu = Path("/proc/cpuinfo")
    in_cpu = cpu.is_file() and not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpu.read_text().split())
    return bool(tf.config.list_physical_devices("GPU")) or in_cpu


def describe_devices(strategy: tf.distribute.Strategy) -> list[str]:
    """Names of the devices, as for run.json: "GPU NVIDIA H100", "CPU x 8 threads"."""
    names = []
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        names.append(f"GPU {details.get('device_name', device.name)}")
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return names or [f"CPU x {threads} threads, {strategy.num_replicas_in_sync} replica(s)"]
