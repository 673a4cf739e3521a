"""`tmtv run`, start of the process to the last file, beside the same work by single commands.

    python -m benchmarks.run                 two studies, three times each
    python -m benchmarks.run --export        SEG, RTSTRUCT and SR of a large label map, beside plastimatch
    python -m benchmarks.run --tree 40       a tree of studies: two workers of one thread beside one worker

`--keep DIR` keeps what was painted, so that the next call starts at once; `--alone` leaves out the rival; `--study 0`
takes the first study only.

The studies are painted (noise, 45 hot spheres): speed, not quality. The network is the V-Net of Revailler et al. at
full size; its weights are set by hand so that it answers "SUV above 3", which costs what any weights cost. Rival: `tmtv
prepare`, `tmtv predict` (Keras), `tmtv-postprocess` and `tmtv export`, one after the other on the same files.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.prepare import Sphere, write_series

STUDIES = {
    "PET 200x200x300, CT 512x512x300": ((300, 200, 4.07), (300, 512, 1.52), 3.0),
    "PET 400x400x350, CT 512x512x350": ((350, 400, 2.04), (350, 512, 1.52), 3.0),
}
THRESHOLD_SUV = 3.0
LESIONS = 45
CALM = (100, 40)  # a body of SUV 1 that the network does not mark
TMTV = [sys.executable, "-c", "from tmtv_tf.cli import main; main()"]
POSTPROCESS = [sys.executable, "-m", "postprocess"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--export", action="store_true", help="export alone")
    parser.add_argument("--tree", type=int, default=0, help="a tree of so many small studies")
    parser.add_argument("--keep", type=Path, help="where studies and networks lie, or are to be kept")
    parser.add_argument("--alone", action="store_true", help="without the single commands")
    parser.add_argument(
        "--study", type=int, choices=range(len(STUDIES)), help="this one of the studies alone"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="run_bench_") as name:
        root = Path(name)
        data = options.keep.absolute() if options.keep is not None else root / "data"
        os.environ["XDG_CONFIG_HOME"], os.environ["XDG_CACHE_HOME"] = (
            str(root / "config"),
            str(root / "cache"),
        )
        if options.export:
            export(root, data, options.repeats)
            return
        once(data / "vnet.keras", write_model)
        once(data / "vnet.openvino", export_model)
        if options.tree:
            tree(root, data, options.tree)
            return
        for k, label in enumerate(STUDIES):
            if options.study in (None, k):
                study(label, root, data, options)


def once(path: Path, write: Callable[[Path], object]) -> Path:
    """Have `write` make a file or folder, unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_name(f"begun_{path.name}")  # one that was cut short is not taken for whole
        shutil.rmtree(begun, ignore_errors=True)
        write(begun)
        begun.rename(path)
    return path


def paint(folder: Path, pet: tuple, ct: tuple, spacing_mm: float, uid: str = "1") -> None:
    """PET and CT of one study."""
    lesions = spheres(pet[0] * spacing_mm)
    write_series(folder / "PT", "PT", *pet, spacing_mm, hot=lesions, noise=CALM, study=uid)
    write_series(folder / "CT", "CT", *ct, spacing_mm, study=uid)


def study(label: str, root: Path, data: Path, options: argparse.Namespace) -> None:
    """Seconds, peak memory and the share of each stage of one study, beside the single commands."""
    folder = once(data / label.split(",")[0].replace(" ", "_"), lambda folder: paint(folder, *STUDIES[label]))
    runs, rivals = [], []
    for repeat in range(options.repeats):
        out = root / f"out_{repeat}"
        runs.append(command([*TMTV, "run", folder, "--model", data / "vnet.openvino", "--out", out]))
        stages = stages_of(out)
        shutil.rmtree(out)
        if not options.alone:
            rivals.append(single_commands(folder, root, data, repeat))
    seconds, cpu_s, peak_mb = (statistics.median(values) for values in zip(*runs))
    known = sum(stages.values())
    shares = ", ".join(f"{name} {value:.2f}" for name, value in stages.items())
    print(
        f"{label}: {seconds:.2f} s ({shares}, start and finding {seconds - known:.2f} s), best "
        f"{min(runs)[0]:.2f} s; {cpu_s:.1f} s of processor time, peak {peak_mb:.0f} MB",
        flush=True,
    )
    if rivals:
        rival = statistics.median(rivals)
        print(f"  single commands: {rival:.2f} s, {rival / seconds:.1f} times as long", flush=True)


def single_commands(folder: Path, root: Path, data: Path, repeat: int) -> float:
    """Seconds of prepare, predict, postprocess and export on the same study."""
    base = root / f"rival_{repeat}"
    steps = [
        [*TMTV, "prepare", folder, "--out", base / "cases", "--no-model-grid"],
        [*TMTV, "predict", base / "cases", "--model", data / "vnet.keras", "--out", base / "maps"],
        [*POSTPROCESS, "--probability", base / "maps", "--suv", base / "cases", "--out", base / "results"],
    ]
    total = sum(command(step)[0] for step in steps)
    (case,) = (path for path in (base / "results").iterdir() if path.is_dir())
    total += command([*TMTV, "export", case, "--series", folder, "--out", base / "dicom"])[0]
    shutil.rmtree(base)
    return total


def tree(root: Path, data: Path, count: int) -> None:
    """Two workers of one thread each beside one worker of one, and of two threads."""
    whole = data / f"tree_{count}"
    for k in range(count):
        sizes = (150, 128, 5.0), (150, 256, 2.5), 5.0
        once(whole / f"{k:03}", lambda folder, k=k, sizes=sizes: paint(folder, *sizes, uid=str(k + 1)))
    seconds = {}
    for workers, threads in ((1, 1), (1, 2), (2, 1)):
        out = root / f"tree_{workers}_{threads}"
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")}
        cores = ["taskset", "-c", ",".join(map(str, range(workers * threads)))]
        run = [
            *TMTV,
            "run",
            whole,
            "--model",
            data / "vnet.openvino",
            "--out",
            out,
            "--workers",
            workers,
        ]
        seconds[workers, threads], cpu_s, _ = command([*cores, *run], limits)
        print(
            f"{count} studies, {workers} x {threads} threads: {seconds[workers, threads]:.1f} s, {cpu_s:.1f} s of "
            "processor time",
            flush=True,
        )
    one, two = (seconds[1, threads] / seconds[2, 1] for threads in (1, 2))
    print(f"two workers of one thread: {one:.2f} times one of one thread, {two:.2f} times one of two threads")


def export(root: Path, data: Path, repeats: int) -> None:
    """SEG, RTSTRUCT and SR of 545 x 400 x 400 voxels with 60 lesions."""
    from types import SimpleNamespace

    from pydicom import dcmread

    from petct.export import Provenance, SourceSeries, write_rtstruct, write_seg, write_sr
    from petct.image import Geometry, Image, write_image

    series = once(
        data / "export_PT", lambda folder: write_series(folder, "PT", 545, 400, 2.04, spacing_mm=2.0)
    )
    headers = [dcmread(path, stop_before_pixels=True) for path in sorted(series.iterdir())]
    geometry = Geometry(
        (545, 400, 400), (2.0, 2.04, 2.04), tuple(map(float, headers[0].ImagePositionPatient))
    )
    labels = label_map(geometry.shape, 60)
    source, provenance = SourceSeries(tuple(headers), geometry), Provenance("41", "benchmark", "0")
    rows = [
        SimpleNamespace(label=n, volume_ml=1.0, suv_max=9.0, suv_mean=5.0, suv_peak=7.0, tlg=5.0)
        for n in range(1, 61)
    ]
    measures = {"tmtv_ml": 60.0, "tlg": 300.0, "lesion_count": 60}
    seg = write_seg(root / "seg.dcm", labels, source, provenance)
    jobs = {
        "SEG": lambda: write_seg(root / "seg.dcm", labels, source, provenance),
        "RTSTRUCT": lambda: write_rtstruct(root / "rt.dcm", labels, source, provenance),
        "SR": lambda: write_sr(root / "sr.dcm", rows, measures, source, provenance, seg),
    }
    print(f"{np.count_nonzero(labels)} voxels in 60 lesions")
    for name, job in jobs.items():
        seconds, cpu_s = (statistics.median(values) for values in zip(*(timed(job) for _ in range(repeats))))
        print(f"{name}: {seconds:.2f} s, {cpu_s:.2f} s of processor time", flush=True)
    bits = np.where(labels > 0, np.left_shift(np.uint32(1), np.uint32((labels - 1) % 32)), np.uint32(0))
    write_image(
        root / "labels.nrrd", Image(bits, geometry)
    )  # plastimatch's form: a bit for each of 32 structures
    if shutil.which("plastimatch"):
        rival = [
            "plastimatch", "convert", "--input-ss-img", root / "labels.nrrd", "--referenced-ct", series,
            "--output-dicom", root / "plastimatch",
        ]  # fmt: skip
        print(f"RTSTRUCT by plastimatch: {command(rival)[0]:.2f} s (start included)")


def label_map(shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Spheres of 2 to 12 voxels' radius."""
    rng = np.random.default_rng(0)
    labels = np.zeros(shape, np.int32)
    for label in range(1, count + 1):
        radius = int(rng.integers(2, 13))
        corner = rng.integers(20, np.array(shape) - 20 - 2 * radius)
        z, y, x = np.indices((2 * radius + 1,) * 3) - radius
        box = tuple(slice(c, c + 2 * radius + 1) for c in corner)
        labels[box][z * z + y * y + x * x <= radius * radius] = label
    return labels


def spheres(length_mm: float) -> list[Sphere]:
    """45 lesions within the body that `write_series` draws."""
    rng = np.random.default_rng(2)
    return [
        Sphere(
            (
                float(rng.uniform(30, length_mm - 30)),
                float(rng.uniform(-90, 90)),
                float(rng.uniform(-150, 150)),
            ),
            float(rng.uniform(5, 22)),
            float(rng.uniform(5, 15)),
        )
        for _ in range(LESIONS)
    ]


def write_model(path: Path) -> None:
    """The paper's V-Net with weights that carry the PET to the output: probability 0.5 at SUV 3."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.input.grid import ModelGrid
    from tmtv_tf.models import vnet
    from tmtv_tf.models.file import save_model

    model = vnet()
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    kernels = {layer.name: layer.kernel for layer in model.layers if hasattr(layer, "kernel")}
    for name, channel in (
        ("input_conv", 0),
        ("decoder_1_1_conv", 8),
    ):  # 8: the first channel of the skip connection
        kernel = np.zeros(kernels[name].shape, np.float32)
        kernel[2, 2, 2, channel, 0] = 1.0
        kernels[name].assign(kernel)
    kernel = np.zeros(kernels["output_conv"].shape, np.float32)
    kernel[2, 2, 2, 0, 0] = 400.0
    kernels["output_conv"].assign(kernel)
    model.get_layer("output_conv").bias.assign([-400.0 * THRESHOLD_SUV / 25])
    save_model(path, model, ModelGrid(), trained_on="phantom")


def export_model(path: Path) -> None:
    """The V-Net for OpenVINO, from the Keras file beside it."""
    command([*TMTV, "export-model", path.with_name("vnet.keras"), "--out", path])


def command(arguments: list, environment: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Wall seconds, processor seconds (with those of its own processes) and peak memory (MB), start included."""
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, arguments)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{process.stderr.read().decode()}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def stages_of(out: Path) -> dict[str, float]:
    """Seconds by stage, from run.csv."""
    with open(out / "run.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    return {name.removeprefix("seconds_"): float(row[name]) for name in row if name.startswith("seconds_")}


def timed(job) -> tuple[float, float]:  # noqa: ANN001
    start, cpu = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    main()
