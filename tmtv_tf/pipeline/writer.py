"""SEG, RTSTRUCT and SR of one study, written by a second process while the first one draws the page.

DICOM and the page are both made in Python, of which one process runs on one core only. While the study is read and the
network computes, the second process loads highdicom and the headers of the PET. It ends with the first one.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import current_process
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from pydicom.dataset import Dataset

from petct.dicom.geometry import sort_slices
from petct.dicom.headers import Series
from petct.dicom.quiet import quiet_pydicom
from petct.dicom.reading import read_dataset
from petct.errors import TmtvError
from petct.export.source import Provenance, SourceSeries
from petct.image import Geometry
from petct.orientation import orientation_of
from petct.parallel import Outcome, attempt
from postprocess.measures import Lesion
from postprocess.segmentation import Lesions
from tmtv_tf.pipeline.export import write_objects

# The lesions of a shorter PET are written before another process could have begun.
WORTH_A_PROCESS_SLICES = 100
_PIPE_BYTES = 1 << 20  # the names of the files, so that nobody waits until they are read


@contextmanager
def dicom_writer(pet: Series) -> Iterator[DicomWriter | None]:
    """The second process, ended at the end; None where it would not help.

    That is: a short series, a multi-frame file, one core, or a process that is itself one of several workers.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    several = len(pet.files) == len(pet.instances) >= WORTH_A_PROCESS_SLICES
    writer = None
    if cores > 1 and several and not current_process().daemon:
        with suppress(OSError, TmtvError):  # no process to be had, or a series that reading will refuse
            writer = DicomWriter(pet)
    try:
        yield writer
    finally:
        if writer is not None:
            writer.end()


def write_lesions(
    source: SourceSeries,
    folder: Path,
    lesions: Lesions,
    table: list[Lesion],
    measures: Mapping[str, Any],
    provenance: Provenance,
    seg_kind: str,
) -> list[str]:
    """The objects of lesions that lie on the canonical axes of the PET (`write_objects`); their names."""
    labels = orientation_of(source.geometry).undo(lesions.paint())
    return write_objects(folder, labels, table, measures, source, provenance, seg_kind)


class DicomWriter:
    """The second process, for one PET series of single-frame files."""

    def __init__(self, pet: Series) -> None:
        slices = sort_slices(pet)
        # A session of its own: Ctrl-C on a terminal is the affair of the first process.
        self._process = subprocess.Popen(
            # -P: a file of the working folder must not stand in for a module.
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pipesize=_PIPE_BYTES,
        )
        self._send([instance.path.absolute() for instance in slices.instances], slices.geometry)

    def write(self, source: SourceSeries, *arguments: Any) -> list[str]:
        """As `write_lesions`; by this process where the second one has died or has found other headers.

        Raises
        ------
        TmtvError
            A file could not be written.
        """
        if self._answer() == _names(source.headers):
            self._send(*arguments)
            outcome = self._answer()
            if isinstance(outcome, Outcome) and outcome.error is not None:
                raise TmtvError(outcome.error)
            if isinstance(outcome, Outcome):
                return outcome.value
        return write_lesions(source, *arguments)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        with suppress(OSError):
            self._process.communicate()

    def _send(self, *values: Any) -> None:
        with suppress(OSError):  # it has died: there will be no answer
            pickle.dump(values, self._process.stdin)  # type: ignore[arg-type]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _answer(self) -> Any:
        """None where the process has died."""
        try:
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, pickle.UnpicklingError):
            return None


def serve() -> None:
    """The life of the second process: the headers, their names to its owner, and one call of `write_lesions`."""
    gc.disable()  # a life of seconds; the tables that highdicom reads are there five times as soon
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    inbox: SimpleQueue[tuple] = SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    paths, geometry = inbox.get()
    import highdicom

    import petct.export.rtstruct
    import petct.export.seg
    import petct.export.sr  # noqa: F401 - loaded now, not when the lesions are known

    with quiet_pydicom():
        headers = tuple(read_dataset(path, pixels=False) for path in paths)
    _say(answers, _names(headers))
    # highdicom reads its tables of the standard (22 MB of JSON) for its first object: this one is thrown away.
    with suppress(AttributeError, KeyError, ValueError):
        highdicom.ReferencedImageSequence(headers[:1])
    _say(answers, attempt("", _write, (headers, geometry, *inbox.get())))


def _say(answers: IO[bytes], value: Any) -> None:
    pickle.dump(value, answers)
    answers.flush()


def _listen(inbox: SimpleQueue[tuple]) -> None:
    """What the owner sends; at the end of the pipe the owner is gone, and so is the reason to go on."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            inbox.put(pickle.load(sys.stdin.buffer))
    os._exit(1)


def _write(headers: tuple[Dataset, ...], geometry: Geometry, *arguments: Any) -> list[str]:
    return write_lesions(SourceSeries(headers, geometry), *arguments)


def _names(headers: tuple[Dataset, ...]) -> tuple[str, ...]:
    return tuple(str(header.get("SOPInstanceUID", "")) for header in headers)
