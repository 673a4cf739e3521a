"""One case, files to files: map and SUV image in; label images, lesion tables and `tmtv.json` out."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from postprocess.config import Config
from postprocess.errors import PostprocessError
from postprocess.files import read_json, replace_atomically, sha256, write_json

RESULT_FILE = "tmtv.json"
MAX_LABEL = 65535  # label images are uint16


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to do for one case; everything that can change a number is in here."""

    case_id: str
    map_path: Path
    suv_path: Path
    folder: Path
    methods: tuple[str, ...] = ("raw", "41", "2.5", "4.0")
    config: Config = field(default_factory=Config)
    is_mask: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        return {**asdict(self.config), "input": "mask" if self.is_mask else "probability"}


def run_case(job: Job) -> dict[str, Any]:
    """Post-process one case and return what `tmtv.json` holds, with `skipped` true if it was finished before.

    `tmtv.json` is written last; a case without it is unfinished. Methods computed earlier from the same inputs with
    the same parameters are kept.

    Raises
    ------
    PostprocessError
        Inputs that cannot be used, or a folder that cannot be written.
    """
    paths = {"mask" if job.is_mask else "probability": job.map_path, "suv": job.suv_path}
    for path in paths.values():
        if not path.is_file():
            raise PostprocessError(f"{path}: no such file.")
    with ThreadPoolExecutor(2) as executor:
        hashes = {name: executor.submit(sha256, path) for name, path in paths.items()}

        def description() -> dict[str, Any]:
            return {
                "case_id": job.case_id,
                "parameters": job.parameters,
                "inputs": {
                    name: {"file": path.name, "sha256": hashes[name].result()} for name, path in paths.items()
                },
                "software": software(),
            }

        result_path = job.folder / RESULT_FILE
        before = _earlier_result(result_path)
        if before and {key: before.get(key) for key in description()} == description():
            if set(job.methods) <= set(before["methods"]):
                return {**before, "skipped": True}
        else:
            before = None
        computed, warnings = _compute(job)
        merged = {**(before["methods"] if before else {}), **computed}
        result = {
            "case_id": job.case_id,
            "methods": merged,
            **{key: value for key, value in description().items() if key != "case_id"},
            "warnings": warnings,
        }
    write_json(result_path, result)
    return {**result, "skipped": False}


def software() -> dict[str, str]:
    """Name and version of this software."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"name": "tmtv-tf", "version": version("tmtv-tf")}
    except PackageNotFoundError:
        return {"name": "tmtv-tf", "version": "unknown"}


def _earlier_result(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except PostprocessError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("methods"), dict) else None


def _compute(job: Job) -> tuple[dict[str, dict[str, Any]], list[str]]:
    from postprocess.image import Image, write_image
    from postprocess.inputs import read_case
    from postprocess.measures import lesions_of_voxels, patient_measures
    from postprocess.orientation import orientation_of
    from postprocess.segmentation import Segmentation

    images = read_case(job.map_path, job.suv_path, is_mask=job.is_mask)
    geometry = images.suv.geometry
    work = Segmentation(images.probability.array, images.suv.array, geometry.spacing_mm, job.config)
    labels = {method: work.voxel_labels(method) for method in job.methods}
    for method, label in labels.items():
        if label.max(initial=0) > MAX_LABEL:
            raise PostprocessError(
                f"{job.map_path}: {label.max()} lesions under {method}; a label image holds {MAX_LABEL} at most. "
                "Is this a segmentation?"
            )
    turn = orientation_of(images.stored)
    (job.folder / RESULT_FILE).unlink(missing_ok=True)  # from here on the case is unfinished
    measures = {}
    for method, label in labels.items():
        volume = np.zeros(geometry.shape, np.uint16)
        volume.reshape(-1)[work.index] = label
        write_image(job.folder / f"lesions_{method}.nii.gz", Image(turn.undo(volume), images.stored))
        lesions = lesions_of_voxels(work.index, label, work.suv, geometry, work.sphere_means)
        write_lesions(job.folder / f"lesions_{method}.csv", lesions)
        measures[method] = patient_measures(lesions, work.index[label > 0], geometry)
    return measures, images.warnings


def write_lesions(path: str | os.PathLike[str], lesions: Sequence[Any]) -> None:
    """Write the lesion table as CSV, whole or not at all; numbers with 7 significant digits."""
    from postprocess.measures import Lesion

    with replace_atomically(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([item.name for item in fields(Lesion)])
        for lesion in lesions:
            writer.writerow([f"{v:.7g}" if isinstance(v, float) else v for v in astuple(lesion)])
