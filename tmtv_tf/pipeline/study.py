"""One examination: DICOM in; lesions, SEG, RTSTRUCT, SR and the page out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.errors import CaseError, TmtvError
from petct.exam import Exam, read_series
from petct.files import read_json, remove, sha256, write_json
from petct.orientation import to_canonical
from petct.version import software
from postprocess.edits import EditLog, read_log
from postprocess.inputs import CaseImages, MapFile, case_images
from postprocess.origin import Origin, changed_roles, origins
from postprocess.process import Computed, Task, process
from postprocess.results import OBJECTS, SOURCE_FILE, clear, has_method, read_result
from postprocess.review import current_version
from postprocess.suv_source import SuvSource
from tmtv_tf.cases.prepare import CaseInput
from tmtv_tf.cases.sources import DicomSource, made_by_phantom
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.file import ModelDescription, read_description
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.outputs import IMAGES, Made, write_outputs

if TYPE_CHECKING:
    from petct.image import Image
    from tmtv_tf.inference.model import Model

STAGES = ("read", "predict", "lesions", "write")


@dataclass(frozen=True)
class Study:
    """What to do with one examination.

    Attributes
    ----------
    source : PET and CT series, and the user's own weight, dose, time
    folder : `<out>/<case_id>`
    model : model file; None with a mask
    mask : the lesions, from another program or a reader, in place of a model
    notes : sentences about choices between series
    dicom_folder : where the PET came from, if not from the folder of its files (a zip file)
    """

    case_id: str
    source: DicomSource
    folder: Path
    model: Path | None
    mask: Path | None
    options: RunOptions
    notes: tuple[str, ...] = ()
    dicom_folder: str = ""


@dataclass(frozen=True)
class Ran:
    """What became of a study.

    Attributes
    ----------
    status : "done" or "kept"
    methods : measures by method of the automatic result
    warnings : sentences
    final : the measures after a reader's edits; without edits those of `methods`
    edits : how many are in force
    seconds : by stage
    """

    status: str
    methods: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]
    final: dict[str, dict[str, Any]] = field(default_factory=dict)
    edits: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class StudyCase:
    """The images of a study, in memory (a `postprocess.process.CaseSource`); `exam` and `probability` after `read`."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.exam: Exam | None = None
        self.probability: Image | None = None

    @property
    def name(self) -> str:
        return str(self.study.mask or self.study.model)

    @cached_property
    def pet(self) -> SuvSource:
        source = self.study.source
        uids = source.pet.series_uid, source.pet.frame_of_reference_uid
        return SuvSource(
            source.pet.folder,
            source.pet,
            source.ct,
            *uids,
            computed=True,
            notes=self.study.notes,
            overrides=source.overrides,
        )

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """The SUV are of the files and of the user's own weight, dose, time: with others, another input."""
        mask = self.study.mask
        if mask is not None:
            found = origins(MapFile(mask, is_mask=True), self.pet)
            return {role: replace(one, name=self.anonymous(one.name)) for role, one in found.items()}
        found = {"suv": Origin(self.pet.name, tuple(self.pet.files()), self.pet.values)}
        grid = self.description.grid if self.description else None
        if isinstance(grid, ModelGrid) and grid.needs_ct and self.pet.ct is not None:
            name = f"DICOM series {self.pet.ct.series_uid}"
            found["ct"] = Origin(name, tuple(sorted(self.pet.ct.files)))
        return found

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the files of every input by its role, the model's too; without the user's own values."""
        found = {role: replace(origin, values="").sha256() for role, origin in self.origins.items()}
        return found | ({"model": sha256(self.study.model)} if self.study.model is not None else {})

    @cached_property
    def description(self) -> ModelDescription | None:
        """Of the model; None with a mask."""
        return None if self.study.model is None else read_description(self.study.model)

    @cached_property
    def prediction(self) -> dict[str, Any]:
        path = self.study.model
        if path is None or self.description is None:
            return {}
        on_phantom = made_by_phantom(self.study.source.pet.header)
        said = self.description.warnings(path.name, on_phantom=on_phantom)
        return {"model": path.name, "inputs": {"model": self.digests["model"]}, "warnings": said}

    def other_than(self, result: dict[str, Any]) -> list[str]:
        """The roles in which a result was made from other inputs."""
        inputs, model = result["inputs"], result["inputs"].get("model") or {}
        now = {role: one.sha256() if one.values else self.digests[role] for role, one in self.origins.items()}
        other = changed_roles(inputs, now)
        return other + (["model"] if model.get("sha256") not in (None, self.digests.get("model")) else [])

    def read(self) -> CaseImages:
        source = self.study.source
        with ThreadPoolExecutor(1) as executor:  # the network is compiled while the images are read
            model = executor.submit(self._open_model) if self.study.model is not None else None
            with self._timed("read"):
                exam = self.exam = read_series(source.pet, source.ct, source.overrides)
                warnings = [self.anonymous(text) for text in [*self.study.notes, *exam.warnings]]
        if model is None:
            with self._timed("predict"):
                mask = self.study.mask or Path()
                images = case_images(MapFile(mask, is_mask=True), exam.pet, self.pet, warnings)
                return replace(images, warnings=[self.anonymous(text) for text in images.warnings])
        with self._timed("predict"):
            found = model.result().examine(exam.pet, exam.ct)
            if found.probability is None:
                raise CaseError(f"{self.name}: this network gives a prognosis and no lesions.")
            self.probability = found.probability
            suv, probability = to_canonical(exam.pet), to_canonical(found.probability)
        return CaseImages(suv, probability, exam.pet.geometry, [*warnings, *found.warnings], self.pet)

    def _open_model(self) -> Model:
        from tmtv_tf.inference.load import opened

        if self.study.model is None:
            raise CaseError("There is neither a model nor a mask.")
        return opened(self.study.model, self.digests["model"], self.study.options.backend)

    def anonymous(self, text: str) -> str:
        """A sentence as it may be written: no path, no identifying word of the headers."""
        study = self.study
        case = CaseInput(study.case_id, "", study.source.pet.patient_id, "", study.source, notes=study.notes)
        return case.anonymous(text, ())

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start


def run_study(study: Study) -> Ran:
    """Make everything of one study, or keep what an earlier run of the same inputs and options made.

    `source.json` is written last; a folder without it is unfinished and made anew. A reader's edits stay, and are
    applied to the new result.

    Raises
    ------
    TmtvError
        The study, model or mask cannot be used; the folder holds a result of other inputs and `overwrite` is not set.
    """
    case = StudyCase(study)
    wanted = _wanted(case)
    earlier = _earlier(study.folder)
    log = read_log(study.folder)  # one that cannot be read is refused before anything is removed
    task = Task(
        case_id=study.case_id,
        folder=study.folder,
        methods=study.options.all_methods,
        overwrite=study.options.overwrite,
    )
    if earlier is not None and earlier.get("made") == wanted["made"]:
        kept = _kept(task, case, earlier, log)
        if kept is not None:
            return kept
    _make_way(case, earlier, wanted)
    start = time.perf_counter()
    answer, computed = process(task, case)
    case.seconds["lesions"] = time.perf_counter() - start - case.seconds["read"] - case.seconds["predict"]
    if computed is None or case.exam is None:  # cannot be: the way was made for a new result
        raise TmtvError(f"{study.folder}: an earlier result is in the way; remove it and run again.")
    start = time.perf_counter()
    files = write_outputs(_made(study, case, case.exam, computed, answer))
    write_json(study.folder / SOURCE_FILE, {**wanted, "files": files}, private=True)
    case.seconds["write"] = time.perf_counter() - start
    return Ran(
        "done", answer["methods"], tuple(answer["warnings"]), answer["final"], answer["edits"], case.seconds
    )


def _made(study: Study, case: StudyCase, exam: Exam, computed: Computed, answer: dict[str, Any]) -> Made:
    return Made(
        folder=study.folder,
        case_id=study.case_id,
        exam=exam,
        probability=case.probability,
        computed=computed,
        methods=answer["methods"],
        warnings=tuple(answer["warnings"]),
        options=study.options,
        model_name=study.model.name if study.model is not None else None,
        description=case.description,
        mask_name=case.anonymous(study.mask.name) if study.mask is not None else None,
    )


def _wanted(case: StudyCase) -> dict[str, Any]:
    """What `source.json` says of the run that is wanted now."""
    study = case.study
    made = {
        "inputs": {role: digest for role, digest in case.digests.items() if role != "model"},
        "model": case.digests.get("model"),
        "overrides": study.source.overrides.as_dict(),
        "options": study.options.as_dict(),
        "software": software(),
    }
    pet, ct = study.source.pet, study.source.ct
    return {
        "case_id": study.case_id,
        "study_uid": pet.study_uid,
        "pet_series_uid": pet.series_uid,
        "ct_series_uid": None if ct is None else ct.series_uid,
        "dicom_folder": study.dicom_folder or str(pet.folder.absolute()),
        "made": made,
    }


def _earlier(folder: Path) -> dict[str, Any] | None:
    try:
        found = read_json(folder / SOURCE_FILE)
    except TmtvError:
        return None
    return found if isinstance(found, dict) else None


def _kept(task: Task, case: StudyCase, earlier: dict[str, Any], log: EditLog) -> Ran | None:
    """The earlier run, if all its files are there.

    And if nothing else was computed since, and the edits in force are in a result.
    """
    folder = task.folder
    files, result = earlier.get("files"), read_result(folder)
    if result is None or not isinstance(files, list):
        return None
    if case.other_than(result) or result["parameters"] != task.parameters:
        return None
    whole = all((folder / str(name)).is_file() for name in files)
    if not whole or not all(has_method(folder, method) for method in result["methods"]):
        return None
    final = result
    if log.in_force:
        version = current_version(folder, result, log.in_force)
        edited = None if version is None else read_result(version)
        if edited is None:
            return None
        final = edited
    warnings = dict.fromkeys([*result["warnings"], *final["warnings"]])
    return Ran("kept", result["methods"], tuple(warnings), final["methods"], len(log.in_force))


def _make_way(case: StudyCase, earlier: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Take an earlier result out of use: one of other inputs only if that was asked for."""
    study = case.study
    result = read_result(study.folder)
    if earlier is not None and not study.options.overwrite:
        before, now = earlier.get("made") or {}, wanted["made"]
        changed = [key for key in ("inputs", "model", "overrides") if before.get(key) != now[key]]
        if changed:
            names = {
                "inputs": "other images or another mask",
                "model": "another model",
                "overrides": "other values",
            }
            raise TmtvError(
                f"{study.folder}: it holds a result of {' and '.join(names[key] for key in changed)} and is kept. Give "
                "another --out, or --overwrite to replace it."
            )
    if result is not None and not study.options.overwrite and (other := case.other_than(result)):
        raise TmtvError(
            f"{study.folder}: it holds a result of another {' and '.join(other)} and is kept. Give another --out, "
            "or --overwrite to replace it."
        )
    for name in (SOURCE_FILE, *OBJECTS, *IMAGES):
        if study.folder.is_dir():
            remove(study.folder / name)
    clear(study.folder)
