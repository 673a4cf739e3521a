"""A case from its images to its result: label images, lesion tables, `tmtv.json`, and the reader's edits of it.

Where the images come from is the affair of a `CaseSource`: files (`postprocess.case`), or a study that is in memory
already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from petct.checks import MAX_LABEL
from petct.errors import TmtvError
from petct.files import remove, write_json
from petct.ids import check_id
from petct.version import software
from postprocess.config import Config
from postprocess.editing import apply_edits
from postprocess.edits import EditLog, read_log
from postprocess.inputs import CaseImages
from postprocess.methods import DEFAULT_METHODS
from postprocess.origin import Origin, changed_roles
from postprocess.requests import Plan, Request, commit, plan
from postprocess.results import (
    RESULT_FILE,
    SOURCE_FILE,
    Answer,
    TmtvResult,
    clear,
    finishing,
    has_method,
    read_result,
    write_methods,
)
from postprocess.review import changed_ml, current_version, final_folder, needs_version, write_version
from postprocess.segmentation import Instances, Lesions, Segmentation
from postprocess.suv_source import SuvSource

SUV_OF_NO_LESION = 1.0
Hashes = dict[str, tuple[Origin, Future[str]]]  # role: the input, and its SHA-256 to come


class CaseSource(Protocol):
    """Where the images of a case come from, and what they are called in its result."""

    @property
    def name(self) -> str:
        """Of the map or mask, for messages."""
        ...

    @property
    def origins(self) -> Mapping[str, Origin]:
        """The inputs by their role."""
        ...

    @property
    def prediction(self) -> Mapping[str, Any]:
        """What made the map, as `prediction.json` has it; empty where nobody knows."""
        ...

    @property
    def pet(self) -> SuvSource:
        """The PET, found but not read."""
        ...

    def read(self) -> CaseImages:
        """SUV and probability on one grid."""
        ...


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do with the images of one case.

    All but `request` makes the automatic result; `request` adds to the reader's edits.
    """

    case_id: str
    folder: Path
    methods: tuple[str, ...] = DEFAULT_METHODS
    config: Config = field(default_factory=Config)
    request: Request = field(default_factory=Request)
    height_cm: float | None = None
    weight_kg: float | None = None
    overwrite: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        """What `tmtv.json` says under that name."""
        body = {"height_cm": self.height_cm, "weight_kg": self.weight_kg}
        return {**asdict(self.config), **body, "mask_labels": [], "channel": None, "instances": None}


def process(task: Task, source: CaseSource) -> tuple[Answer, Computed | None]:
    """Post-process one case; apply the reader's edits, if there are any, to a result of their own in `review/`.

    `tmtv.json` is written last; a case without it is unfinished. Methods computed earlier from the same inputs with
    the same parameters are kept, and stay whole if further ones cannot be added. An earlier result of another map,
    mask or SUV image is kept and this case refused, or, with `overwrite`, removed, even if the new one is then
    refused. `edits.json` is only ever added to.

    Returns
    -------
    answer : what `tmtv.json` holds, and what was done
    computed : the images and lesions; None if nothing was to be done, and so nothing was read

    Raises
    ------
    TmtvError
        Inputs or edits that cannot be used, or a folder that cannot be written.
    """
    check_id(task.case_id, source.name)
    earlier = read_result(task.folder)
    prediction = source.prediction
    with ThreadPoolExecutor(2) as executor:  # files are hashed while others are read and computed on
        hashes = {role: (origin, executor.submit(origin.sha256)) for role, origin in source.origins.items()}
        if earlier is not None:
            description = _describe(task, hashes, prediction)
            _make_way(task, changed_roles(earlier["inputs"], description["inputs"]))
        log = read_log(task.folder)
        kept, missing = _kept(task, earlier, hashes, prediction)
        done = kept is not None and not missing
        if kept is not None and done and not task.request and _is_reviewed(task.folder, kept, log):
            return _answer(task.folder, kept, log, skipped=True), None
        _check_origin(task, source, hashes["suv"][1])
        methods = tuple(dict.fromkeys([*(kept["methods"] if kept else ()), *task.methods]))
        computed = _compute(task, source, missing, methods, log)
        description = _describe(task, hashes, prediction)
    result = (
        kept if kept is not None and done else _write(task, computed, description, kept, prediction, earlier)
    )
    commit(computed.plan, task.folder, computed.images.suv.geometry)
    new = _review(task, computed, result)
    answer = _answer(task.folder, result, computed.plan.log, skipped=done and not new, made=computed.plan)
    return answer, computed


def _kept(
    task: Task, earlier: TmtvResult | None, hashes: Hashes, prediction: Mapping[str, Any]
) -> tuple[TmtvResult | None, tuple[str, ...]]:
    """The earlier result, where this one goes on with it, and the methods that it lacks."""
    if earlier is None or any(
        earlier.get(key) != value for key, value in _describe(task, hashes, prediction).items()
    ):
        return None, task.methods
    missing = [m for m in task.methods if m not in earlier["methods"] or not has_method(task.folder, m)]
    if not missing and not set(_warnings_of(prediction)) <= set(earlier.get("warnings", [])):
        missing = list(task.methods)
    return earlier, tuple(missing)


def _is_reviewed(folder: Path, result: TmtvResult, log: EditLog) -> bool:
    """Whether the edits in force and the signature, if there are any, are in an edited result of all methods."""
    return not needs_version(log) or current_version(folder, result, log) is not None


def _answer(
    folder: Path, result: TmtvResult, log: EditLog, *, skipped: bool, made: Plan | None = None
) -> Answer:
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


def _describe(task: Task, hashes: Hashes, prediction: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a result: case, parameters, inputs (with the model, where it is known), software."""
    inputs: dict[str, dict[str, Any]] = {
        role: {"file": origin.name, "sha256": sha256.result(), **origin.record}
        for role, (origin, sha256) in hashes.items()
    }
    if model := prediction.get("inputs", {}).get("model"):
        inputs["model"] = {"file": prediction.get("model"), "sha256": model}
    return {
        "case_id": task.case_id,
        "parameters": task.parameters,
        "inputs": inputs,
        "software": software(),
    }


def _make_way(task: Task, changed: Sequence[str]) -> None:
    """Remove an earlier result of other inputs, if that was asked for; else refuse."""
    if not changed:
        return
    if not task.overwrite:
        raise TmtvError(
            f"{task.folder}: it holds the result of another {' and '.join(changed)} and is kept. Give another "
            "--case-id or --out, or --overwrite to replace it."
        )
    clear(task.folder)
    if "suv" in changed:
        remove(task.folder / SOURCE_FILE)


def _warnings_of(prediction: Mapping[str, Any]) -> list[str]:
    """What `tmtv predict` warned of (a model that saw phantoms only, a CT that ends early): true of the TMTV too."""
    found = prediction.get("warnings")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _check_origin(task: Task, source: CaseSource, suv_sha256: Future[str]) -> None:
    """Refuse a map that was predicted from another PET."""
    if source.prediction.get("inputs", {}).get("pet") not in (None, suv_sha256.result()):
        raise TmtvError(
            f"{source.name}: it was predicted from another PET than {source.pet.path} (SHA-256 in prediction.json); "
            "predict again, or remove prediction.json if the two files are one image."
        )


@dataclass(frozen=True)
class Computed:
    """The lesions of a case, not yet written: of the methods that are missing, and, with edits, of all after them."""

    images: CaseImages
    lesions: dict[str, Lesions]
    warnings: list[str]
    plan: Plan
    edited: dict[str, Lesions]
    changed_ml: dict[str, dict[str, float]]
    edit_warnings: list[str]


def _compute(
    task: Task, source: CaseSource, missing: Sequence[str], methods: Sequence[str], log: EditLog
) -> Computed:
    """Read and segment; nothing is written."""
    images = source.read()
    geometry = images.suv.geometry
    work = Segmentation(
        images.probability.array,
        images.suv.array,
        geometry.spacing_mm,
        task.config,
        instances=images.instances,
    )
    warnings = list(images.warnings)
    if work.index.size and (median := float(np.median(work.values))) < SUV_OF_NO_LESION:
        warnings.append(
            f"half of the mask has an SUV below {median:.2g}: do the map and the PET belong together?"
        )
    lesions = {method: work.lesions(method) for method in missing}
    made = plan(replace(task.request, pet=source.pet), log, task.folder, work, geometry)
    edited, volumes, edit_warnings = {}, {}, list(made.warnings)
    for method in methods if needs_version(made.log) else ():
        edited[method], said = apply_edits(work, geometry, method, made.edits)
        edit_warnings += [f"{method}: {text}" for text in said]
        volumes[method] = changed_ml(work.lesions(method), edited[method], geometry.voxel_ml)
    for method, found in [*lesions.items(), *edited.items()]:
        if (count := found.label.max(initial=0)) > MAX_LABEL:
            raise TmtvError(
                f"{source.name}: {count} lesions under {method}; a label image holds {MAX_LABEL} at most. "
                "Is this a segmentation?"
            )
    return Computed(images, lesions, warnings, made, edited, volumes, edit_warnings)


def _write(
    task: Task,
    computed: Computed,
    description: dict[str, Any],
    kept: TmtvResult | None,
    prediction: Mapping[str, Any],
    earlier: TmtvResult | None,
) -> TmtvResult:
    """Write the automatic result; what `tmtv.json` holds."""
    suv, stored, body = computed.images.suv.array, computed.images.stored, (task.height_cm, task.weight_kg)
    with finishing(task.folder, keep=set(kept["methods"] if kept else ())):
        measures = write_methods(task.folder, computed.lesions, suv, stored, body)
        warnings = [
            *_warnings_of(prediction),
            *(kept["warnings"] if kept else ()),
            *_without_log(earlier),
            *computed.warnings,
        ]
        result: TmtvResult = {
            "case_id": task.case_id,
            "methods": (kept["methods"] if kept else {}) | measures,
            **cast(TmtvResult, description),
            "instances": _regions(computed.images.instances),
            "warnings": list(dict.fromkeys(warnings)),
        }
        write_json(task.folder / RESULT_FILE, result)
    return result


def _regions(instances: Instances | None) -> str | None:
    """Whether the lesions are regions that somebody told apart: who reads the result cannot see it otherwise."""
    if instances is None:
        return None
    alone = np.unique(instances.index).size == instances.index.size
    return "apart" if alone else "overlapping"


def _review(task: Task, computed: Computed, result: TmtvResult) -> bool:
    """Write the edited result, if there are edits and it is not there; whether it was written."""
    if _is_reviewed(task.folder, result, computed.plan.log):
        return False
    write_version(
        task.folder,
        result,
        computed.plan.log,
        computed.edited,
        computed.changed_ml,
        computed.edit_warnings,
        computed.images.suv.array,
        computed.images.stored,
        (task.height_cm, task.weight_kg),
    )
    return True


def _without_log(earlier: TmtvResult | None) -> list[str]:
    """What version 0.1 knew of edits: in the parameters of the result, which is replaced now."""
    parameters = earlier["parameters"] if earlier else {}
    mask = (earlier["inputs"].get("exclude_mask") if earlier else None) or {}
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
