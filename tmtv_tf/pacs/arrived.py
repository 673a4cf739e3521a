"""The run of one study that arrived: what `tmtv run` makes, in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from petct.errors import CaseError
from petct.parallel import explain
from postprocess.edits import EDITS_FILE
from tmtv_tf.cases.layouts import find_dicom
from tmtv_tf.cases.pseudonym import identifying_words, without_identifiers
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.run import study_of
from tmtv_tf.pipeline.study import run_study


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes
    ----------
    images : folder with the objects of the study
    out : folder for `<case_id>/`
    model : file; None: the packaged model that fits
    grown : the study was run before, with fewer images: its result is replaced unless a reader has edited it
    threads : of the image operations
    """

    case_id: str
    images: Path
    out: Path
    model: Path | None
    options: RunOptions
    grown: bool
    threads: int


def run_arrived(job: Job) -> str:
    """Run it; "done", or "kept" where the result of the same images and options is there already.

    Raises
    ------
    CaseError
        It cannot be run: one sentence without names or paths.
    """
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(job.threads)
    try:
        return _run(job)
    except Exception as error:
        first = next(job.images.glob("*.dcm"), None)
        words = identifying_words(first) if first is not None else set()
        raise CaseError(without_identifiers(explain(error)[0], words, [job.images, job.out])) from None


def _run(job: Job) -> str:
    found, _ = find_dicom([job.images])
    if len(found) != 1:
        raise CaseError(f"{len(found)} studies with a PET in what came as one study.")
    options = job.options
    if job.grown and not (job.out / job.case_id / EDITS_FILE).exists():
        options = replace(options, overwrite=True)
    study = study_of(found[0], job.case_id, job.out, job.model, None, options)
    return run_study(study).status
