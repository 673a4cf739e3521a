"""One case, files to files: map and SUV image in; label images, lesion tables and `tmtv.json` out."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from petct.errors import TmtvError
from petct.files import read_json, replace_atomically, write_json
from petct.image import Geometry, Image, image_sha256, write_image
from petct.orientation import orientation_of
from petct.version import software
from postprocess.config import Config
from postprocess.editing import Edits, excluded_voxels, grow_seed
from postprocess.inputs import CaseImages, MapFile, read_case, read_mask
from postprocess.measures import Lesion, body_surface_m2, lesions_of_voxels, summarize
from postprocess.methods import DEFAULT_METHODS
from postprocess.segmentation import Lesions, Segmentation

RESULT_FILE = "tmtv.json"
PREDICTION_FILE = "prediction.json"
SUV_OF_NO_LESION = 1.0
MAX_LABEL = 65535  # label images are uint16


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to do for one case; everything that can change a number is in here."""

    case_id: str
    map_file: MapFile
    suv_path: Path
    folder: Path
    methods: tuple[str, ...] = DEFAULT_METHODS
    config: Config = field(default_factory=Config)
    exclude_mask: Path | None = None
    edits: Edits = field(default_factory=Edits)
    height_cm: float | None = None
    weight_kg: float | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """The input files by the role they play."""
        found = {
            "mask" if self.map_file.is_mask else "probability": self.map_file.path,
            "suv": self.suv_path,
            "reference": self.map_file.reference,
            "exclude_mask": self.exclude_mask,
        }
        return {role: path for role, path in found.items() if path is not None}

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **asdict(self.config),
            "mask_labels": list(self.map_file.mask_labels),
            "channel": self.map_file.channel,
            "exclude": [f"{method}:{label}" for method, label in self.edits.exclude],
            "include_seed_mm": [list(seed) for seed in self.edits.seeds_mm],
            "seed_limit_mm": self.edits.seed_limit_mm,
            "height_cm": self.height_cm,
            "weight_kg": self.weight_kg,
        }


def run_case(job: Job) -> dict[str, Any]:
    """Post-process one case and return what `tmtv.json` holds, with `skipped` true if it was finished before.

    `tmtv.json` is written last; a case without it is unfinished. Methods computed earlier from the same inputs with
    the same parameters are kept, and stay whole if further ones cannot be added. An earlier result of another map,
    mask or SUV image is removed, even if the new one is then refused.

    Raises
    ------
    TmtvError
        Inputs that cannot be used, or a folder that cannot be written.
    """
    for path in job.paths.values():
        if not path.is_file():
            raise TmtvError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}.")
    earlier = _earlier_result(job.folder / RESULT_FILE)
    prediction = _read_prediction(job.map_file)
    with ThreadPoolExecutor(2) as executor:  # files are hashed while others are read and computed on
        hashes = {role: executor.submit(image_sha256, path) for role, path in job.paths.items()}
        if earlier is not None:
            description = _describe(job, hashes, prediction)
            if _is_outdated(earlier["inputs"], description["inputs"]):
                _clear(job.folder)
            if any(earlier.get(key) != value for key, value in description.items()):
                earlier = None
        missing = _missing_methods(job, earlier)
        known = {} if earlier is None else earlier
        said = set(_warnings_of(prediction)) <= set(known.get("warnings", []))
        if earlier is not None and not missing and said:
            return {**earlier, "skipped": True}
        _check_origin(job, hashes["suv"], prediction)
        earlier = earlier or {}
        computed = _compute(replace(job, methods=missing))
        description = _describe(job, hashes, prediction)
    with _finishing(job.folder, keep=set(earlier.get("methods", ()))):
        result = {
            "case_id": job.case_id,
            "methods": earlier.get("methods", {}) | _write(job, computed),
            **description,
            "warnings": list(
                dict.fromkeys([*_warnings_of(prediction), *earlier.get("warnings", []), *computed.warnings])
            ),
        }
        if computed.edits:
            result["edits"] = computed.edits
            if added_ml := earlier.get("edits", {}).get("added_ml"):
                result["edits"]["added_ml"] = added_ml | computed.edits["added_ml"]
        write_json(job.folder / RESULT_FILE, result)
    return {**result, "skipped": False}


def _describe(job: Job, hashes: dict[str, Future[str]], prediction: dict[str, Any]) -> dict[str, Any]:
    """What identifies a result: case, parameters, inputs (with the model, where it is known), software."""
    inputs: dict[str, dict[str, Any]] = {
        role: {"file": path.name, "sha256": hashes[role].result()} for role, path in job.paths.items()
    }
    if model := prediction.get("inputs", {}).get("model"):
        inputs["model"] = {"file": prediction.get("model"), "sha256": model}
    return {
        "case_id": job.case_id,
        "parameters": job.parameters,
        "inputs": inputs,
        "software": software(),
    }


def _is_outdated(earlier: dict[str, Any], inputs: dict[str, Any]) -> bool:
    """Whether an input of the earlier result is another file now; one more or one less is another question."""
    return any(earlier[role] != inputs[role] for role in earlier.keys() & inputs.keys())


def _missing_methods(job: Job, earlier: dict[str, Any] | None) -> tuple[str, ...]:
    """The methods asked for that the earlier result, or its folder, does not hold."""
    known = {} if earlier is None else earlier["methods"]
    return tuple(
        method
        for method in job.methods
        if method not in known
        or not all((job.folder / f"lesions_{method}.{suffix}").is_file() for suffix in ("nii.gz", "csv"))
    )


def _earlier_result(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except TmtvError:
        return None
    whole = isinstance(found, dict) and all(isinstance(found.get(key), dict) for key in ("methods", "inputs"))
    return found if whole else None


def _read_prediction(found: MapFile) -> dict[str, Any]:
    """The `prediction.json` that `tmtv predict` writes beside its map; empty where there is none."""
    path = found.path.with_name(PREDICTION_FILE)
    if found.is_mask or not path.is_file():
        return {}
    prediction = read_json(path)
    if not isinstance(prediction, dict) or not isinstance(prediction.get("inputs"), dict):
        raise TmtvError(f"{path}: not written by tmtv predict (no 'inputs').")
    return prediction


def _warnings_of(prediction: dict[str, Any]) -> list[str]:
    """What `tmtv predict` warned of (a model that saw phantoms only, a CT that ends early): true of the TMTV too."""
    found = prediction.get("warnings")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _check_origin(job: Job, suv_sha256: Future[str], prediction: dict[str, Any]) -> None:
    """Refuse a map that was predicted from another PET."""
    if prediction.get("inputs", {}).get("pet") not in (None, suv_sha256.result()):
        raise TmtvError(
            f"{job.map_file.path}: it was predicted from another PET than {job.suv_path} (SHA-256 in "
            f"{PREDICTION_FILE}); predict again, or remove {PREDICTION_FILE} if the two files are one image."
        )


@dataclass
class _Computed:
    """The lesions of a case, not yet written."""

    images: CaseImages
    work: Segmentation
    lesions: dict[str, Lesions] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    edits: dict[str, Any] = field(default_factory=dict)


def _compute(job: Job) -> _Computed:
    """Read and segment; nothing is written."""
    images = read_case(job.map_file, job.suv_path, job.config.probability_threshold)
    probability, geometry = images.probability.array, images.suv.geometry
    edits = {}
    if job.exclude_mask is not None:
        probability, edits["exclude_mask_ml"] = _without_mask(images, job.exclude_mask, job.config)
    work = Segmentation(probability, images.suv.array, geometry.spacing_mm, job.config)
    done = _Computed(images, work, warnings=images.warnings, edits=edits)
    if work.index.size and (median := float(np.median(work.values))) < SUV_OF_NO_LESION:
        done.warnings.append(
            f"half of the mask has an SUV below {median:.2g}: do the map and the PET belong together?"
        )
    done.lesions = _edited_lesions(job, work, geometry, done)
    for method, found in done.lesions.items():
        if (count := found.label.max(initial=0)) > MAX_LABEL:
            raise TmtvError(
                f"{job.map_file.path}: {count} lesions under {method}; a label image holds {MAX_LABEL} at most. "
                "Is this a segmentation?"
            )
    return done


def _edited_lesions(job: Job, work: Segmentation, geometry: Geometry, done: _Computed) -> dict[str, Lesions]:
    """The lesions of every method after a reader's changes, whose volumes are noted in `done`."""
    edits = job.edits
    excluded = excluded_voxels(work, edits.exclude) if edits.exclude else None
    if excluded is not None:
        done.edits["excluded_ml"] = float(excluded.sum() * geometry.voxel_ml)
    lesions = {method: work.lesions(method, excluded) for method in job.methods}
    for method in job.methods if edits.seeds_mm else ():
        grown = [grow_seed(work, geometry, seed, method, edits.seed_limit_mm) for seed in edits.seeds_mm]
        done.warnings.extend(warning for _, warnings in grown for warning in warnings)
        before = lesions[method].index.size
        added = np.unique(np.concatenate([index for index, _ in grown]))
        lesions[method] = work.lesions(method, excluded, added)
        added_ml = (lesions[method].index.size - before) * geometry.voxel_ml
        done.edits.setdefault("added_ml", {})[method] = added_ml
    return lesions


def _without_mask(images: CaseImages, path: Path, config: Config) -> tuple[np.ndarray, float]:
    """The map with 0 inside an exclusion mask, and the volume of foreground this takes out."""
    mask = read_mask(path, images.suv.geometry)
    probability = images.probability.array
    removed = np.count_nonzero(mask & (probability > config.probability_threshold))
    return np.where(mask, probability.dtype.type(0), probability), removed * images.suv.geometry.voxel_ml


@contextmanager
def _finishing(folder: Path, keep: Set[str]) -> Iterator[None]:
    """Clear the way for a result; if it cannot be written, take back what was. Methods in `keep` stay throughout."""
    _clear(folder, keep)
    try:
        yield
    except BaseException:
        with suppress(TmtvError):
            _clear(folder, keep)
        raise


def _clear(folder: Path, keep: Set[str] = frozenset()) -> None:
    """Remove what other inputs or parameters, or a killed run, left behind; first `tmtv.json`, if nothing is kept."""
    if not folder.is_dir():
        return
    try:
        if not keep:
            (folder / RESULT_FILE).unlink(missing_ok=True)
        for path in folder.iterdir():
            found = re.fullmatch(r"(\.[0-9a-f]{8}\.)?(?:lesions_(.+)\.(?:nii\.gz|csv)|tmtv\.json)", path.name)
            if found and (found[1] or (found[2] and found[2] not in keep)):
                path.unlink()
    except OSError as error:
        raise TmtvError(f"{folder}: cannot be written ({error.strerror or error}).") from error


def _write(job: Job, computed: _Computed) -> dict[str, dict[str, Any]]:
    """Write the label image and the lesion table of every method; return the measures."""
    images, work = computed.images, computed.work
    geometry = images.suv.geometry
    measures = {}
    for method, found in computed.lesions.items():
        volume = np.zeros(geometry.shape, np.uint16)
        volume.reshape(-1)[found.index] = found.label
        write_image(
            job.folder / f"lesions_{method}.nii.gz",
            Image(orientation_of(images.stored).undo(volume), images.stored),
        )
        table = lesions_of_voxels(found, work.suv, geometry)
        write_lesions(job.folder / f"lesions_{method}.csv", table)
        measures[method] = summarize(table, found, geometry)
        if job.height_cm and job.weight_kg:
            dmax_mm, body_m2 = measures[method]["dmax_mm"], body_surface_m2(job.height_cm, job.weight_kg)
            measures[method]["sdmax_per_m"] = None if dmax_mm is None else dmax_mm / 1000 / body_m2
    return measures


def write_lesions(path: str | os.PathLike[str], lesions: Sequence[Lesion]) -> None:
    """Write the lesion table as CSV, whole or not at all; numbers with 7 significant digits."""
    with replace_atomically(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([item.name for item in fields(Lesion)])
        for lesion in lesions:
            writer.writerow([f"{v:.7g}" if isinstance(v, float) else v for v in astuple(lesion)])
