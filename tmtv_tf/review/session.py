"""One open case: the log of its edits, the lesions they give, and the versions in `review/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

from petct.errors import CaseError, ParameterError
from petct.files import locked
from postprocess.edits import (
    EDITS_FILE,
    AnyEntry,
    Change,
    Cleared,
    EditLog,
    OfVoxels,
    Redone,
    Signed,
    Undone,
    read_log,
    write_log,
)
from postprocess.replay import edit_of
from postprocess.requests import Who
from postprocess.results import RESULT_FILE, late_warning, read_result
from postprocess.review import changed_ml, current_version, is_signed, needs_version, write_version
from postprocess.voxels import Voxels, read_voxels
from tmtv_tf.review.corrections import Context, Correction, correct, read_asked
from tmtv_tf.review.images import CaseImages
from tmtv_tf.review.snapshot import Snapshot, changed_box, is_same
from tmtv_tf.review.worklist import Case, Folders, status_of

SNAPSHOTS_KEPT = 30  # undo to one of them is at once; beyond, the edits are applied again
LOCK_WAIT_S = 3.0


class Conflict(Exception):
    """The case is not what the page that asks has seen: somebody else changed it. The page is told the new state."""


class Session:
    """The state of one case; may be called from several threads."""

    def __init__(self, case: Case, folders: Folders, reader: str) -> None:
        self.case, self.folders, self.reader = case, folders, reader
        self.lock = RLock()
        result = read_result(case.automatic)
        if result is None:
            raise CaseError(
                f"{case.automatic / RESULT_FILE}: not a whole result; run tmtv-postprocess again."
            )
        self.automatic = result
        self.images = CaseImages(case.case_id, folders, result)
        self._made_of = _stamp(case.automatic / RESULT_FILE)
        self._log, self._log_stamp = EditLog(), ""
        self._snapshots: list[tuple[tuple[Change, ...], Snapshot]] = []
        self._previewed: tuple[Any, Correction, Snapshot] | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        return self.images.methods

    @property
    def is_stale(self) -> bool:
        """Whether the automatic result was made anew since the case was opened."""
        return _stamp(self.case.automatic / RESULT_FILE) != self._made_of

    @property
    def late(self) -> list[str]:
        """A sentence where images came that are not in the automatic result."""
        return late_warning(self.case.automatic, self.automatic)

    @property
    def log(self) -> EditLog:
        """As it is on disk now: `tmtv-postprocess`, or another server, may have added to it."""
        with self.lock:
            stamp = _stamp(self.case.folder / EDITS_FILE)
            if stamp != self._log_stamp:
                self._log, self._log_stamp = read_log(self.case.folder), stamp
            return self._log

    def snapshot(self, log: EditLog | None = None, regions: Mapping[str, Voxels] | None = None) -> Snapshot:
        """The lesions after the edits in force of a log; of the one on disk by default."""
        with self.lock:
            edits = (log or self.log).in_force
            done, found = self._nearest(edits)
            for n in range(done, len(edits)):
                work, geometry = self.images.work, self.images.pet.geometry
                edit, said = edit_of(edits[n], self.case.folder, work, geometry, regions)
                found = found.after(edit, said)
                self._keep(edits[: n + 1], found)
            return found

    def automatic_snapshot(self) -> Snapshot:
        """Before any edit."""
        return self.snapshot(EditLog())

    def edit(self, revision: object, method: str, asked: object) -> dict[str, Any]:
        """Apply one edit; it is on disk when this returns. What changed, for the page.

        Raises
        ------
        Conflict
            The page that asks has not seen the log as it is.
        TmtvError
            The edit cannot be done, or changes nothing.
        """
        with self.lock, locked(self.folders.table_root, wait_s=LOCK_WAIT_S):
            log, before, made, after = self._plan(revision, method, asked)
            self._write(EditLog((*log.entries, made.entry)), made.regions)
            return {"said": list(made.said), "changed_box": _box_json(before, after, method)}

    def adopt(self, revision: object, method: str, other: Session) -> dict[str, Any]:
        """Take over the edits of another reader of the same result, in place of those in force; as `edit`.

        The log gets a `clear` of this reader, then the other's entries in force as they are: by whom and when.

        Raises
        ------
        Conflict
            The page that asks has not seen the log as it is.
        TmtvError
            The other's result is not this one, or has the same lesions.
        """
        with other.lock:
            theirs, folder = other.log.in_force, other.case.folder
        if other.automatic["methods"] != self.automatic["methods"]:
            raise CaseError(
                f"{folder}: its automatic result is not the one shown here; nothing was taken over."
            )
        geometry, who = self.images.pet.geometry, Who.now(self.reader)
        with self.lock, locked(self.folders.table_root, wait_s=LOCK_WAIT_S):
            log = self._seen(revision)
            before = self.snapshot(log)
            longer = EditLog((*log.entries, Cleared(by=who.by, time=who.time), *theirs))
            names = [entry.sha256 for entry in theirs if isinstance(entry, OfVoxels)]
            regions = {name: read_voxels(folder, name, geometry) for name in names}
            after = self.snapshot(longer, regions)
            if _is_same(before, after):
                raise ParameterError("This changes nothing: the lesions are those of the reader already.")
            self._write(longer, regions)
            return {"said": [], "changed_box": _box_json(before, after, method)}

    def preview(self, revision: object, method: str, asked: object) -> dict[str, Any]:
        """What an edit would do under a method; nothing is written."""
        with self.lock:
            _, before, made, after = self._plan(revision, method, asked)
            old, new = before.methods[method].measures, after.methods[method].measures
            return {
                "voxels": after.methods[method].lesions.index.size
                - before.methods[method].lesions.index.size,
                "volume_ml": new.tmtv_ml - old.tmtv_ml,
                "tmtv_ml": new.tmtv_ml,
                "suv_max": new.suv_max,
                "said": list(made.said),
                "box": _box_json(before, after, method),
            }

    def sign(self, revision: object) -> None:
        """The reader stands for the numbers of now: an entry of the log, and a version in `review/`."""
        with self.lock, locked(self.folders.table_root, wait_s=LOCK_WAIT_S):
            log = self._seen(revision)
            if log.signed is None:
                numbers = {m: now.measures.tmtv_ml for m, now in self.snapshot().methods.items()}
                who = Who.now(self.reader)
                self._write(EditLog((*log.entries, Signed(tmtv_ml=numbers, by=who.by, time=who.time))))
            self._save()

    def save(self) -> Path | None:
        """Write the version of the edits in force, if there are any and it is not there; its folder."""
        with self.lock:
            if not needs_version(self.log):
                return None
            with locked(self.folders.table_root, wait_s=LOCK_WAIT_S):
                return self._save()

    def close(self) -> None:
        """Save, and let the images go."""
        try:
            self.save()
        finally:
            self.images.pool.shutdown(wait=False, cancel_futures=True)

    @property
    def status(self) -> str:
        log = self.log
        return status_of(log, is_signed(current_version(self.case.folder, self.automatic, log)))

    def _plan(
        self, revision: object, method: str, asked: object
    ) -> tuple[EditLog, Snapshot, Correction, Snapshot]:
        if method not in self.methods:
            raise ParameterError(
                f"No result of the method {str(method)[:40]!r}; there is {', '.join(self.methods)}."
            )
        log = self._seen(revision)
        before = self.snapshot(log)
        made, after = self._looked_at(log, method, asked) or self._worked_out(log, method, asked, before)
        if not isinstance(made.entry, Undone | Redone | Cleared) and _is_same(before, after):
            why = [
                f"{name}: {text}"
                for name, now in after.methods.items()
                for text in now.warnings[len(before.methods[name].warnings) :]
            ]
            raise ParameterError(f"This changes nothing. {' '.join((*made.said, *why[:1]))}".strip())
        self._previewed = (log.entries, method, asked), made, after
        return log, before, made, after

    def _worked_out(
        self, log: EditLog, method: str, asked: object, before: Snapshot
    ) -> tuple[Correction, Snapshot]:
        images = self.images
        context = Context(method, before.states, images.work, images.pet.geometry, lambda: images.projections)
        made = correct(read_asked(asked), Who.now(self.reader), context)
        return made, self.snapshot(_added(log, made.entry), made.regions)

    def _looked_at(self, log: EditLog, method: str, asked: object) -> tuple[Correction, Snapshot] | None:
        """What the last preview found, if it was of this edit; the entry has the time of now."""
        if self._previewed is None or self._previewed[0] != (log.entries, method, asked):
            return None
        _, made, after = self._previewed
        entry = made.entry.model_copy(update={"time": Who.now(self.reader).time})
        self._keep(_added(log, entry).in_force, after)
        return replace(made, entry=entry), after

    def _seen(self, revision: object) -> EditLog:
        """The log, if the page that asks has seen all of it."""
        log = self.log
        if type(revision) is not int or revision != len(log.entries) or self.is_stale:
            raise Conflict
        return log

    def _write(self, log: EditLog, regions: Mapping[str, Voxels] | None = None) -> None:
        folder, geometry = self.case.folder, self.images.pet.geometry
        written = [place for one in (regions or {}).values() for place in one.write(folder, geometry)]
        write_log(folder, log, written)
        self._log, self._log_stamp = log, _stamp(self.case.folder / EDITS_FILE)

    def _save(self) -> Path | None:
        log, folder = self.log, self.case.folder
        version = current_version(folder, self.automatic, log)
        if version is not None:
            return version
        now, before = self.snapshot(log), self.automatic_snapshot()
        voxel_ml = self.images.pet.geometry.voxel_ml
        volumes = {
            m: changed_ml(before.methods[m].lesions, now.methods[m].lesions, voxel_ml) for m in self.methods
        }
        parameters = self.automatic["parameters"]
        return write_version(
            folder,
            self.automatic,
            log,
            {m: found.lesions for m, found in now.methods.items()},
            volumes,
            now.warnings,
            self.images.pet.array,
            self.images.stored,
            (parameters.get("height_cm"), parameters.get("weight_kg")),
        )

    def _nearest(self, edits: tuple[Change, ...]) -> tuple[int, Snapshot]:
        """The longest beginning of some edits whose lesions are known, and those lesions."""
        if not self._snapshots:
            first = Snapshot.automatic(self.images.work, self.images.pet.geometry, self.methods)
            self._snapshots.append(((), first))
        known = [item for item in self._snapshots if edits[: len(item[0])] == item[0]]
        done, found = max(known, key=lambda item: len(item[0]))
        return len(done), found

    def _keep(self, edits: tuple[Change, ...], snapshot: Snapshot) -> None:
        self._snapshots.append((edits, snapshot))
        if len(self._snapshots) > SNAPSHOTS_KEPT:
            del self._snapshots[1]  # the first, of no edits, stays


def _added(log: EditLog, entry: AnyEntry) -> EditLog:
    longer = EditLog((*log.entries, entry))
    if isinstance(entry, Undone) and not log.can_undo:
        raise ParameterError("There is nothing to undo.")
    if isinstance(entry, Redone) and not log.can_redo:
        raise ParameterError("There is nothing to redo.")
    return longer


def _is_same(before: Snapshot, after: Snapshot) -> bool:
    return all(is_same(old, after.methods[name]) for name, old in before.methods.items())


def _box_json(before: Snapshot, after: Snapshot, method: str) -> dict[str, Any] | None:
    import base64

    box = changed_box(before.methods[method], after.methods[method])
    if box is None:
        return None
    return {
        "lo": list(box.lo),
        "hi": list(box.hi),
        "runs": base64.b64encode(box.runs.astype("<u4").tobytes()).decode(),
    }


def _stamp(path: Path) -> str:
    """What changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"
