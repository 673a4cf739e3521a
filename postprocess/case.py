"""One case, files to files: map and SUV image in; label images, lesion tables and `tmtv.json` out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from petct.errors import TmtvError
from petct.files import read_json
from postprocess.inputs import CaseImages, MapFile, read_case
from postprocess.origin import Origin, origins
from postprocess.process import Task, process
from postprocess.results import Answer
from postprocess.suv_source import SuvSource, find_suv

PREDICTION_FILE = "prediction.json"


@dataclass(frozen=True, kw_only=True)
class Job(Task):
    """What to do for one case whose images are files."""

    map_file: MapFile
    suv_path: Path

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **super().parameters,
            "mask_labels": list(self.map_file.mask_labels),
            "channel": self.map_file.channel,
            "instances": self.map_file.instances,
        }


@dataclass(frozen=True)
class FileCase:
    """The images of a case as files (a `CaseSource`)."""

    job: Job

    @property
    def name(self) -> str:
        return str(self.job.map_file.path)

    @cached_property
    def pet(self) -> SuvSource:
        return find_suv(self.job.suv_path, self.job.folder)

    @cached_property
    def origins(self) -> dict[str, Origin]:
        return origins(self.job.map_file, self.pet)

    @cached_property
    def prediction(self) -> dict[str, Any]:
        return _read_prediction(self.job.map_file)

    def read(self) -> CaseImages:
        return read_case(self.job.map_file, self.pet, self.job.config.probability_threshold)


def run_case(job: Job) -> Answer:
    """Post-process one case of files; see `postprocess.process.process` for what comes back.

    Raises
    ------
    TmtvError
        Inputs or edits that cannot be used, or a folder that cannot be written.
    """
    for path in (job.map_file.path, job.request.exclude_mask):
        if path is not None and not path.is_file():
            raise TmtvError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}.")
    if job.map_file.reference is not None and not job.map_file.reference.exists():
        raise TmtvError(f"{job.map_file.reference}: no such file.")
    answer, _ = process(job, FileCase(job))
    return answer


def _read_prediction(found: MapFile) -> dict[str, Any]:
    """The `prediction.json` that `tmtv predict` writes beside its map; empty where there is none."""
    path = found.path.with_name(PREDICTION_FILE)
    if found.is_mask or not path.is_file():
        return {}
    prediction = read_json(path)
    if not isinstance(prediction, dict) or not isinstance(prediction.get("inputs"), dict):
        raise TmtvError(f"{path}: not written by tmtv predict (no 'inputs').")
    return prediction
