"""Speed and memory of `tmtv prepare` beside dicom2nifti + nilearn.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install dicom2nifti nilearn
    python benchmarks/prepare.py --peer /tmp/peer/bin/python

Times exclude the start of Python and the imports, on both sides; both sides run one after the other on the same
files, and what counts is their ratio. CPU seconds are given too, for machines that are busy with other work. The peer
does what the public autoPET conversion does: PET and CT to NIfTI, SUV by one factor, CT resampled to the PET. Ours: the
whole case folder (headers of the tree, choice of series, SUV rules, PET and CT as NIfTI, case.json).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if sys.path[0] == str(Path(__file__).resolve().parent):
    del sys.path[0]

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

PEER = """
import sys, time, warnings
warnings.simplefilter("ignore")
import dicom2nifti, nibabel, nilearn.image, numpy
pet, ct, out = sys.argv[1:4]
start, cpu = time.perf_counter(), time.process_time()
dicom2nifti.dicom_series_to_nifti(pet, out + "/PET.nii.gz", reorient_nifti=True)
dicom2nifti.dicom_series_to_nifti(ct, out + "/CT.nii.gz", reorient_nifti=True)
image = nibabel.load(out + "/PET.nii.gz")
suv = nibabel.Nifti1Image(image.get_fdata().astype(numpy.float32) * numpy.float32(4e-4), image.affine)
nibabel.save(suv, out + "/SUV.nii.gz")
resampled = nilearn.image.resample_to_img(nibabel.load(out + "/CT.nii.gz"), suv, fill_value=-1024)
nibabel.save(resampled, out + "/CTres.nii.gz")
print(time.perf_counter() - start, time.process_time() - cpu)
"""


# 70 kg and 175 MBq, ADMIN (see `slice_dataset`).
BQML_PER_SUV = 175e6 / 70e3


@dataclass(frozen=True)
class Sphere:
    """A lesion of one SUV: centre (z, y, x) in mm from the middle of the first slice, radius in mm."""

    centre_mm: tuple[float, float, float]
    radius_mm: float
    suv: float

    def section(self, z_mm: float, columns: int, pixel_mm: float) -> np.ndarray:
        """Which pixels of a slice lie in it."""
        axis = (np.arange(columns) - columns / 2) * pixel_mm
        z, y, x = self.centre_mm
        return (axis[:, None] - y) ** 2 + (axis - x) ** 2 <= self.radius_mm**2 - (z_mm - z) ** 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="a Python with dicom2nifti and nilearn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--one", nargs=2, metavar=("DICOM", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(prepare_once(*map(Path, options.one))))
        return
    results = {}
    with tempfile.TemporaryDirectory(prefix="prepare_bench_") as name:
        root = Path(name)
        write_series(root / "pair" / "PT", "PT", 135, 200, 4.07)
        write_series(root / "pair" / "CT", "CT", 135, 512, 1.52)
        results["pair"] = measure(
            "PET 135 x 200 x 200 + CT 135 x 512 x 512", root / "pair", root, options.repeats
        )
        if options.peer:
            results["peer"] = peer(options.peer, root, options.repeats)
            ratios = [results["peer"][key] / results["pair"][key] for key in ("seconds", "cpu_s")]
            print(
                f"dicom2nifti + nilearn: {results['peer']['seconds']:.2f} s ({results['peer']['cpu_s']:.2f} s CPU), "
                f"{ratios[0]:.1f} times ours ({ratios[1]:.1f} times by CPU)"
            )
        for columns in (128, 200, 400):
            folder = root / f"pet{columns}"
            write_series(folder / "PT", "PT", 545, columns, 800 / columns)
            label = f"PET 545 x {columns} x {columns} alone"
            results[f"pet{columns}"] = measure(label, folder, root, options.repeats)
        write_series(root / "long" / "PT", "PT", 500, 400, 2.04, spacing_mm=2.0)
        write_series(root / "long" / "CT", "CT", 500, 512, 1.52, spacing_mm=2.0)
        results["long"] = measure("1 m: PET 500 x 400 x 400 + CT 500 x 512 x 512", root / "long", root, 1)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(label: str, dicom: Path, root: Path, repeats: int) -> dict[str, float]:
    """Median seconds and peak memory of one case folder, each in a process of its own."""
    command = [sys.executable, __file__, "--one", str(dicom)]
    runs = []
    for repeat in range(repeats):
        out = root / f"out_{dicom.name}_{repeat}"
        done = subprocess.run([*command, str(out)], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    result = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    parts = ", ".join(f"{key[:-2]} {result[key]:.2f} s" for key in ("cpu_s", "scan_s", "read_s"))
    print(f"{label}: {result['seconds']:.2f} s ({parts}), peak {result['peak_mb']:.0f} MB")
    return result


def prepare_once(dicom: Path, out: Path) -> dict[str, float]:
    """The whole command once, and its two readings (headers, pixels) alone."""
    import logging

    import SimpleITK  # noqa: F401 - imports are not counted

    from petct.dicom.headers import find_series
    from petct.suv import read_suv
    from tmtv_tf.cases.prepare import Settings
    from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort

    logging.disable()
    start, cpu = time.perf_counter(), time.process_time()
    report = prepare_cohort(Request((dicom,), out, settings=Settings(grid=None), key_file=out.parent / "key"))
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if report.outcomes[0].error:
        raise SystemExit(report.outcomes[0].error)
    start = time.perf_counter()
    series, _ = find_series(dicom)
    scanned = time.perf_counter()
    read_suv(next(s for s in series if s.modality == "PT"))
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "scan_s": scanned - start,
        "read_s": time.perf_counter() - scanned,
        "peak_mb": peak_mb,
    }


def peer(python: str, root: Path, repeats: int) -> dict[str, float]:
    """Median seconds, and CPU seconds, of dicom2nifti + nilearn on the same pair."""
    times = []
    for repeat in range(repeats):
        out = root / f"peer_{repeat}"
        out.mkdir()
        command = [python, "-c", PEER, str(root / "pair" / "PT"), str(root / "pair" / "CT"), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
        times.append([float(text) for text in done.stdout.split()[-2:]])
    seconds, cpu_s = (statistics.median(values) for values in zip(*times))
    return {"seconds": seconds, "cpu_s": cpu_s}


def write_series(
    folder: Path,
    modality: str,
    n: int,
    columns: int,
    pixel_mm: float,
    spacing_mm: float = 4.0,
    hot: Sequence[Sphere] = (),
    noise: tuple[float, float] = (4, 2000),
    study: str = "1",
) -> None:
    """A body of noise within air, one file a slice, a rescale slope of its own in every PET slice, hot spheres in it.

    noise : shape and scale of the PET's gamma distribution in the body, stored values
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    y, x = np.ogrid[-1 : 1 : columns * 1j, -1 : 1 : columns * 1j]
    body = (x / 0.6) ** 2 + (y / 0.4) ** 2 < 1
    series, base = generate_uid(), f"1.2.826.0.1.3680043.10.{study}"
    for k in range(n):
        if modality == "PT":
            pixels = np.where(body, rng.gamma(*noise, body.shape), rng.gamma(1, 30, body.shape))
            for sphere in hot:
                inside = sphere.section(k * spacing_mm, columns, pixel_mm)
                pixels[inside] = sphere.suv * BQML_PER_SUV / (0.5 + 0.001 * k)
            pixels = np.clip(pixels, 0, 65535).astype(np.uint16)
        else:
            pixels = np.where(body, rng.normal(1060, 15, body.shape), rng.normal(24, 8, body.shape))
            pixels = np.clip(pixels, 0, 4095).astype(np.uint16)
        ds = slice_dataset(modality, k)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"{base}.1", series, f"{base}.2"
        ds.InstanceNumber = k + 1
        ds.ImagePositionPatient = [-columns * pixel_mm / 2, -columns * pixel_mm / 2, spacing_mm * k]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [pixel_mm, pixel_mm], spacing_mm
        ds.Rows = ds.Columns = columns
        ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"{k:04}.dcm", enforce_file_format=True)


def slice_dataset(modality: str, k: int) -> FileDataset:
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    storage = CTImageStorage if modality == "CT" else PositronEmissionTomographyImageStorage
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = storage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality, ds.Manufacturer, ds.PatientID, ds.PatientName = modality, "SIEMENS", "BENCH", "Bench^Mark"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    if modality == "CT":
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        return ds
    ds.RescaleSlope, ds.RescaleIntercept = f"{0.5 + 0.001 * k:.6f}", 0
    ds.Units, ds.DecayCorrection, ds.CorrectedImage = "BQML", "ADMIN", ["DECY", "ATTN", "SCAT"]
    ds.PatientWeight = "70"
    ds.SeriesType = ["STATIC", "IMAGE"]
    agent = Dataset()
    agent.Radiopharmaceutical, agent.RadionuclideTotalDose = "FDG", "175000000"
    agent.RadionuclideHalfLife = "6586.2"
    ds.RadiopharmaceuticalInformationSequence = [agent]
    return ds


if __name__ == "__main__":
    main()
