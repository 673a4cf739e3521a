"""One case, files to files: map and SUV image in; label images, lesion tables and `tmtv.json` out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from petct.errors import TmtvError
from petct.files import read_json, write_json
from petct.ids import check_id
from petct.version import software
from postprocess.config import Config
from postprocess.editing import apply_edits
from postprocess.edits import EditLog, read_log
from postprocess.inputs import CaseImages, MapFile, read_case
from postprocess.methods import DEFAULT_METHODS
from postprocess.origin import changed_roles, origins
from postprocess.requests import Plan, Request, commit, plan
from postprocess.results import RESULT_FILE, clear, finishing, has_method, read_result, write_methods
from postprocess.review import changed_ml, current_version, final_folder, write_version
from postprocess.segmentation import Lesions, Segmentation
from postprocess.suv_source import SuvSource, find_suv

PREDICTION_FILE = "prediction.json"
SUV_OF_NO_LESION = 1.0
MAX_LABEL = 65535  # label images are uint16
Hashes = dict[str, tuple[str, Future[str]]]  # role: what results call the input, and its SHA-256 to come


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to do for one case. All but `request` makes the automatic result; `request` adds to the reader's edits."""

    case_id: str
    map_file: MapFile
    suv_path: Path
    folder: Path
    methods: tuple[str, ...] = DEFAULT_METHODS
    config: Config = field(default_factory=Config)
    request: Request = field(default_factory=Request)
    height_cm: float | None = None
    weight_kg: float | None = None
    overwrite: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **asdict(self.config),
            "mask_labels": list(self.map_file.mask_labels),
            "channel": self.map_file.channel,
            "instances": self.map_file.instances,
            "height_cm": self.height_cm,
            "weight_kg": self.weight_kg,
        }


def run_case(job: Job) -> dict[str, Any]:
    """Post-process one case; apply the reader's edits, if there are any, to a result of their own in `review/`.

    `tmtv.json` is written last; a case without it is unfinished. Methods computed earlier from the same inputs with
    the same parameters are kept, and stay whole if further ones cannot be added. An earlier result of another map,
    mask or SUV image is kept and this case refused, or, with `overwrite`, removed, even if the new one is then
    refused. `edits.json` is only ever added to.

    Returns
    -------
    dict
        What `tmtv.json` holds, and: `skipped` (nothing was to be done), `final` (measures by method after the edits;
        without edits those of `methods`), `edits` (how many are in force), `added`, `cleared` (how many this call
        added, and put out of force), `said` (sentences for the reader who asked).

    Raises
    ------
    TmtvError
        Inputs or edits that cannot be used, or a folder that cannot be written.
    """
    check_id(job.case_id, str(job.map_file.path))
    for path in (job.map_file.path, job.request.exclude_mask):
        if path is not None and not path.is_file():
            raise TmtvError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}.")
    if job.map_file.reference is not None and not job.map_file.reference.exists():
        raise TmtvError(f"{job.map_file.reference}: no such file.")
    source = find_suv(job.suv_path)
    named = origins(job.map_file, source)
    earlier = read_result(job.folder)
    prediction = _read_prediction(job.map_file)
    with ThreadPoolExecutor(2) as executor:  # files are hashed while others are read and computed on
        hashes = {role: (origin.name, executor.submit(origin.sha256)) for role, origin in named.items()}
        if earlier is not None:
            description = _describe(job, hashes, prediction)
            _make_way(job, changed_roles(earlier["inputs"], description["inputs"]))
        log = read_log(job.folder)
        kept, missing = _kept(job, earlier, hashes, prediction)
        done = kept is not None and not missing
        if kept is not None and done and not job.request and _is_reviewed(job.folder, kept, log):
            return _answer(job.folder, kept, log, skipped=True)
        _check_origin(job, hashes["suv"][1], prediction)
        methods = tuple(dict.fromkeys([*(kept or {}).get("methods", ()), *job.methods]))
        computed = _compute(job, source, missing, methods, log)
        description = _describe(job, hashes, prediction)
    result = (
        kept if kept is not None and done else _write(job, computed, description, kept, prediction, earlier)
    )
    commit(computed.plan, job.folder, computed.images.suv.geometry)
    new = _review(job, computed, result)
    return _answer(job.folder, result, computed.plan.log, skipped=done and not new, made=computed.plan)


def _kept(
    job: Job, earlier: dict[str, Any] | None, hashes: Hashes, prediction: dict[str, Any]
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The earlier result, where this one goes on with it, and the methods that it lacks."""
    if earlier is None or any(
        earlier.get(key) != value for key, value in _describe(job, hashes, prediction).items()
    ):
        return None, job.methods
    missing = [m for m in job.methods if m not in earlier["methods"] or not has_method(job.folder, m)]
    if not missing and not set(_warnings_of(prediction)) <= set(earlier.get("warnings", [])):
        missing = list(job.methods)
    return earlier, tuple(missing)


def _is_reviewed(folder: Path, result: dict[str, Any], log: EditLog) -> bool:
    """Whether the edits in force, if there are any, are in an edited result of all methods."""
    return not log.in_force or current_version(folder, result, log.in_force) is not None


def _answer(
    folder: Path, result: dict[str, Any], log: EditLog, *, skipped: bool, made: Plan | None = None
) -> dict[str, Any]:
    final = read_result(final_folder(folder)) or result
    warnings = [*result.get("warnings", []), *(final.get("warnings", []) if log.in_force else [])]
    return {
        **result,
        "warnings": list(dict.fromkeys(warnings)),
        "skipped": skipped,
        "final": final["methods"],
        "edits": len(log.in_force),
        "added": made.added if made else 0,
        "cleared": made.cleared if made else 0,
        "said": list(made.said) if made else [],
    }


def _describe(job: Job, hashes: Hashes, prediction: dict[str, Any]) -> dict[str, Any]:
    """What identifies a result: case, parameters, inputs (with the model, where it is known), software."""
    inputs: dict[str, dict[str, Any]] = {
        role: {"file": name, "sha256": sha256.result()} for role, (name, sha256) in hashes.items()
    }
    if model := prediction.get("inputs", {}).get("model"):
        inputs["model"] = {"file": prediction.get("model"), "sha256": model}
    return {
        "case_id": job.case_id,
        "parameters": job.parameters,
        "inputs": inputs,
        "software": software(),
    }


def _make_way(job: Job, changed: Sequence[str]) -> None:
    """Remove an earlier result of other inputs, if that was asked for; else refuse."""
    if not changed:
        return
    if not job.overwrite:
        raise TmtvError(
            f"{job.folder}: it holds the result of another {' and '.join(changed)} and is kept. Give another --case-id "
            "or --out, or --overwrite to replace it."
        )
    clear(job.folder)


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


@dataclass(frozen=True)
class _Computed:
    """The lesions of a case, not yet written: of the methods that are missing, and, with edits, of all after them."""

    images: CaseImages
    lesions: dict[str, Lesions]
    warnings: list[str]
    plan: Plan
    edited: dict[str, Lesions]
    changed_ml: dict[str, dict[str, float]]
    edit_warnings: list[str]


def _compute(
    job: Job, source: SuvSource, missing: Sequence[str], methods: Sequence[str], log: EditLog
) -> _Computed:
    """Read and segment; nothing is written."""
    images = read_case(job.map_file, source, job.config.probability_threshold)
    geometry = images.suv.geometry
    work = Segmentation(
        images.probability.array,
        images.suv.array,
        geometry.spacing_mm,
        job.config,
        instances=images.instances,
    )
    warnings = list(images.warnings)
    if work.index.size and (median := float(np.median(work.values))) < SUV_OF_NO_LESION:
        warnings.append(
            f"half of the mask has an SUV below {median:.2g}: do the map and the PET belong together?"
        )
    lesions = {method: work.lesions(method) for method in missing}
    made = plan(replace(job.request, pet=source), log, job.folder, work, geometry)
    edited, volumes, edit_warnings = {}, {}, list(made.warnings)
    for method in methods if made.edits else ():
        edited[method], said = apply_edits(work, geometry, method, made.edits)
        edit_warnings += [f"{method}: {text}" for text in said]
        volumes[method] = changed_ml(work.lesions(method), edited[method], geometry.voxel_ml)
    for method, found in [*lesions.items(), *edited.items()]:
        if (count := found.label.max(initial=0)) > MAX_LABEL:
            raise TmtvError(
                f"{job.map_file.path}: {count} lesions under {method}; a label image holds {MAX_LABEL} at most. "
                "Is this a segmentation?"
            )
    return _Computed(images, lesions, warnings, made, edited, volumes, edit_warnings)


def _write(
    job: Job,
    computed: _Computed,
    description: dict[str, Any],
    kept: dict[str, Any] | None,
    prediction: dict[str, Any],
    earlier: dict[str, Any] | None,
) -> dict[str, Any]:
    """Write the automatic result; what `tmtv.json` holds."""
    before = kept or {}
    suv, stored, body = computed.images.suv.array, computed.images.stored, (job.height_cm, job.weight_kg)
    with finishing(job.folder, keep=set(before.get("methods", ()))):
        measures = write_methods(job.folder, computed.lesions, suv, stored, body)
        warnings = [
            *_warnings_of(prediction),
            *before.get("warnings", []),
            *_without_log(earlier),
            *computed.warnings,
        ]
        result = {
            "case_id": job.case_id,
            "methods": before.get("methods", {}) | measures,
            **description,
            "warnings": list(dict.fromkeys(warnings)),
        }
        write_json(job.folder / RESULT_FILE, result)
    return result


def _review(job: Job, computed: _Computed, result: dict[str, Any]) -> bool:
    """Write the edited result, if there are edits and it is not there; whether it was written."""
    in_force = computed.plan.log.in_force
    if _is_reviewed(job.folder, result, computed.plan.log):
        return False
    write_version(
        job.folder,
        result,
        in_force,
        computed.edited,
        computed.changed_ml,
        computed.edit_warnings,
        computed.images.suv.array,
        computed.images.stored,
        (job.height_cm, job.weight_kg),
    )
    return True


def _without_log(earlier: dict[str, Any] | None) -> list[str]:
    """What version 0.1 knew of edits: in the parameters of the result, which is replaced now."""
    parameters = (earlier or {}).get("parameters") or {}
    mask = ((earlier or {}).get("inputs") or {}).get("exclude_mask") or {}
    found = [f"--exclude {text}" for text in parameters.get("exclude") or []]
    found += [
        f"--include-seed {','.join(map(str, seed))}" for seed in parameters.get("include_seed_mm") or []
    ]
    found += [f"--exclude-mask {mask['file']}"] if mask.get("file") else []
    if not found:
        return []
    return [
        f"edits of a version before edits.json are not in this result; give them again: {' '.join(found)}"
    ]
