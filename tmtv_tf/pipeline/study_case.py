"""The images of one examination, found and read: its DICOM series, its model or mask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.errors import CaseError
from petct.exam import Exam, read_series
from petct.files import sha256
from petct.orientation import to_canonical
from petct.parallel import say_stage
from petct.text import stated_name
from postprocess.inputs import CaseImages, MapFile, case_images
from postprocess.origin import Origin, changed_roles, origins
from postprocess.results import TmtvResult
from postprocess.suv_source import SuvSource
from tmtv_tf.cases.prepare import CaseInput
from tmtv_tf.cases.sources import DicomSource, made_by_phantom
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.file import ModelDescription, read_description
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.outputs import write_images

if TYPE_CHECKING:
    from petct.image import Image
    from tmtv_tf.inference.model import Model

# The stages of a study, and what the progress bar says of them.
STAGES = {
    "read": "reading DICOM",
    "predict": "finding lesions",
    "lesions": "measuring lesions",
    "write": "writing files",
}


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


class StudyCase:
    """The images of a study, in memory (a `postprocess.process.CaseSource`); `exam` and `probability` after `read`.

    Where `background` is set, `read` has it write PET and CT (`images`) as soon as they are there: most of what follows
    keeps one core busy.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.background: Executor | None = None
        self.images: Future[list[str]] | None = None
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
        found = {role: origin.files_sha256() for role, origin in self.origins.items()}
        return found | ({"model": self.model_digest} if self.study.model is not None else {})

    @cached_property
    def model_digest(self) -> str:
        """SHA-256 of the model file; "" with a mask."""
        return sha256(self.study.model) if self.study.model is not None else ""

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
        said = self.description.warnings(stated_name(path), on_phantom=on_phantom)
        return {"model": stated_name(path), "inputs": {"model": self.model_digest}, "warnings": said}

    def other_than(self, result: TmtvResult) -> list[str]:
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
                if self.background is not None:
                    written = {"pet.nii.gz": exam.pet, "ct.nii.gz": exam.ct}
                    self.images = self.background.submit(write_images, self.study.folder, written)
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
        say_stage(STAGES["lesions"])
        return CaseImages(suv, probability, exam.pet.geometry, [*warnings, *found.warnings], self.pet)

    def _open_model(self) -> Model:
        from tmtv_tf.inference.load import opened

        if self.study.model is None:
            raise CaseError("There is neither a model nor a mask.")
        return opened(self.study.model, self.model_digest, self.study.options.backend)

    def anonymous(self, text: str) -> str:
        """A sentence as it may be written: no path, no identifying word of the headers."""
        study = self.study
        case = CaseInput(study.case_id, "", study.source.pet.patient_id, "", study.source, notes=study.notes)
        return case.anonymous(text, ())

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        say_stage(STAGES[stage])
        yield
        self.seconds[stage] += time.perf_counter() - start
