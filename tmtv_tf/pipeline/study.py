"""One examination: DICOM in; lesions, SEG, RTSTRUCT, SR and the page out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from petct.errors import TmtvError
from petct.exam import Exam, read_series
from petct.files import read_json, remove, write_json
from petct.image import read_image
from petct.orientation import to_canonical
from petct.parallel import say_stage
from petct.text import stated_name
from petct.version import software
from postprocess.edits import EditLog, read_log
from postprocess.process import Task, process
from postprocess.requests import Request
from postprocess.results import OBJECTS, SOURCE_FILE, Measures, clear, has_method, read_result
from postprocess.review import current_version, final_folder, needs_version
from postprocess.segmentation import Lesions
from tmtv_tf.pipeline.export import lesions_of_image
from tmtv_tf.pipeline.outputs import IMAGES, Made, write_outputs, write_page
from tmtv_tf.pipeline.study_case import STAGES, Study, StudyCase
from tmtv_tf.pipeline.writer import dicom_writer

# At the end of every refusal to replace a result; `tmtv serve` says another one in its place.
TO_REPLACE = "Give `tmtv run` another --out, or --overwrite to replace it."


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
    methods: dict[str, Measures]
    warnings: tuple[str, ...]
    final: dict[str, Measures] = field(default_factory=dict)
    edits: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


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
    earlier = _earlier(study.folder)
    log = read_log(study.folder)  # one that cannot be read is refused before anything is removed
    task = Task(
        case_id=study.case_id,
        folder=study.folder,
        methods=study.options.all_methods,
        request=Request(clear=study.options.clear_edits),
        overwrite=study.options.overwrite,
    )
    # Without an earlier result nothing is compared, and the files are hashed while they are read and computed on.
    if earlier is not None and not task.request and earlier.get("made") == _wanted(case)["made"]:
        kept = _kept(task, case, earlier, log)
        if kept is not None:
            _renew_page(case, earlier, kept)
            return kept
    _make_way(case, earlier)
    with dicom_writer(study.source.pet) as writer, _images_written(case):
        start = time.perf_counter()
        answer, computed = process(task, case)
        case.seconds["lesions"] = time.perf_counter() - start - case.seconds["read"] - case.seconds["predict"]
        if computed is None or case.exam is None:  # cannot be: the way was made for a new result
            raise TmtvError(f"{study.folder}: an earlier result is in the way; remove it and run again.")
        start = time.perf_counter()
        say_stage(STAGES["write"])
        warnings = tuple(answer["warnings"])
        ran = Ran("done", answer["methods"], warnings, answer["final"], answer["edits"], case.seconds)
        files = write_outputs(_made(case, case.exam, computed.lesions[study.options.export], ran), writer)
        files += case.images.result() if case.images is not None else []
        written = {**_wanted(case), "files": sorted(files), "page_of_edits": _version(study.folder)}
        write_json(study.folder / SOURCE_FILE, written, private=True)
        case.seconds["write"] = time.perf_counter() - start
    return ran


@contextmanager
def _images_written(case: StudyCase) -> Iterator[None]:
    """PET and CT are written while the study is computed, if that was asked for; where it fails, they go again."""
    with ThreadPoolExecutor(1) as executor:
        case.background = executor if case.study.options.keep_images else None
        try:
            yield
        except BaseException:
            executor.shutdown()
            with suppress(TmtvError, OSError):
                for name in IMAGES:
                    remove(case.study.folder / name)
                case.study.folder.rmdir()  # if nothing else is in it
            raise


def _version(folder: Path) -> str | None:
    """The `review/<version>/` that has the reader's edits; None without edits."""
    final = final_folder(folder)
    return None if final == folder else final.name


def _renew_page(case: StudyCase, earlier: dict[str, Any], ran: Ran) -> None:
    """Write the page again where a reader has changed the edits since; everything else stays."""
    study = case.study
    version = _version(study.folder)
    if earlier.get("page_of_edits") == version:
        return
    exam = read_series(study.source.pet, study.source.ct, study.source.overrides)
    labels = to_canonical(read_image(study.folder / f"lesions_{study.options.export}.nii.gz"))
    write_page(_made(case, exam, lesions_of_image(labels), ran))
    write_json(study.folder / SOURCE_FILE, {**earlier, "page_of_edits": version}, private=True)


def _made(case: StudyCase, exam: Exam, lesions: Lesions, ran: Ran) -> Made:
    study = case.study
    return Made(
        folder=study.folder,
        case_id=study.case_id,
        exam=exam,
        probability=case.probability,
        lesions=lesions,
        methods=ran.methods,
        warnings=ran.warnings,
        options=study.options,
        model_name=stated_name(study.model) if study.model is not None else None,
        description=case.description,
        mask_name=case.anonymous(stated_name(study.mask)) if study.mask is not None else None,
        final=ran.final,
        edits=ran.edits,
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
    if needs_version(log):
        version = current_version(folder, result, log)
        edited = None if version is None else read_result(version)
        if edited is None:
            return None
        final = edited
    warnings = dict.fromkeys([*result["warnings"], *final["warnings"]])
    return Ran("kept", result["methods"], tuple(warnings), final["methods"], len(log.in_force))


def _make_way(case: StudyCase, earlier: dict[str, Any] | None) -> None:
    """Take an earlier result out of use: one of other inputs only if that was asked for."""
    study = case.study
    result = read_result(study.folder)
    if earlier is not None and not study.options.overwrite:
        before, now = earlier.get("made") or {}, _wanted(case)["made"]
        changed = [key for key in ("inputs", "model", "overrides") if before.get(key) != now[key]]
        if changed:
            names = {
                "inputs": "other images or another mask",
                "model": "another model",
                "overrides": "other values",
            }
            raise TmtvError(
                f"{study.folder}: it holds a result of {' and '.join(names[key] for key in changed)} and is kept. "
                f"{TO_REPLACE}"
            )
    if result is not None and not study.options.overwrite and (other := case.other_than(result)):
        raise TmtvError(
            f"{study.folder}: it holds a result of another {' and '.join(other)} and is kept. {TO_REPLACE}"
        )
    for name in (SOURCE_FILE, *OBJECTS, *IMAGES):
        if study.folder.is_dir():
            remove(study.folder / name)
    clear(study.folder)
