"""A cohort of synthetic patients on disk: DICOM, the table, and - kept apart - the truth.

OUT/dicom/<PatientID>/PT, CT, RTSTRUCT   what a hospital would hand over
OUT/readers/<reader>/<PatientID>/        RTSTRUCT of each of several readers; reader1's is the one beside the images
OUT/phantom.json                         what was asked for, and the best AUC that the images allow
OUT/cohort.csv                           PatientID, case_id, subtype, split, ...
OUT/truth/<case_id>/                     the true lesions: for studying the phantom, never for training
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.uid import UID
from scipy import ndimage
from scipy.spatial.distance import pdist

from petct.errors import ParameterError
from petct.files import LOCK_NAME, locked, read_json, remove_leftovers, write_json
from petct.image import Geometry, Image, resample, write_image
from petct.parallel import Outcome, run_cases
from petct.version import software
from tmtv_tf.cases.table import write_table
from tmtv_tf.phantom import outcome
from tmtv_tf.phantom.anatomy import draw_uptake, paint_body
from tmtv_tf.phantom.canvas import Canvas
from tmtv_tf.phantom.dicom import Study, write_ct, write_pet
from tmtv_tf.phantom.lesions import Lesion, draw_lesions, paint_lesions
from tmtv_tf.phantom.patient import Patient, draw_patient
from tmtv_tf.phantom.physics import scan_ct, scan_pet
from tmtv_tf.phantom.reader import Outline, draw_habit, draw_outlines
from tmtv_tf.phantom.rtstruct import write_rtstruct
from tmtv_tf.phantom.scanners import Scanner, scanner_of
from tmtv_tf.phantom.traps import paint_traps

CANVAS_MM = 3.0
MAX_READERS = 20
READER_STREAM = 7  # of the readers after the first
OUTCOME_STREAM = 6  # a generator of its own: what is painted never depends on the outcome
MARKER = "phantom.json"  # says that a folder is ours, so that a new run may replace what is in it
COLUMNS = (
    "PatientID",
    "case_id",
    "subtype",
    "split",
    "scanner",
    "sex",
    "age_years",
    "true_tmtv_ml",
    "true_lesion_count",
    "true_dmax_mm",
    "true_suv_max",
    *outcome.COLUMNS,
)
CT_MATRIX, CT_PIXEL_MM, CT_SLICE_MM = 128, 4.5, 5.0


@dataclass(frozen=True)
class Scan:
    """One synthetic examination in memory; arrays (Z, Y, X), feet end first."""

    patient: Patient
    scanner: Scanner
    pet: Image  # SUVbw float32
    ct: Image  # HU int16
    lesions: list[Lesion]
    labels: npt.NDArray[np.uint8]  # true lesions 1..N on the PET grid
    outlines: list[Outline]  # of the first reader
    traps: list[str]
    further_outlines: tuple[list[Outline], ...] = ()


def make_cohort(
    out: Path, cases: int, seed: int, *, voxel_mm: float | None = None, readers: int = 1, workers: int = 1
) -> list[Outcome]:
    """Write `cases` synthetic patients. Same arguments, same bytes; case k does not depend on `cases` or `readers`.

    Raises
    ------
    ParameterError
        A number out of range, or an `out` that holds something else than an earlier phantom cohort.
    """
    if cases < 1 or cases > 9999:
        raise ParameterError(f"--cases must be 1 to 9999. Received: {cases}.")
    if seed < 0:
        raise ParameterError(f"--seed must not be negative. Received: {seed}.")
    if voxel_mm is not None and not 2.0 <= voxel_mm <= 10.0:
        raise ParameterError(f"--voxel-mm must be 2 to 10. Received: {voxel_mm}.")
    if not 1 <= readers <= MAX_READERS:
        raise ParameterError(f"--readers must be 1 to {MAX_READERS}. Received: {readers}.")
    if workers < 1:
        raise ParameterError(f"--workers must be at least 1. Received: {workers}.")
    marker = out / MARKER
    if out.exists() and not marker.is_file() and (not out.is_dir() or set(os.listdir(out)) - {LOCK_NAME}):
        raise ParameterError(
            f"{out}: not an empty folder, nor a phantom cohort ({MARKER}); nothing was written."
        )
    with locked(out):
        return _make(out, {"cases": cases, "seed": seed, "voxel_mm": voxel_mm, "readers": readers}, workers)


def _make(out: Path, asked: dict[str, Any], workers: int) -> list[Outcome]:
    """Everything that needs the lock of the output. Patients of an interrupted run with the same wishes are kept."""
    marker, seed, voxel_mm = out / MARKER, asked["seed"], asked["voxel_mm"]
    asked = {**asked, "software": software()}
    if not marker.is_file() or read_json(marker) != asked:  # a finished one has more in it
        write_json(marker, asked)
        for part in ("dicom", "truth", "readers"):
            shutil.rmtree(out / part, ignore_errors=True)
    remove_leftovers(out)
    jobs = [
        (f"phantom_{n:04d}", (out, n, seed, voxel_mm, asked["readers"])) for n in range(1, asked["cases"] + 1)
    ]
    outcomes = run_cases(write_case, jobs, workers=workers, description="phantoms")
    rows = [outcome.value for outcome in outcomes if outcome.error is None]
    if rows:
        splits = assign_splits([row["subtype"] for row in rows], seed)
        for row, split in zip(rows, splits):
            row["split"] = split
        write_table(out / "cohort.csv", COLUMNS, rows)
        write_json(marker, {**asked, "best_auc_efs2y": outcome.best_auc(_scores(rows))})
    return outcomes


def write_case(
    out: Path, number: int, seed: int, voxel_mm: float | None = None, readers: int = 1
) -> dict[str, Any]:
    """Make one patient and write everything but the table; his row of the table. A finished one is kept."""
    finished = out / "truth" / f"phantom_{number:04d}" / "phantom.json"  # written last
    if finished.is_file():
        known = read_json(finished)
        return {column: known[column] for column in COLUMNS if column in known}
    scan = make_scan(number, seed, voxel_mm, readers)
    study = Study(seed, scan.patient, scan.scanner)
    folder, truth = out / "dicom" / scan.patient.patient_id, out / "truth" / scan.patient.case_id
    for part in (folder / "PT", folder / "CT", folder / "RTSTRUCT", truth):
        part.mkdir(parents=True, exist_ok=True)
    pet_uids = write_pet(folder / "PT", study, scan.pet.array, scan.pet.geometry)
    write_ct(folder / "CT", study, scan.ct.array, scan.ct.geometry)
    write_rtstruct(folder / "RTSTRUCT" / "rtstruct.dcm", study, scan.outlines, scan.pet.geometry, pet_uids)
    if readers > 1:
        _write_readers(out / "readers", folder / "RTSTRUCT" / "rtstruct.dcm", scan, study, pet_uids)
    write_image(truth / "lesions.nii.gz", scan.pet.with_array(scan.labels))
    row = describe(scan)
    score = float(_scores([row])[0])
    row |= outcome.draw_outcome(score, np.random.default_rng((seed, number, OUTCOME_STREAM)))
    write_json(
        truth / "phantom.json",
        {
            **row,
            "image_score": score,
            "suv_factor": study.suv_factor,
            "traps": scan.traps,
            "sites": [le.site for le in scan.lesions],
        },
    )
    return row


def _write_readers(root: Path, first: Path, scan: Scan, study: Study, pet_uids: list[UID]) -> None:
    """Each reader's RTSTRUCT in a folder of his own, as `tmtv prepare --rois ROOT --readers` takes them."""
    patient_id = scan.patient.patient_id
    for number, outlines in enumerate((scan.outlines, *scan.further_outlines), start=1):
        reader = f"reader{number}"
        path = root / reader / patient_id / "rtstruct.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number == 1:
            shutil.copyfile(first, path)
        else:
            write_rtstruct(path, study, outlines, scan.pet.geometry, pet_uids, reader)


def make_scan(number: int, seed: int, voxel_mm: float | None = None, readers: int = 1) -> Scan:
    """Paint one patient and scan him; `readers` draw, each with a habit that is the same in every patient of a seed."""
    rng = np.random.default_rng((seed, number))
    patient, scanner = draw_patient(number, rng), scanner_of(number)
    pet_grid, ct_grid, canvas_grid = _grids(patient, scanner, voxel_mm, rng)
    canvas = Canvas(canvas_grid, patient.scale_xyz, float(rng.uniform(3, 7)), rng)
    uptake = draw_uptake(rng)
    paint_body(canvas, patient, uptake, rng)
    traps = paint_traps(canvas, patient, uptake, rng)
    normal = canvas.suv.copy()
    lesions = draw_lesions(patient, rng)
    labels = paint_lesions(canvas, lesions, rng)
    on_pet = resample(Image(labels, canvas_grid), pet_grid, nearest=True).array
    pet = scan_pet(canvas, pet_grid, scanner.fwhm_mm, patient.liver_noise, rng)
    back_mm = float((110 + patient.fat_mm) * patient.scale_xyz[1])
    ct = scan_ct(canvas, ct_grid, back_mm, rng)
    normal_pet = resample(
        Image(ndimage.gaussian_filter(normal, 1.0, truncate=2), canvas_grid), pet_grid
    ).array
    outlines = draw_outlines(on_pet, normal_pet, pet_grid, rng)
    further = tuple(
        draw_outlines(
            on_pet,
            normal_pet,
            pet_grid,
            np.random.default_rng((seed, number, READER_STREAM, k)),
            draw_habit(np.random.default_rng((seed, 0, READER_STREAM, k))),
        )
        for k in range(2, readers + 1)
    )
    images = Image(pet, pet_grid), Image(ct, ct_grid)
    return Scan(patient, scanner, *images, lesions, on_pet, outlines, traps, further)


def describe(scan: Scan) -> dict[str, Any]:
    """The patient's row of `cohort.csv`; volumes, SUV and distances are those of the true lesions on the PET grid."""
    patient, labels = scan.patient, scan.labels
    present = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    centres = scan.pet.geometry.to_world(ndimage.center_of_mass(labels > 0, labels, present))
    return {
        "PatientID": patient.patient_id,
        "case_id": patient.case_id,
        "subtype": patient.subtype,
        "scanner": scan.scanner.name,
        "sex": patient.sex,
        "age_years": patient.age_years,
        "true_tmtv_ml": round(float(np.count_nonzero(labels)) * scan.pet.geometry.voxel_ml, 3),
        "true_lesion_count": len(present),
        "true_dmax_mm": round(float(pdist(centres).max()), 2) if len(present) > 1 else 0.0,
        "true_suv_max": round(float(scan.pet.array[labels > 0].max()), 3),
    }


def _scores(rows: Sequence[dict[str, Any]]) -> npt.NDArray[np.float64]:
    measures = np.array([[row["true_tmtv_ml"], row["true_dmax_mm"], row["true_suv_max"]] for row in rows])
    return outcome.image_score(*measures.T)


def assign_splits(subtypes: Sequence[str], seed: int) -> list[str]:
    """60/20/20 by subtype: shuffled within each, then every fifth place validation and every fifth test.

    Unlike the greedy rule for users' cohorts, 5 k cases always give 3 k, k and k.
    """
    shuffled = np.random.default_rng((seed, 0)).permutation(len(subtypes)).tolist()
    splits = [""] * len(subtypes)
    for place, i in enumerate(sorted(shuffled, key=lambda i: subtypes[i])):
        splits[i] = ("train", "validation", "train", "test", "train")[place % 5]
    return splits


def _grids(
    patient: Patient, scanner: Scanner, voxel_mm: float | None, rng: np.random.Generator
) -> tuple[Geometry, Geometry, Geometry]:
    """Grids of the PET, the CT and the canvas. The patient lies a little off the scanner's axis."""
    sx, sy, sz = patient.scale_xyz
    bottom, top = patient.scan_bottom_mm * sz, patient.scan_top_mm * sz
    off = rng.normal(0, 7, 2)
    pixel, step, matrix = scanner.pixel_mm, scanner.slice_mm, scanner.matrix
    if voxel_mm is not None:
        matrix = 2 * int(np.ceil(matrix * pixel / voxel_mm / 2))
        pixel = step = float(voxel_mm)

    def axial(matrix: int, pixel: float, step: float) -> Geometry:
        slices = int(np.ceil((top - bottom) / step))
        corner = -pixel * (matrix - 1) / 2
        origin = (round(corner + off[0], 3), round(corner + off[1], 3), round(bottom, 3))
        return Geometry((slices, matrix, matrix), (step, pixel, pixel), origin)

    half_x = min(scanner.matrix * scanner.pixel_mm / 2 + 10, 315 * sx)
    front, back = -(100 + 1.9 * patient.fat_mm) * sy - 12, (112 + 1.1 * patient.fat_mm) * sy + 12
    shape = [int(np.ceil(e / CANVAS_MM)) for e in (top - bottom + 24, back - front, 2 * half_x)]
    canvas = Geometry((shape[0], shape[1], shape[2]), (CANVAS_MM,) * 3, (-half_x, front, bottom - 12))
    return axial(matrix, pixel, step), axial(CT_MATRIX, CT_PIXEL_MM, CT_SLICE_MM), canvas
