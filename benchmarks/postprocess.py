"""Speed and memory of the post-processing: `python benchmarks/postprocess.py [--quick]`.

Everything is measured in one run, medians; compare ratios, not seconds. The baseline is a straightforward reading of
the published algorithm, written here: whole-volume masks and scans for every label.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if sys.path[0] == str(Path(__file__).resolve().parent):
    del sys.path[0]  # this file would hide the package of the same name

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from petct.image import Geometry, Image, read_image, write_image
from postprocess import Segmentation, lesion_table, segment

SMALL = (256, 128, 128), (4.0, 4.0, 4.0)
NATIVE = (545, 400, 400), (2.0, 2.04, 2.04)


def phantom(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    volumes_ml: np.ndarray,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Ellipsoids in a noisy body; those over 30 mL hold several peaks. Probability falls off over their edges."""
    rng = np.random.default_rng(seed)
    extent_mm = np.array(shape) * spacing_mm
    axes = [np.arange(n) * s for n, s in zip(shape, spacing_mm)]
    body = (
        ((axes[1][:, None] - extent_mm[1] / 2) / (0.3 * extent_mm[1])) ** 2
        + ((axes[2] - extent_mm[2] / 2) / (0.42 * extent_mm[2])) ** 2
    ) < 1
    suv = rng.gamma(4, 0.25, shape).astype(np.float32)
    suv *= body
    probability = np.zeros(shape, np.float32)
    for volume_ml in volumes_ml:
        radii_mm = (volume_ml * 750 / math.pi) ** (1 / 3) * rng.uniform(0.8, 1.25, 3)
        centre_mm = rng.uniform(0.12, 0.88, 3) * extent_mm
        low = np.maximum((centre_mm - 1.3 * radii_mm) / spacing_mm, 0).astype(int)
        high = np.minimum(((centre_mm + 1.3 * radii_mm) / spacing_mm).astype(int) + 2, shape)
        box = tuple(slice(a, b) for a, b in zip(low, high))
        z, y, x = np.ix_(*[(axes[i][box[i]] - centre_mm[i]) / radii_mm[i] for i in range(3)])
        r2 = z**2 + y**2 + x**2
        uptake = rng.uniform(4, 20) * np.exp(-r2)
        for _ in range(4 if volume_ml > 30 else 0):
            dz, dy, dx = rng.uniform(-0.7, 0.7, 3)
            uptake += 5 * np.exp(-8 * ((z - dz) ** 2 + (y - dy) ** 2 + (x - dx) ** 2))
        suv[box] += (uptake * rng.uniform(0.95, 1.05, r2.shape)).astype(np.float32)
        probability[box] = np.maximum(probability[box], np.clip(1.3 - 0.8 * r2, 0, 1))
    return probability, suv


def volumes(n: int, seed: int = 1) -> np.ndarray:
    """A third over 30 mL, the rest below."""
    rng = np.random.default_rng(seed)
    large = rng.uniform(35, 150, n // 3)
    return np.concatenate([large, rng.uniform(0.5, 25, n - len(large))])


def straightforward(probability: np.ndarray, suv: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Method 41 with one pass over the whole volume per label, as one would first write it."""
    mask = probability > 0.5
    components, n = ndimage.label(mask)
    parts = np.zeros(mask.shape, np.int32)
    used = 0
    size = [2 * int(20 / s) + 1 for s in spacing_mm]
    z, y, x = (np.arange(-(k // 2), k // 2 + 1) * s for k, s in zip(size, spacing_mm))
    within = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= 20**2
    for k in range(1, n + 1):
        component = components == k
        if component.sum() * math.prod(spacing_mm) / 1000 > 30:
            masked = np.where(component, suv, -np.inf)
            # The filter with a footprint alone is spared the whole volume: it would take hours.
            box = ndimage.find_objects(component.astype(np.uint8))[0]
            peaks = np.zeros(mask.shape, bool)
            peaks[box] = (
                masked[box]
                == ndimage.maximum_filter(masked[box], footprint=within, mode="constant", cval=-np.inf)
            ) & component[box]
            markers, _ = ndimage.label(peaks)
            split = watershed(-suv, markers, mask=component)
        else:
            split = component.astype(np.int32)
        parts += np.where(split > 0, split + used, 0).astype(np.int32)
        used += int(split.max())
    result = np.zeros(mask.shape, np.int32)
    for k in range(1, used + 1):
        part = parts == k
        result[part & (suv >= 0.41 * suv[part].max())] = k
    return result


def median_s(call: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def time_arrays(name: str, grid: tuple, repeats: int, baseline: bool) -> None:
    shape, spacing_mm = grid
    probability, suv = phantom(shape, spacing_mm, volumes(45))
    labels = segment(probability, suv, spacing_mm, "41")
    components = Segmentation(probability, suv, spacing_mm).lesions("raw")
    ml = np.bincount(components.label)[1:] * math.prod(spacing_mm) / 1000
    print(
        f"\n{name} {shape}: {len(ml)} components, {(ml > 30).sum()} over 30 mL, "
        f"{labels.max()} lesions under 41, {(labels > 0).sum()} voxels"
    )
    ours = median_s(lambda: segment(probability, suv, spacing_mm, "41"), repeats)
    print(f"  segment 41                       {ours:8.3f} s")
    table = median_s(lambda: lesion_table(labels, suv, spacing_mm), repeats)
    print(f"  lesion table                     {table:8.3f} s")

    def many() -> None:
        work = Segmentation(probability, suv, spacing_mm)
        for method in ("raw", "41", "2.5", "4.0", "otsu", "50p", "vote2", "vote3"):
            work.lesions(method)

    print(f"  eight methods together           {median_s(many, repeats):8.3f} s")
    try:
        import cc3d

        mask = probability > 0.5
        rival = median_s(lambda: cc3d.connected_components(mask, connectivity=6), repeats)
        print(f"  cc3d.connected_components        {rival:8.3f} s   ours is {ours / rival:.2f} times that")
    except ImportError:
        print("  cc3d is not installed")
    if baseline:
        start = time.perf_counter()
        slow = straightforward(probability, suv, spacing_mm)
        taken = time.perf_counter() - start
        same = np.array_equal(slow > 0, labels > 0)
        print(f"  straightforward, per label       {taken:8.3f} s   ours is {taken / ours:.0f} times faster")
        print(f"  ... and finds the same voxels:   {same}")


def time_many_lesions(repeats: int) -> None:
    shape, spacing_mm = NATIVE
    taken = {}
    for n in (50, 1000):
        probability, suv = phantom(shape, spacing_mm, np.full(n, 1.0))
        taken[n] = median_s(lambda p=probability, s=suv: segment(p, s, spacing_mm, "41"), repeats)
        found = segment(probability, suv, spacing_mm, "41").max()
        print(f"  {n:5d} lesions of 1 mL ({found} found)  {taken[n]:8.3f} s")
    print(f"  ratio {taken[1000] / taken[50]:.2f} (aim <= 2)")


def peak_memory() -> None:
    """Runs in a process of its own: the peak of the process beside what it held before segmenting."""
    shape, spacing_mm = NATIVE
    probability, suv = phantom(shape, spacing_mm, volumes(45))
    for module in (ndimage, watershed):  # imported before measuring
        str(module)
    segment(probability[:40], suv[:40], spacing_mm, "41")
    inputs = probability.nbytes + suv.nbytes
    reset = Path("/proc/self/clear_refs")
    reset.write_text("5")  # resets the peak to what is resident now
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    segment(probability, suv, spacing_mm, "41")
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(
        f"  inputs {inputs / 1e6:.0f} MB, extra {(peak - resident) / 1e6:.0f} MB, "
        f"together {(inputs + peak - resident) / inputs:.2f} times the inputs (aim <= 2.5)"
    )


def time_files(repeats: int) -> None:
    shape, spacing_mm = NATIVE
    probability, suv = phantom(shape, spacing_mm, volumes(45))
    labels = segment(probability, suv, spacing_mm, "41").astype(np.uint16)
    geometry = Geometry(shape, spacing_mm)
    with tempfile.TemporaryDirectory() as folder:
        maps, pet = Path(folder, "case", "probability.nii.gz"), Path(folder, "case", "pet.nii.gz")
        write_image(maps, Image(probability, geometry))
        write_image(pet, Image(suv, geometry))
        del probability, suv

        def simpleitk() -> None:
            import SimpleITK as sitk

            for path in (maps, pet):
                sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            sitk.WriteImage(sitk.GetImageFromArray(labels), str(Path(folder, "labels.nii.gz")))

        def ours() -> None:
            read_image(maps)
            read_image(pet)
            write_image(Path(folder, "labels.nii.gz"), Image(labels, geometry))

        number = iter(range(100))

        def command() -> None:
            arguments = [
                "--probability",
                maps,
                "--suv",
                pet,
                "--method",
                "41",
                "--out",
                Path(folder, str(next(number))),
            ]
            subprocess.run(
                [sys.executable, "-m", "postprocess", *map(str, arguments)], check=True, capture_output=True
            )

        print(
            f"  files: map {maps.stat().st_size / 1e6:.1f} MB, PET {pet.stat().st_size / 1e6:.1f} MB compressed"
        )
        itk, own, whole = (median_s(call, repeats) for call in (simpleitk, ours, command))
        print(f"  read both, write labels: SimpleITK {itk:.2f} s, this project {own:.2f} s")
        print(
            f"  the command, whole process       {whole:8.2f} s: {whole / itk:.2f} and {whole / own:.2f} times that"
        )


def time_cohort(n: int) -> None:
    geometry = Geometry((160, 100, 100), (4.0, 4.0, 4.0))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            pair = phantom(geometry.shape, geometry.spacing_mm, volumes(20, i), i)
            for name, array in zip(("probability", "pet"), pair):
                write_image(Path(folder, "cases", f"c{i:03d}", f"{name}.nii.gz"), Image(array, geometry))
        taken = {}
        for workers in (1, 2):
            start = time.perf_counter()
            out = Path(folder, f"out{workers}")
            arguments = ["--probability", Path(folder, "cases"), "--suv", Path(folder, "cases"), "--out", out]
            subprocess.run(
                [sys.executable, "-m", "postprocess", *map(str, arguments), "--workers", str(workers)],
                check=True,
                capture_output=True,
            )
            taken[workers] = time.perf_counter() - start
            print(f"  {n} cases, {workers} workers             {taken[workers]:8.1f} s")
        print(f"  {taken[1] / taken[2]:.2f} times faster with two (aim >= 1.8)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer repeats, 40 cases, no baseline on the native grid"
    )
    parser.add_argument("--only", choices=["arrays", "lesions", "memory", "files", "cohort"])
    parser.add_argument("--memory-here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_here:
        peak_memory()
        return
    repeats = 3 if options.quick else 7
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0], "numpy": np.__version__}))
    if options.only in (None, "arrays"):
        time_arrays("small", SMALL, repeats, baseline=True)
        time_arrays("native", NATIVE, repeats, baseline=not options.quick)
    if options.only in (None, "lesions"):
        print("\nmany lesions, native grid, in memory")
        time_many_lesions(repeats)
    if options.only in (None, "memory"):
        print("\npeak memory, native grid, method 41")
        subprocess.run([sys.executable, __file__, "--memory-here"], check=True)
    if options.only in (None, "files"):
        print("\nfiles, native grid, method 41")
        time_files(3)
    if options.only in (None, "cohort"):
        print("\ncohort")
        time_cohort(40 if options.quick else 200)


if __name__ == "__main__":
    main()
