"""`edits.json`: the only log of a reader's changes to one case. Entries are added at its end; none is ever removed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
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
Hexadecimal = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class _Entry(BaseModel):
    """by : who. time : when, UTC."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    by: Text
    time: Annotated[str, Field(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z")]


class LesionExcluded(_Entry):
    """Lesion `label` of `method` in the automatic result; its hottest voxel tells it from others if that changes.

    hottest_mm : LPS centre of its hottest voxel. suv_max : SUV there. volume_ml : its volume.
    """

    kind: Literal["exclude_lesion"] = "exclude_lesion"
    method: Annotated[str, Field(pattern=r"\A[0-9a-z.-]{1,30}\z")]
    label: Annotated[int, Field(ge=1, le=65535)]
    hottest_mm: Point
    suv_max: Suv
    volume_ml: Annotated[float, Field(gt=0, le=1e6)]


class MaskExcluded(_Entry):
    """A region; its voxels are in `edits/<sha256>.nii.gz`. source : the name of the user's file.

    hottest_mm, suv_max : its hottest voxel in the PET (null, if it is empty).
    """

    kind: Literal["exclude_mask"] = "exclude_mask"
    sha256: Hexadecimal
    source: Text
    hottest_mm: Point | None
    suv_max: Suv | None


class SeedIncluded(_Entry):
    """A lesion added by a point. asked_mm : the reader's point; point_mm : the voxel meant; suv : SUV there."""

    kind: Literal["include_seed"] = "include_seed"
    asked_mm: Point
    point_mm: Point
    limit_mm: Annotated[float, Field(gt=0, le=1e5)]
    suv: Suv


class Cleared(_Entry):
    """The entries before this one no longer count."""

    kind: Literal["clear"] = "clear"


Change = LesionExcluded | MaskExcluded | SeedIncluded
Entry = Annotated[Change | Cleared, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    edits: Annotated[list[Entry], Field(max_length=10_000)]


@dataclass(frozen=True)
class EditLog:
    """All entries of `edits.json`, in order."""

    entries: tuple[Change | Cleared, ...] = ()

    @property
    def in_force(self) -> tuple[Change, ...]:
        """Those after the last `clear`."""
        found: list[Change] = []
        for entry in self.entries:
            if isinstance(entry, Cleared):
                found.clear()
            else:
                found.append(entry)
        return tuple(found)


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
        return EditLog(tuple(_File.model_validate_json(text).edits))
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(one_line(part) for part in first["loc"] if part not in ("edits", first["input"]))
        reason = f"{place or 'the file'}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    raise TmtvError(f"{path}: not a log of edits ({_short(reason)}). {_REPAIR}")


def write_log(folder: Path, log: EditLog) -> None:
    """Write `edits.json` whole or not at all."""
    entries = [_as_json(entry) for entry in log.entries]
    write_json(folder / EDITS_FILE, {"version": VERSION, "edits": entries})


def as_json(entries: Iterable[Change]) -> list[dict[str, Any]]:
    """Entries as they stand in `edits.json`."""
    return [_as_json(entry) for entry in entries]


_REPAIR = "Repair it or move it away; without it the automatic result is the final one."


def _as_json(entry: Change | Cleared) -> dict[str, Any]:
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
