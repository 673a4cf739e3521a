"""The run of one study that arrived: what `tmtv run` makes, in a process of its own."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread

from petct.dicom.values import whole_number
from petct.errors import CaseError, TmtvError
from petct.files import read_json, sync_tree
from petct.parallel import explain
from postprocess.edits import EDITS_FILE
from postprocess.results import SOURCE_FILE
from tmtv_tf.cases.layouts import find_dicom
from tmtv_tf.cases.pseudonym import identifying_words, without_identifiers
from tmtv_tf.cases.sources import DicomSource
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.run import study_of
from tmtv_tf.pipeline.study import TO_REPLACE, run_study

TO_REPLACE_HERE = (
    "`tmtv run OUT/serve/received/{case} --out OUT --overwrite` replaces it and keeps the edits (OUT, --model and the "
    "other options as this service has them). Look at it, then `tmtv serve --out OUT --again {case}`."
)
OF_THE_COMPUTER = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.EACCES,
)


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes
    ----------
    images : folder with the objects of the study
    out : folder for `<case_id>/`
    model : file; None: the packaged model that fits
    again : it was run before, perhaps with fewer images: its result is replaced unless a reader has edited it
    threads : of the image operations
    """

    case_id: str
    images: Path
    out: Path
    model: Path | None
    options: RunOptions
    again: bool
    threads: int


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes
    ----------
    reason : why it failed, one sentence without names or paths; "" if it did not
    retry : the computer is at fault, not the study: it may do later
    """

    reason: str = ""
    retry: bool = False


def run_arrived(job: Job) -> Ended:
    """Run it; the result of the same images and options is kept if it is there already."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(job.threads)
    try:
        _run(job)
    except Exception as error:
        first = next(job.images.glob("*.dcm"), None)
        words = identifying_words(first) if first is not None else set()
        said = explain(error)[0].replace(f"{job.images}: ", f"{job.case_id}: ")
        reason = without_identifiers(said, words, [job.images, job.out])
        reason = reason.replace(TO_REPLACE, TO_REPLACE_HERE.format(case=job.case_id))
        return Ended(reason, retry=_is_of_the_computer(error))
    return Ended()


def was_made_of(result: Path, images: Path) -> bool:
    """Whether a result is of images that were in this folder; also where the queue has forgotten their study since."""
    try:
        source = read_json(result / SOURCE_FILE)
    except TmtvError:
        return False
    folder = source.get("dicom_folder") if isinstance(source, dict) else None
    return isinstance(folder, str) and Path(folder).resolve() == images.resolve()


def _is_of_the_computer(error: BaseException | None) -> bool:
    """Whether a full or broken disk, or too little memory, is behind an error."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in OF_THE_COMPUTER):
            return True
        error = error.__cause__ or error.__context__
    return False


def _run(job: Job) -> None:
    found, _ = find_dicom([job.images])
    if len(found) != 1:
        raise CaseError(f"{len(found)} studies with a PET in what came as one study.")
    options = job.options
    if job.again and not (job.out / job.case_id / EDITS_FILE).exists():
        options = replace(options, overwrite=True)
    (item,) = found
    if isinstance(item.source, DicomSource):
        item = replace(item, notes=(*item.notes, *_not_all(job.images, item.source.pet.files[0])))
    run_study(study_of(item, job.case_id, job.out, job.model, None, options))
    sync_tree(job.out / job.case_id)  # before the queue says that it was run


def _not_all(images: Path, image: Path) -> list[str]:
    """A sentence where fewer images came than an image says that its study has."""
    header = dcmread(image, stop_before_pixels=True, specific_tags=["NumberOfStudyRelatedInstances"])
    announced = whole_number(header, "NumberOfStudyRelatedInstances") or 0
    came = len(list(images.glob("*.dcm")))
    if came >= announced:
        return []
    return [
        f"the sender announced {announced} images of this study (0020,1208), and {came} came before it was run"
    ]
