"""Between the log of edits and the voxels: what a reader asks becomes entries; entries become edits of this image."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess.editing import Edit, ExcludeLesion
from postprocess.edits import (
    AnyEntry,
    Change,
    Cleared,
    EditLog,
    LesionExcluded,
    MaskExcluded,
    SeedIncluded,
    write_log,
)
from postprocess.inputs import read_mask
from postprocess.replay import edit_of, hottest_of
from postprocess.seeds import SEED_LIMIT_MM, snap_seed, voxel_of
from postprocess.segmentation import Segmentation
from postprocess.suv_source import SuvSource
from postprocess.voxels import Voxels

REPEATABLE = (LesionExcluded, MaskExcluded, SeedIncluded)


@dataclass(frozen=True)
class Request:
    """What one call asks to change.

    Attributes
    ----------
    exclude : (method, label), numbered as in the automatic result
    exclude_mask : image, SEG or RTSTRUCT; where it is not 0 nothing is lesion
    seeds_mm : LPS points (x, y, z); each adds what holds it over a method's threshold, up to `seed_limit_mm` from it
    clear : the edits made before no longer count
    reader : who asks; the name of the login if None
    pet : of the case; regions of another frame of reference are refused
    """

    exclude: tuple[tuple[str, int], ...] = ()
    exclude_mask: Path | None = None
    seeds_mm: tuple[tuple[float, float, float], ...] = ()
    seed_limit_mm: float = SEED_LIMIT_MM
    clear: bool = False
    reader: str | None = None
    pet: SuvSource | None = None

    def __post_init__(self) -> None:
        if not 0 < self.seed_limit_mm <= 1e5:
            raise ParameterError(
                f"The growth limit of a seed must be positive. Received: {self.seed_limit_mm}."
            )
        reader_name(self.reader)

    def __bool__(self) -> bool:
        return bool(self.exclude or self.exclude_mask or self.seeds_mm or self.clear)


@dataclass(frozen=True)
class Who:
    """Who edits, and when (UTC)."""

    by: str
    time: str

    @classmethod
    def now(cls, reader: str | None) -> Who:
        return cls(reader_name(reader), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


@dataclass(frozen=True)
class Plan:
    """The log after a request, and what its entries mean on this image; nothing is written yet.

    added : entries that are new. masks : voxels of new regions, by SHA-256. said : what the reader should know.
    """

    log: EditLog
    edits: tuple[Edit, ...] = ()
    added: int = 0
    cleared: int = 0
    masks: dict[str, Voxels] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def plan(request: Request, log: EditLog, folder: Path, work: Segmentation, geometry: Geometry) -> Plan:
    """What a request adds to the log, and the edits in force afterwards. An edit asked for again is not added twice.

    Raises
    ------
    TmtvError
        An entry that does not fit this image or its lesions; see `edit_of`. A lesion that is not there.
    """
    who = Who.now(request.reader)
    old = log.in_force
    cleared = len(old) if request.clear else 0
    entries: list[AnyEntry] = (
        [*log.entries, Cleared(by=who.by, time=who.time)] if cleared else list(log.entries)
    )
    in_force = [] if cleared else list(old)
    edits, warnings = [], []
    for entry in in_force:
        edit, said = edit_of(entry, folder, work, geometry)
        edits.append(edit)
        warnings += said
    # An edit asked for again is one edit, unless something in between may have taken it back.
    since = max((n for n, entry in enumerate(in_force, 1) if not isinstance(entry, REPEATABLE)), default=0)
    added, masks, told = _asked(request, who, in_force[since:], edits[since:], work, geometry)
    for change in added:
        edit, _ = edit_of(change, folder, work, geometry, masks)
        edits.append(edit)
    return Plan(
        EditLog((*entries, *added)), tuple(edits), len(added), cleared, masks, tuple(warnings), tuple(told)
    )


def commit(made: Plan, folder: Path, geometry: Geometry) -> None:
    """Write the log, and the regions that it names before it."""
    written = [place for voxels in made.masks.values() for place in voxels.write(folder, geometry)]
    if made.added or made.cleared:
        write_log(folder, made.log, written)


def _asked(
    request: Request,
    who: Who,
    in_force: Sequence[Change],
    edits: Sequence[Edit],
    work: Segmentation,
    geometry: Geometry,
) -> tuple[list[Change], dict[str, Voxels], list[str]]:
    """The entries that a request adds to those in force, the voxels of its mask, and sentences for the reader."""
    added: list[Change] = []
    masks: dict[str, Voxels] = {}
    told = []
    for method, label in dict.fromkeys(request.exclude):
        if ExcludeLesion(method, label) not in edits:
            added.append(_exclusion(method, label, who, work, geometry))
    if request.exclude_mask is not None:
        mask = Voxels.of_array(read_mask(request.exclude_mask, geometry, request.pet))
        if not any(isinstance(entry, MaskExcluded) and entry.sha256 == mask.sha256 for entry in in_force):
            masks[mask.sha256] = mask
            source = request.exclude_mask.name[:200].encode(errors="replace").decode()
            fields = region_fields(mask, work, geometry)
            added.append(MaskExcluded(**fields, source=source, by=who.by, time=who.time))
    known = {(entry.asked_mm, entry.limit_mm) for entry in in_force if isinstance(entry, SeedIncluded)}
    for asked_mm in dict.fromkeys(request.seeds_mm):
        entry, said = seed_entry(asked_mm, request.seed_limit_mm, who, work, geometry)
        told.append(said)
        if (asked_mm, request.seed_limit_mm) not in known:
            added.append(entry)
    return added, masks, told


def _exclusion(method: str, label: int, who: Who, work: Segmentation, geometry: Geometry) -> LesionExcluded:
    try:
        return LesionExcluded(**lesion_fields(method, label, work, geometry), **asdict(who))
    except ParameterError as error:
        raise ParameterError(
            f"--exclude {error} A lesion that was added by hand goes with --clear-edits or in tmtv review."
        ) from error


def lesion_fields(method: str, label: int, work: Segmentation, geometry: Geometry) -> dict[str, Any]:
    """What an entry says of a lesion of the automatic result.

    Raises
    ------
    ParameterError
        There is no such lesion.
    """
    lesions = work.lesions(method)
    index = lesions.index[lesions.label == label]
    hottest_mm, suv_max = hottest_of(index, work.suv, geometry)
    if hottest_mm is None:
        raise ParameterError(
            f"{method}:{label}: there is no such lesion in the automatic result; {method} has "
            f"{lesions.label.max(initial=0)}."
        )
    return {
        "method": method,
        "label": label,
        "hottest_mm": hottest_mm,
        "suv_max": suv_max,
        "volume_ml": index.size * geometry.voxel_ml,
    }


def region_fields(voxels: Voxels, work: Segmentation, geometry: Geometry) -> dict[str, Any]:
    """What an entry says of the voxels in its file."""
    hottest_mm, suv_max = hottest_of(voxels.index, work.suv, geometry)
    return {"sha256": voxels.sha256, "hottest_mm": hottest_mm, "suv_max": suv_max}


def seed_entry(
    asked_mm: tuple[float, float, float], limit_mm: float, who: Who, work: Segmentation, geometry: Geometry
) -> tuple[SeedIncluded, str]:
    """The entry of a reader's point, and the sentence that says which voxel is meant."""
    point_mm, said = snap_seed(work.suv, geometry, asked_mm)
    suv = float(work.suv[tuple(voxel_of(geometry, point_mm))])
    entry = SeedIncluded(
        asked_mm=asked_mm, point_mm=point_mm, limit_mm=limit_mm, suv=suv, by=who.by, time=who.time
    )
    return entry, said


def reader_name(given: str | None) -> str:
    """The name of who edits: the one given, else that of the login.

    Raises
    ------
    ParameterError
        No name of at most 100 printable characters.
    """
    if given is not None:
        if not (0 < len(given) <= 100 and given.isprintable()):
            raise ParameterError("--reader takes a name of at most 100 printable characters.")
        return given
    try:
        return getpass.getuser()[:200]
    except (KeyError, OSError, ImportError):
        return "unknown"
