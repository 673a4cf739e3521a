"""How fast the paper's V-Net trains here, beside PyTorch, and whether the data keep up.

    python -m benchmarks.train --shape 128 64 64 --batch 1 --torch-python /path/to/python/with/torch

Measures, in one run on one machine (the fastest of a few steps, so that other work on it counts little):
1. the input pipeline alone, volumes/s: read, decode, online augmentation;
2. training steps of the plain and the packed network, float32 and bfloat16, beside PyTorch (float32, bfloat16,
   channels last or not);
3. `fit` on that pipeline: the share of time in which the model waits for data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from tmtv_tf.quiet import quiet_tensorflow

PAPER_VOLUMES = 243_600  # 1218 patients, one extra image each, 100 epochs


def main() -> None:
    options = parse()
    quiet_tensorflow()
    import tensorflow as tf

    gpu = bool(tf.config.list_physical_devices("GPU"))
    shape = tuple(options.shape)
    print(f"{'GPU' if gpu else 'CPU'}, {shape} x 2 channels, batch {options.batch}")
    results: dict = {"shape": shape, "batch": options.batch, "gpu": gpu, "seconds_per_step": {}}
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_cases(Path(folder), shape, cases=6)
        results["pipeline_volumes_per_s"] = pipeline_speed(arrays, options.batch)
        print(f"input pipeline with online augmentation: {results['pipeline_volumes_per_s']:.2f} volumes/s")
        for precision in ("float32", "mixed_bfloat16"):
            for packed in (False, True):
                name = f"{precision}{', packed' if packed else ''}"
                seconds = step_seconds(shape, options.batch, options.steps, precision, packed)
                results["seconds_per_step"][name] = seconds
                print(f"TensorFlow {name}: {seconds:.3f} s per step", flush=True)
        fastest = min(results["seconds_per_step"], key=results["seconds_per_step"].get)
        results["waiting_for_data"] = waiting_share(arrays, options.batch, fastest)
        print(f"waiting for data ({fastest}): {results['waiting_for_data']:.1%} of the time")
    ours = results["seconds_per_step"][fastest]
    print(
        f"the paper's schedule at this size: {PAPER_VOLUMES * ours / options.batch / 3600:.1f} h on one device"
    )
    if options.torch_python:
        device = "cuda" if gpu else "cpu"
        arguments = [*map(str, shape), str(options.batch), str(options.steps), device]
        command = [options.torch_python, Path(__file__).with_name("vnet_torch.py"), *arguments]
        torch = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        results["torch"] = torch
        best = min(torch["seconds_per_step"].values())
        print(f"PyTorch {torch['version']}'s best: {best:.3f} s; ours is {best / ours:.2f} times as fast")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def write_cases(folder: Path, shape, cases: int):
    """Model-grid arrays of noise: their contents do not matter for speed."""
    from tmtv_tf.data.grid import ModelArrays, ModelGrid, write_raw_arrays

    grid = ModelGrid(shape)
    rng = np.random.default_rng(0)
    arrays = []
    for i in range(cases):
        case = ModelArrays(folder / str(i) / "model_grid" / grid.key, grid)
        write_raw_arrays(
            case, rng.random(grid.input_shape, np.float32), rng.random((*shape, 1), np.float32), {}
        )
        arrays.append(case)
    return arrays


def dataset(arrays, batch: int, epochs: int):
    from tmtv_tf.data.augment import Augmentation
    from tmtv_tf.data.dataset import training_dataset

    return training_dataset(arrays, batch=batch, seed=0, epochs=epochs, augmentation=Augmentation())


def pipeline_speed(arrays, batch: int) -> float:
    """Volumes per second of the pipeline when nothing else runs."""
    iterator = iter(dataset(arrays, batch, 4))
    next(iterator)
    start, volumes = time.perf_counter(), 0
    for image, _ in iterator:
        volumes += len(image)
    return volumes / (time.perf_counter() - start)


def compiled(shape, precision: str, packed: bool):
    import keras

    from tmtv_tf.losses import SegmentationLoss
    from tmtv_tf.models.packed import pack
    from tmtv_tf.models.vnet import vnet
    from training.fit import dtype_policy

    with dtype_policy(precision):
        model = vnet((*shape, 2))
        model = pack(model) if packed else model
        model.compile(keras.optimizers.SGD(0.001, momentum=0.9), loss=SegmentationLoss(), jit_compile=False)
    return model


def step_seconds(shape, batch: int, steps: int, precision: str, packed: bool) -> float:
    """The fastest of `steps` training steps after one to warm up."""
    import tensorflow as tf

    model = compiled(shape, precision, packed)
    rng = np.random.default_rng(0)
    image = tf.constant(rng.random((batch, *shape, 2), np.float32))
    target = tf.constant((rng.random((batch, *shape, 1)) > 0.95).astype(np.float32))
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        float(model.train_on_batch(image, target))
        times.append(time.perf_counter() - start)
    return min(times[1:])


def waiting_share(arrays, batch: int, name: str) -> float:
    """Share of an epoch spent between asking the pipeline for a batch and having it."""
    model = compiled(arrays[0].grid.shape, name.split(",")[0], "packed" in name)
    iterator = iter(dataset(arrays, batch, 2))
    model.train_on_batch(*next(iterator))
    start, waited = time.perf_counter(), 0.0
    while True:
        asked = time.perf_counter()
        example = next(iterator, None)
        waited += time.perf_counter() - asked
        if example is None:
            return waited / (time.perf_counter() - start)
        float(model.train_on_batch(*example))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 64, 64), metavar=("Z", "Y", "X"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each way")
    parser.add_argument("--torch-python", help="a Python with PyTorch, to be timed beside")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
