"""The studies that arrive: each object is kept safely before its sender is told so, and no study is run too early."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from petct.errors import DicomError, TmtvError
from petct.files import make_folder
from tmtv_tf.pacs.arriving import Arriving, faults
from tmtv_tf.pacs.instance import (
    Folder,
    Header,
    as_file,
    digest,
    read_file_header,
    read_header,
    refuse_deflated_bomb,
    same_object,
)
from tmtv_tf.pacs.queue import Queue

log = logging.getLogger(__name__)

# Status of a C-STORE (DICOM PS3.4 B.2.3): a sender tries again after 0xA700; the others stay as they are.
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
WRONG_CLASS = 0xA900
NOT_UNDERSTOOD = 0xC000
CHANGED = 0xC001
OTHER_PATIENT = 0xC002


@dataclass(frozen=True)
class Answer:
    """What the sender is told: status, and a comment without values of the object."""

    status: int
    comment: str = ""


@dataclass(frozen=True)
class Limits:
    """How long to wait for the rest of a study, and how much disk may be used.

    Attributes
    ----------
    quiet_s : a study with everything that it needs is complete after so long without a new object
    patience_s : the same where something seems to be missing: no PET, no CT, fewer objects than announced, a series
        whose connection broke
    max_bytes : of all images held
    min_free_bytes : of the disk; what is left for results
    """

    quiet_s: float = 5.0
    patience_s: float = 60.0
    max_bytes: int = 100_000_000_000
    min_free_bytes: int = 2_000_000_000


class Incoming:
    """Everything that arrives goes through here, from any number of associations at once.

    Parameters
    ----------
    folder : `<case_id>/` of each study with its objects
    key : secret of the case ids
    late : told the case id when images come to a study that was run, or of which `has_result` says that it was
    monotonic : seconds that never go back, whatever happens to the clock
    """

    def __init__(
        self,
        folder: Path,
        queue: Queue,
        key: bytes,
        limits: Limits,
        monotonic: Callable[[], float] = time.monotonic,
        late: Callable[[str], None] = lambda case_id: None,
        has_result: Callable[[str], bool] = lambda case_id: False,
    ) -> None:
        self.folder, self.queue, self.key, self.limits = folder, queue, key, limits
        self._now, self._late, self._has_result = monotonic, late, has_result
        self._lock = threading.Lock()
        self._studies: dict[str, Arriving] = {}
        self._alive: set[str] = set()
        self.bytes = 0

    def recover(self) -> None:
        """Take up what an earlier run left; a file that was not whole when the power went is dropped.

        Raises
        ------
        TmtvError
            There are images, and the queue that knew of them is gone.
        """
        make_folder(self.folder, durable=True, mode=0o700)
        if self.queue.is_new() and any(self.folder.iterdir()):
            raise TmtvError(
                f"{self.folder}: it holds images, and the queue beside it is new. If {self.queue.path.name} was lost, "
                "move this folder away, start again and send its images (storescu +sd +r): they were acknowledged."
            )
        for row in self.queue.studies("receiving"):
            study = self._load(
                row.case_id, row.study_uid, row.patient, receiving=True, may_change=bool(row.may_change)
            )
            if torn := study.folder.remove_torn():
                log.warning("%s: %d objects were not whole when the service stopped.", row.case_id, torn)
            self._read_headers(study)
            study.last = self._now()
            self._studies[row.case_id] = study
        self.queue.count(self.amounts())
        known = {row.case_id for row in self.queue.studies()}
        for path in self.folder.iterdir():
            if path.name not in known:  # taken off the queue when the power went
                shutil.rmtree(path, ignore_errors=True)
        self.bytes = sum(path.stat().st_size for path in self.folder.glob("*/*"))

    # From the network

    def begin(self, association: str) -> None:
        with self._lock:
            self._alive.add(association)

    def store(
        self,
        data_set: bytes,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        *,
        association: str,
        peer: str = "",
    ) -> Answer:
        """Keep one object. With the status 0 it is on disk and in the queue, whatever happens next."""
        if (full := self._full(len(data_set))) is not None:
            return full
        try:
            refuse_deflated_bomb(data_set, transfer_syntax)
            header = read_header(data_set, transfer_syntax, self.key)
        except DicomError as error:
            return Answer(NOT_UNDERSTOOD, str(error))
        if header.sop_class_uid != sop_class_uid:
            return Answer(WRONG_CLASS, "SOPClassUID is not that of the request.")
        if header.sop_instance_uid != sop_instance_uid:
            return Answer(NOT_UNDERSTOOD, "SOPInstanceUID is not that of the request.")
        data = as_file(data_set, sop_class_uid, sop_instance_uid, transfer_syntax)
        try:
            while True:
                study = self._study(header, peer)
                if study is None:
                    return Answer(OTHER_PATIENT, "This StudyInstanceUID came for another patient before.")
                with study.lock:
                    if not study.left and self._is_held(study):
                        return self._keep(study, header, data, association)
        except OSError as error:
            log.error("An object cannot be written (%s).", error.strerror or error)
            return Answer(OUT_OF_RESOURCES, "The disk cannot be written.")
        except TmtvError as error:
            log.error("%s", error)
            return Answer(OUT_OF_RESOURCES, "The queue cannot be written.")

    def end(self, association: str, *, released: bool) -> None:
        """An association is over; without a release its series count as cut off until they are sent again."""
        with self._lock:
            self._alive.discard(association)
            alive = set(self._alive)
            studies = [study for study in self._studies.values() if association in study.associations]
        for study in studies:
            with study.lock:
                series = {uid for uid, who in study.touched if who == association}
                study.touched -= {(uid, association) for uid in series}
                study.begun -= {(uid, association) for uid in series}
                study.associations.discard(association)
                study.brought.discard(association)
                study.last = self._now()
            if released:
                self.queue.release(study.case_id, series, association, alive)

    # From the loop

    def complete(self) -> list[str]:
        """Move every study that is complete to `waiting`, or to `refused` where what is missing did not come."""
        with self._lock:
            studies = list(self._studies.values())
        moved = []
        for study in studies:
            with study.lock:
                if study.associations:
                    continue
                if study.receiving:
                    quiet = self._now() - study.last
                    verdict = self._verdict(study, quiet)
                    if verdict is None:
                        continue
                    state = "refused" if verdict else "waiting"
                    self.queue.count({study.case_id: (len(study.folder.files), study.folder.bytes)})
                    self.queue.move(study.case_id, "receiving", state, reason=verdict)
                    moved.append(study.case_id)
                study.left = True
            with self._lock:
                if self._studies.get(study.case_id) is study:
                    del self._studies[study.case_id]
        return moved

    def amounts(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes of the studies that are arriving."""
        with self._lock:
            return {
                s.case_id: (len(s.folder.files), s.folder.bytes)
                for s in self._studies.values()
                if s.receiving
            }

    def remove(self, case_id: str) -> None:
        """Remove the images of a study that has left the queue."""
        path = self.folder / case_id
        size = sum(file.stat().st_size for file in path.glob("*")) if path.is_dir() else 0
        shutil.rmtree(path, ignore_errors=True)
        with self._lock:
            self.bytes -= size

    # How

    def _full(self, size: int) -> Answer | None:
        if self.bytes + size > self.limits.max_bytes:
            return Answer(OUT_OF_RESOURCES, "The space for images (--max-gb) is used up.")
        if shutil.disk_usage(self.folder).free - size < self.limits.min_free_bytes:
            return Answer(OUT_OF_RESOURCES, "The disk is full (--min-free-gb).")
        return None

    def _study(self, header: Header, peer: str) -> Arriving | None:
        """The study of an object; None: its UID is that of another patient's study."""
        with self._lock:
            study = self._studies.get(header.case_id)
            if study is None or study.left:
                if self.queue.other_patient(header.study_uid, header.patient):
                    return None
                self.queue.arrive(header.case_id, header.study_uid, header.patient, peer)
                row = self.queue.study(header.case_id)
                receiving = row is None or row.state == "receiving"
                was_refused = row is not None and row.state == "refused"
                may_change = was_refused or (row is not None and receiving and bool(row.may_change))
                study = self._load(
                    header.case_id,
                    header.study_uid,
                    header.patient,
                    receiving=receiving,
                    may_change=may_change,
                )
                study.was_refused = was_refused
                self._studies[header.case_id] = study
            return study if study.patient == header.patient else None

    def _load(
        self, case_id: str, study_uid: str, patient: str, *, receiving: bool, may_change: bool
    ) -> Arriving:
        folder = Folder(self.folder / case_id)
        return Arriving(case_id, study_uid, patient, folder, receiving, may_change, last=self._now())

    def _read_headers(self, study: Arriving) -> None:
        for path in study.folder.paths():
            try:
                study.add(read_file_header(path, self.key))
            except (DicomError, OSError) as error:  # it was readable when it arrived: the disk is at fault
                log.error("%s: an image cannot be read any more (%s).", study.case_id, error)

    def _is_held(self, study: Arriving) -> bool:
        """False, and the study is as good as new, if it was taken off the queue after it was done."""
        if not study.receiving and self.queue.study(study.case_id) is None:
            study.left = True
        return not study.left

    def _keep(self, study: Arriving, header: Header, data: bytes, association: str) -> Answer:
        study.associations.add(association)
        study.touched.add((header.series_uid, association))
        study.last = self._now()
        content, before = digest(data), study.folder.content(header.sop_instance_uid)
        same = before == content or (before and same_object(study.folder.read(header.sop_instance_uid), data))
        if same and not study.receiving and not study.was_refused:  # a study that is done is not run twice
            return Answer(SUCCESS)
        if before and not same and not study.may_change:
            return Answer(CHANGED, "Its content differs from that received before.")
        if (header.series_uid, association) not in study.begun:
            self.queue.begin_series(study.case_id, header.series_uid, association)
            study.begun.add((header.series_uid, association))
            if not study.receiving:
                study.receiving = True
                self._read_headers(study)
        if not same:
            if association not in study.brought:
                row = self.queue.study(study.case_id)
                if (row is not None and row.runs) or self._has_result(study.case_id):
                    self._late(study.case_id)
                study.brought.add(association)
            study.folder.make()
            had = study.folder.bytes
            study.folder.write(header.sop_instance_uid, data, content)
            with self._lock:
                self.bytes += study.folder.bytes - had
        study.add(header)
        return Answer(SUCCESS)

    def _verdict(self, study: Arriving, quiet_s: float) -> str | None:
        """None: wait on. "": complete. A sentence: it cannot be complete any more."""
        count = len(study.folder.files)
        if not count:  # the connection broke before the first object was whole
            return None if quiet_s < self.limits.patience_s else "Not one image arrived whole."
        cut = set(self.queue.open_series(study.case_id))
        found = faults(study, cut)
        lacks = [f for f in ("PT", "CT") if all(series.modality != f for series in study.series.values())]
        if not found and study.announced and count >= study.announced:
            return ""
        in_doubt = bool(found or lacks or study.announced > count)
        if quiet_s < (self.limits.patience_s if in_doubt else self.limits.quiet_s):
            return None
        return " ".join(found)
