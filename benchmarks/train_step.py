"""Training steps of the paper's network on the device that is here, on any Keras backend. Run by benchmarks/train.py.

    KERAS_BACKEND=jax python -m benchmarks.train_step Z Y X BATCH STEPS PRECISION PACKED

PRECISION: float32, tf32 or bf16; PACKED: 0 or 1. Prints one JSON line: seconds per step (the fastest of STEPS after
one to warm up) and the peak memory that they took. Needs Keras and a backend (TensorFlow or JAX), nothing else.
"""

from __future__ import annotations

import json
import sys
import time

import keras
import numpy as np

from benchmarks.process_memory import resident_peak_bytes


def main() -> None:
    *numbers, precision, packed = sys.argv[1:]
    z, y, x, batch, steps = map(int, numbers)
    set_precision(precision)
    before = resident_peak_bytes()
    times = step_times(compiled((z, y, x), packed == "1"), (z, y, x), batch, steps)
    gpu = device_peak_bytes()
    result = {
        "software": f"Keras {keras.version()} on {keras.backend.backend()}",
        "gpu": gpu is not None,
        "seconds": min(times[1:]),
        "peak_bytes": resident_peak_bytes() - before if gpu is None else gpu,
    }
    print(json.dumps(result))


def set_precision(precision: str) -> None:
    """float32 is float32: tensor cores round it to TF32 only where that is asked for."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update(
            "jax_default_matmul_precision", "highest" if precision == "float32" else "tensorfloat32"
        )
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def compiled(shape: tuple[int, int, int], packed: bool) -> keras.Model:
    """The network with the paper's loss and optimizer."""
    from tmtv_tf.models import vnet
    from tmtv_tf.models.losses import SegmentationLoss
    from tmtv_tf.models.packed import pack

    model = vnet((*shape, 2))
    model = pack(model) if packed else model
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        loss=SegmentationLoss(),
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


def step_times(model: keras.Model, shape: tuple[int, int, int], batch: int, steps: int) -> list[float]:
    """Seconds of each of `steps` + 1 steps on a batch of noise; its contents do not matter for speed."""
    rng = np.random.default_rng(0)
    image = keras.ops.convert_to_tensor(rng.random((batch, *shape, 2), np.float32))
    target = keras.ops.convert_to_tensor((rng.random((batch, *shape, 1)) > 0.95).astype(np.float32))
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        float(model.train_on_batch(image, target))
        times.append(time.perf_counter() - start)
    return times


def device_peak_bytes() -> int | None:
    """The most memory that was in use on the first GPU; None without one."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return device.memory_stats()["peak_bytes_in_use"] if device.platform == "gpu" else None
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


if __name__ == "__main__":
    main()
