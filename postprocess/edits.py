"""`edits.json`: the only log of a reader's changes to one case. Entries are added at its end; none is ever removed.

Undo, redo and the signature are entries too, so a log says how its reader came to where he is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petct.errors import TmtvError
from petct.files import write_json
from petct.text import one_line

EDITS_FILE = "edits.json"
MASK_FOLDER = "edits"
VERSION = 1
MAX_BYTES = 16 * 2**20  # no reader makes so many changes; a larger file is something else

Millimetres = Annotated[float, Field(ge=-1e5, le=1e5)]
Point = tuple[Millimetres, Millimetres, Millimetres]
Suv = Annotated[float, Field(ge=-1e6, le=1e6)]
Text = Annotated[str, Field(max_length=200)]
Volume = Annotated[float, Field(gt=0, le=1e6)]
Hexadecimal = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
MethodName = Annotated[str, Field(pattern=r"\A[0-9a-z.-]{1,30}\z")]
Label = Annotated[int, Field(ge=1, le=65535)]


class _Entry(BaseModel):
    """by : who. time : when, UTC."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    by: Text
    time: Annotated[str, Field(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z")]


class _OfLesion(_Entry):
    """Lesion `label` of `method` in the automatic result; its hottest voxel tells it from others if that changes.

    hottest_mm : LPS centre of its hottest voxel. suv_max : SUV there. volume_ml : its volume.
    """

    method: MethodName
    label: Label
    hottest_mm: Point
    suv_max: Suv
    volume_ml: Volume


class LesionExcluded(_OfLesion):
    """It is no lesion, under any method."""

    kind: Literal["exclude_lesion"] = "exclude_lesion"


class LesionRestored(_OfLesion):
    """It is a lesion after all, and whole, whatever earlier edits took out of it."""

    kind: Literal["restore_lesion"] = "restore_lesion"


class OfVoxels(_Entry):
    """The voxels are in `edits/<sha256>.nii.gz`.

    hottest_mm, suv_max : its hottest voxel in the PET (null, if it is empty).
    """

    sha256: Hexadecimal
    hottest_mm: Point | None
    suv_max: Suv | None


class MaskExcluded(OfVoxels):
    """A region. source : the name of the user's file, or how it was drawn."""

    kind: Literal["exclude_mask"] = "exclude_mask"
    source: Text


class PartExcluded(OfVoxels):
    """A lesion that earlier edits made or changed: number `label` under `method` at this point of the log.

    added : which of the edits in force (0 is the first) added voxels that go with it, under every method
    """

    kind: Literal["exclude_part"] = "exclude_part"
    method: MethodName
    label: Label
    added: Annotated[tuple[Annotated[int, Field(ge=0, lt=10_000)], ...], Field(strict=False)]


class LesionSplit(OfVoxels):
    """A lesion, number `label` under `method` at this point of the log, in parts: the file holds 1, 2, ..."""

    kind: Literal["split_lesion"] = "split_lesion"
    method: MethodName
    label: Label


class LesionsMerged(OfVoxels):
    """Several lesions, numbers under `method` at this point of the log, are one; the file holds all their voxels."""

    kind: Literal["merge_lesions"] = "merge_lesions"
    method: MethodName
    labels: Annotated[tuple[Label, ...], Field(strict=False, min_length=2)]


class Brushed(OfVoxels):
    """A stroke of the brush (`add`) or the eraser."""

    kind: Literal["brush"] = "brush"
    add: bool


class SeedIncluded(_Entry):
    """A lesion added by a point. asked_mm : the reader's point; point_mm : the voxel meant; suv : SUV there."""

    kind: Literal["include_seed"] = "include_seed"
    asked_mm: Point
    point_mm: Point
    limit_mm: Annotated[float, Field(gt=0, le=1e5)]
    suv: Suv


class Cleared(_Entry):
    """The entries before this one no longer count. It can be undone like any edit."""

    kind: Literal["clear"] = "clear"


class Undone(_Entry):
    """The last edit, or the last `clear`, that is in force is so no longer."""

    kind: Literal["undo"] = "undo"


class Redone(_Entry):
    """What the last `undo` took back is in force again; an edit after an `undo` ends that."""

    kind: Literal["redo"] = "redo"


class Signed(_Entry):
    """The reader stands for the result of the edits in force. tmtv_ml : that result, by method."""

    kind: Literal["sign"] = "sign"
    tmtv_ml: dict[MethodName, Annotated[float, Field(ge=0, le=1e6)]]


Change = (
    LesionExcluded
    | LesionRestored
    | MaskExcluded
    | PartExcluded
    | LesionSplit
    | LesionsMerged
    | Brushed
    | SeedIncluded
)
AnyEntry = Change | Cleared | Undone | Redone | Signed
Entry = Annotated[AnyEntry, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    edits: Annotated[list[Entry], Field(max_length=10_000)]


@dataclass(frozen=True)
class EditLog:
    """All entries of `edits.json`, in order."""

    entries: tuple[AnyEntry, ...] = ()

    @cached_property
    def in_force(self) -> tuple[Change, ...]:
        """The edits that count now, in order."""
        found: list[Change] = []
        state = self._history.now
        while state is not None:
            found.append(state.change)
            state = state.before
        return tuple(reversed(found))

    @property
    def can_undo(self) -> bool:
        return bool(self._history.undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._history.redo)

    @property
    def signed(self) -> Signed | None:
        """The signature under the edits in force; None where something was changed after it."""
        last = self.entries[-1] if self.entries else None
        return last if isinstance(last, Signed) else None

    @property
    def was_signed(self) -> bool:
        """Whether there is any signature, one that no longer holds included."""
        return any(isinstance(entry, Signed) for entry in self.entries)

    @cached_property
    def _history(self) -> _History:
        found = _History()
        for entry in self.entries:
            found.add(entry)
        return found


@dataclass(frozen=True)
class _State:
    """The edits in force at one point of the log: `change`, and those of `before`."""

    change: Change
    before: _State | None


@dataclass
class _History:
    """Where the reader is, and the states that undo and redo lead to."""

    now: _State | None = None
    undo: list[_State | None] = field(default_factory=list)
    redo: list[_State | None] = field(default_factory=list)

    def add(self, entry: AnyEntry) -> None:
        """Raises ValueError: nothing to undo or to redo."""
        if isinstance(entry, Signed):
            return
        if isinstance(entry, Undone | Redone):
            here, there = (self.undo, self.redo) if isinstance(entry, Undone) else (self.redo, self.undo)
            if not here:
                raise ValueError(f"there is nothing to {entry.kind}")
            there.append(self.now)
            self.now = here.pop()
            return
        self.undo.append(self.now)
        self.redo.clear()
        self.now = None if isinstance(entry, Cleared) else _State(entry, self.now)


def read_log(folder: Path) -> EditLog:
    """The log of a case; empty where there is no `edits.json`.

    Raises
    ------
    TmtvError
        A file that is no such log: broken JSON, a key or version that is not known, a number out of its range, NaN,
        larger than 16 MiB. An edit that cannot be read is never passed over.
    """
    path = folder / EDITS_FILE
    if not path.exists():
        if path.is_symlink():
            raise TmtvError(f"{path}: a link to a file that is not there. {_REPAIR}")
        return EditLog()
    text = _text(path)
    try:
        json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
        log = EditLog(tuple(_File.model_validate_json(text).edits))
        _ = log.in_force
        return log
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(one_line(part) for part in first["loc"] if part not in ("edits", first["input"]))
        reason = f"{place or 'the file'}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    raise TmtvError(f"{path}: not a log of edits ({_short(reason)}). {_REPAIR}")


def write_log(folder: Path, log: EditLog, regions: Sequence[Path] = ()) -> None:
    """Write `edits.json` whole or not at all; when this returns, a power loss does not take it.

    regions : files that it names, and their folder, which are put on disk before it
    """
    entries = [_as_json(entry) for entry in log.entries]
    write_json(folder / EDITS_FILE, {"version": VERSION, "edits": entries}, durable=True, after=regions)


def as_json(entries: Iterable[AnyEntry]) -> list[dict[str, Any]]:
    """Entries as they stand in `edits.json`."""
    return [_as_json(entry) for entry in entries]


_REPAIR = "Repair it or move it away; without it the automatic result is the final one."


def _as_json(entry: AnyEntry) -> dict[str, Any]:
    found = entry.model_dump(mode="json")
    return {"kind": found.pop("kind"), **found}


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise TmtvError(f"{path}: not a file. {_REPAIR}")
        if path.stat().st_size > MAX_BYTES:
            raise TmtvError(f"{path}: larger than {MAX_BYTES >> 20} MiB: not a log of edits. {_REPAIR}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TmtvError(f"{path}: cannot be read ({_short(str(error))}). {_REPAIR}") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:200]
