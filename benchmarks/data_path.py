"""In which form should the model-grid arrays lie on disk? Speed, size, memory and effect on the loss of each.

    python -m benchmarks.data_path --data CASES                            # speed, on the paper's grid
    python -m benchmarks.data_path --data CASES --model RUN/best.keras     # effect on the loss, on the model's grid

Writes the model-grid arrays of a few cases in each form and reads them as tf.data would in training, in random
order, each form in a process of its own: volumes/s from the operating system's memory and after it has forgotten the
files (from disk), and the most memory that the process has taken beyond TensorFlow itself. With a model, instead: the
largest change of its soft Dice loss of a case when image and target were stored in that form and not as float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.process_memory import resident_peak_bytes
from tmtv_tf._backend import quiet_tensorflow

# form: type of the image, type of the target, container
FORMS = {
    "raw uint16 and uint8 (ours)": ("uint16", "uint8", "raw"),
    "raw float16": ("float16", "float16", "raw"),
    "raw float32": ("float32", "float32", "raw"),
    "raw uint8": ("uint8", "uint8", "raw"),
    "memory-mapped uint16 and uint8": ("uint16", "uint8", "mapped"),
    "TFRecord of uint16 and uint8": ("uint16", "uint8", ""),
    "TFRecord of uint16 and uint8, GZIP": ("uint16", "uint8", "GZIP"),
}
SECONDS = 8


def main() -> None:
    options = parse()
    if options.measure:
        print(json.dumps(measure(Path(options.measure[0]), options.measure[1])))
        return
    quiet_tensorflow()
    from tmtv_tf.inference.load import load_model
    from tmtv_tf.inference.model import MAP_OUTPUT
    from tmtv_tf.input.grid import ModelGrid

    if options.model:
        model = load_model(options.model, backend="keras")
        images, targets = float_arrays(options.data, model.description.grid, options.cases)
        for name in FORMS:
            change = change_of_loss(lambda image: model.network(image)[MAP_OUTPUT], images, targets, name)
            print(f"| {name} | {change:.1e} |", flush=True)
        return
    images, targets = float_arrays(options.data, ModelGrid(), options.cases)
    print("| stored as | MB a case | volumes/s from memory | from disk | memory, GB |")
    print("|---|---|---|---|---|")
    for name in FORMS:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            size = write(Path(folder), name, images, targets)
            command = [
                sys.executable,
                "-m",
                "benchmarks.data_path",
                "--data",
                folder,
                "--measure",
                folder,
                name,
            ]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(run.stdout.splitlines()[-1])
        print(
            f"| {name} | {size / len(images) / 1e6:.1f} | {found['warm']:.0f} | {found['cold']:.0f} "
            f"| {found['bytes'] / 1e9:.2f} |",
            flush=True,
        )


def float_arrays(cases: Path, grid, count: int):
    """Images and targets of the first cases on the grid, float32, before any rounding."""
    from petct.image import read_image
    from tmtv_tf.cases.case import load_case
    from tmtv_tf.cases.cohort import read_cohort
    from tmtv_tf.input.grid import model_input, place_grid, resample

    images, targets = [], []
    for row in read_cohort(cases)[:count]:
        case = load_case(cases / row["case_id"])
        pet, ct, truth = read_image(case.pet), read_image(case.ct), read_image(case.tmtvprob)
        place = place_grid(pet.geometry, grid)
        images.append(model_input(pet, ct if grid.needs_ct else None, grid, place))
        targets.append(resample(truth, place).array[..., None].astype(np.float32))
    return images, targets


def stored(array: np.ndarray, kind: str) -> np.ndarray:
    """[0, 1] float32 in its stored form: floats as they are, integers over their whole range."""
    if kind.startswith("float"):
        return array.astype(kind)
    return np.rint(np.clip(array, 0, 1) * np.iinfo(kind).max).astype(kind)


def scale(kind: str) -> float:
    return 1.0 if kind.startswith("float") else float(np.iinfo(kind).max)


def write(folder: Path, name: str, images, targets) -> int:
    """Write every case; returns the bytes on disk. TFRecords in shards of two cases, each an image and its target."""
    import tensorflow as tf

    image_kind, target_kind, container = FORMS[name]
    pairs = [(stored(i, image_kind), stored(t, target_kind)) for i, t in zip(images, targets, strict=True)]
    if container in ("raw", "mapped"):
        for n, (image, target) in enumerate(pairs):
            image.tofile(folder / f"{n}.image")
            target.tofile(folder / f"{n}.target")
    else:
        for shard in range(0, len(pairs), 2):
            with tf.io.TFRecordWriter(str(folder / f"{shard}.tfrecord"), options=container) as writer:
                for pair in pairs[shard : shard + 2]:
                    for array in pair:
                        writer.write(array.tobytes())
    (folder / "shape.json").write_text(json.dumps([len(pairs), *images[0].shape]))
    return sum(f.stat().st_size for f in folder.iterdir())


def dataset(folder: Path, name: str):
    """Images and targets as float32 without end, in random order, with the parallel reads of `training_dataset`."""
    import tensorflow as tf

    from tmtv_tf.input.dataset import PARALLEL, PREFETCH

    image_kind, target_kind, container = FORMS[name]
    count, *shape = json.loads((folder / "shape.json").read_text())

    def decode(image, target):
        image = tf.cast(tf.io.decode_raw(image, image_kind), tf.float32) / scale(image_kind)
        target = tf.cast(tf.io.decode_raw(target, target_kind), tf.float32) / scale(target_kind)
        return tf.reshape(image, shape), tf.reshape(target, (*shape[:3], 1))

    def read(n):
        path = tf.strings.join([str(folder), "/", tf.strings.as_string(n)])
        return decode(tf.io.read_file(path + ".image"), tf.io.read_file(path + ".target"))

    def mapped(n):
        image = np.memmap(folder / f"{n}.image", image_kind, "r", shape=tuple(shape))
        target = np.memmap(folder / f"{n}.target", target_kind, "r", shape=(*shape[:3], 1))
        return np.float32(image) / np.float32(scale(image_kind)), np.float32(target) / np.float32(
            scale(target_kind)
        )

    if container in ("raw", "mapped"):
        order = tf.data.Dataset.range(count).repeat().shuffle(count, seed=0)
        one = (
            read if container == "raw" else lambda n: tf.numpy_function(mapped, [n], (tf.float32, tf.float32))
        )
        data = order.map(one, num_parallel_calls=PARALLEL)
    else:
        shards = tf.data.Dataset.list_files(str(folder / "*.tfrecord"), seed=0).repeat()
        pairs = shards.interleave(
            lambda path: tf.data.TFRecordDataset(path, compression_type=container).batch(2),
            cycle_length=4,
            num_parallel_calls=PARALLEL,
        )
        pairs = pairs.shuffle(4, seed=0)  # whole volumes: a larger buffer is what costs the memory
        data = pairs.map(lambda pair: decode(pair[0], pair[1]), num_parallel_calls=PARALLEL)
    return data.batch(1).prefetch(PREFETCH)


def measure(folder: Path, name: str) -> dict[str, float]:
    """Volumes/s with the files in the operating system's memory and without; memory beyond TensorFlow's own."""
    quiet_tensorflow()
    import tensorflow as tf

    tf.constant(0)
    before = resident_peak_bytes()
    speed = {
        "warm": volumes_per_s(folder, name, forget=False),
        "cold": volumes_per_s(folder, name, forget=True),
    }
    return {**speed, "bytes": resident_peak_bytes() - before}


def volumes_per_s(folder: Path, name: str, forget: bool) -> float:
    iterator = iter(dataset(folder, name))
    next(iterator)
    start, volumes = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        if forget:
            forget_files(folder)
        next(iterator)
        volumes += 1
    return volumes / (time.perf_counter() - start)


def forget_files(folder: Path) -> None:
    """Have the operating system drop the files from its memory."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def change_of_loss(network, images, targets, name: str) -> float:
    """The largest change of the soft Dice loss of any case."""
    from tmtv_tf.models.losses import soft_dice_loss

    def loss(image, target) -> float:
        return float(soft_dice_loss(target[None], network(image[None]))[0])

    def back(array, kind: str) -> np.ndarray:
        return stored(array, kind).astype(np.float32) / np.float32(scale(kind))

    image_kind, target_kind, _ = FORMS[name]
    return max(
        abs(loss(i, t) - loss(back(i, image_kind), back(t, target_kind)))
        for i, t in zip(images, targets, strict=True)
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared cases")
    parser.add_argument("--model", type=Path, help="a trained model, whose grid is then used")
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to be tried (by default /tmp)")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
