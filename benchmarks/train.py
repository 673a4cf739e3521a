"""How fast the paper's V-Net trains here, beside PyTorch, and whether the data keep up.

    python -m benchmarks.train --shape 64 64 64 --torch-python /path/to/python/with/torch
    python -m benchmarks.train --shape 256 128 128 --batch 1 2 4 --steps 10 --torch-python python3     (on a GPU)

Measures, in one run on one machine:
1. the input pipeline alone, with online augmentation: volumes/s, and the memory of a process that reads 2,000 cases;
2. training steps of the plain and the packed network in float32 and bfloat16 (and TF32 on a GPU), beside PyTorch,
   channels last or not: seconds (the fastest of a few steps, so that other work on the machine counts little) and peak
   memory, each way in a process of its own;
3. training on that pipeline: the share of time in which the model waits for data.

Where TensorFlow is not installed, KERAS_BACKEND=jax does the second part alone, with the same model functions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.process_memory import resident_peak_bytes
from tmtv_tf._backend import quiet_tensorflow

PAPER_VOLUMES = 243_600  # 1218 patients, one extra image each, 100 epochs


def main() -> None:
    options = parse()
    shape = tuple(options.shape)
    results: dict = {"shape": shape}
    data = find_spec("tensorflow") is not None and os.environ.get("KERAS_BACKEND") != "jax"
    with tempfile.TemporaryDirectory() as folder:
        if data:
            quiet_tensorflow()
            arrays = write_cases(Path(folder), shape, options.cases)
            results |= pipeline(arrays, options.batch[0])
            print(
                f"input pipeline with online augmentation: {results['pipeline_volumes_per_s']:.2f} volumes/s; "
                f"a process that reads {options.cases} cases: {results['pipeline_peak_bytes'] / 1e9:.2f} GB",
                flush=True,
            )
        rows = steps(shape, options)
        if data:
            best = max((row for row in rows if ours(row)), key=lambda row: row["volumes_per_s"])
            results["waiting_for_data"] = waiting_share(arrays, best)
            print(
                f"waiting for data ({best['way']}, {best['precision']}): "
                f"{100 * results['waiting_for_data']:.1f} % of the time"
            )
    print(markdown(rows))
    print(summary(rows))
    if options.json:
        options.json.write_text(json.dumps({**results, "steps": rows}, indent=2) + "\n")


def steps(shape, options) -> list[dict]:
    """Every way of every batch and precision, ours and PyTorch's."""
    ways = {
        "ours": ("-m", "benchmarks.train_step", "0"),
        "ours, packed": ("-m", "benchmarks.train_step", "1"),
    }
    if options.torch_python:
        script = str(Path(__file__).with_name("vnet_torch.py"))
        ways |= {"PyTorch": (script, "0"), "PyTorch, channels last": (script, "1")}
    rows: list[dict] = []
    for batch in options.batch:
        for precision in ("float32", "tf32", "bf16"):
            if precision == "tf32" and not any(row["gpu"] for row in rows):
                continue
            for way, (*program, variant) in ways.items():
                python = sys.executable if way.startswith("ours") else options.torch_python
                arguments = [*map(str, (*shape, batch, options.steps)), precision, variant]
                run = subprocess.run([python, *program, *arguments], capture_output=True, text=True)
                row = {"batch": batch, "precision": precision, "way": way}
                if run.returncode:
                    print(f"{way}, {precision}, batch {batch} failed: {run.stderr.strip().splitlines()[-1:]}")
                    continue
                row |= json.loads(run.stdout.splitlines()[-1])
                row["volumes_per_s"] = batch / row["seconds"]
                rows.append(row)
                print(
                    f"{way} ({row['software']}), {precision}, batch {batch}: {row['seconds']:.3f} s",
                    flush=True,
                )
    return rows


def ours(row: dict) -> bool:
    return row["way"].startswith("ours")


def markdown(rows: list[dict]) -> str:
    lines = [
        "| batch | precision | way | s per step | volumes/s | peak memory, GB | paper's schedule, h |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['batch']} | {r['precision']} | {r['way']} | {r['seconds']:.3f} | {r['volumes_per_s']:.2f} "
        f"| {r['peak_bytes'] / 1e9:.2f} | {PAPER_VOLUMES / r['volumes_per_s'] / 3600:.1f} |"
        for r in rows
    ]
    return "\n".join(["", *lines, ""])


def summary(rows: list[dict]) -> str:
    """Ours beside PyTorch: the best of each, and the best of each in float32."""
    lines = []
    for name, precisions in (("best", ("float32", "tf32", "bf16")), ("float32", ("float32",))):
        speed = {True: 0.0, False: 0.0}
        for row in rows:
            if row["precision"] in precisions:
                speed[ours(row)] = max(speed[ours(row)], row["volumes_per_s"])
        if all(speed.values()):
            ratio = speed[True] / speed[False]
            lines.append(
                f"{name}: ours {speed[True]:.2f} volumes/s, PyTorch {speed[False]:.2f}: {ratio:.2f} times as fast"
            )
    return "\n".join(lines)


def write_cases(folder: Path, shape, cases: int):
    """Model-grid arrays of noise: their contents do not matter for speed. Six on disk, the others links to them."""
    from tmtv_tf.input.arrays import ModelArrays, write_raw_arrays
    from tmtv_tf.input.grid import ModelGrid

    grid = ModelGrid(shape)
    rng = np.random.default_rng(0)
    arrays = [ModelArrays(folder / str(i) / "model_grid" / grid.key, grid) for i in range(cases)]
    for case in arrays[:6]:
        image, target = rng.random(grid.input_shape, np.float32), rng.random((*shape, 1), np.float32)
        write_raw_arrays(case, image, target, {})
    for i, case in enumerate(arrays[6:]):
        case.folder.mkdir(parents=True)
        for file in arrays[i % 6].folder.iterdir():
            os.link(file, case.folder / file.name)
    return arrays


def dataset(arrays, batch: int):
    from tmtv_tf.input.augment import Augmentation
    from tmtv_tf.input.dataset import training_dataset

    return training_dataset(arrays, batch=batch, seed=0, epochs=1, augmentation=Augmentation())


def pipeline(arrays, batch: int, seconds: float = 30) -> dict[str, float]:
    """Volumes per second when nothing else runs, and the most memory that this process has had."""
    iterator = iter(dataset(arrays, batch))
    next(iterator)
    start, volumes = time.perf_counter(), 0
    for image, _ in iterator:
        volumes += len(image)
        if time.perf_counter() - start > seconds:
            break
    return {
        "pipeline_volumes_per_s": volumes / (time.perf_counter() - start),
        "pipeline_peak_bytes": resident_peak_bytes(),
    }


def waiting_share(arrays, best, steps: int = 20) -> float:
    """Share of the time spent between asking the pipeline for a batch and having it."""
    from benchmarks.train_step import compiled, set_precision

    set_precision(best["precision"])
    model = compiled(arrays[0].grid.shape, "packed" in best["way"])
    iterator = iter(dataset(arrays[: (steps + 1) * best["batch"]], best["batch"]))
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
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--cases", type=int, default=2000, help="of the cohort that the pipeline reads")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each way")
    parser.add_argument("--torch-python", help="a Python with PyTorch, to be timed beside")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
