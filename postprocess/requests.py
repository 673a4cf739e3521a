"""Between the log of edits and the voxels: what a reader asks becomes entries; entries become edits of this image."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError, TmtvError
from petct.image import Geometry, Image, read_image, write_image
from postprocess.editing import Edit, ExcludeLesion, ExcludeRegion, IncludeSeed
from postprocess.edits import (
    EDITS_FILE,
    MASK_FOLDER,
    Change,
    Cleared,
    EditLog,
    LesionExcluded,
    MaskExcluded,
    SeedIncluded,
    write_log,
)
from postprocess.inputs import read_mask
from postprocess.seeds import SEED_LIMIT_MM, snap_seed, voxel_of
from postprocess.segmentation import Segmentation
from postprocess.suv_source import SuvSource

# An edit was made on this PET if the SUV at its place is the same, up to the precision that image files keep.
SUV_TOLERANCE = 1e-3
# After the automatic result changed, a lesion with the same hottest voxel is the same one if its volume changed by no
# more than this factor; else it may have merged with another or lost a part.
SAME_VOLUME_FACTOR = 1.5
UNDO = "Use --clear-edits to make the edits anew; edits.json keeps the old ones."


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
class _Who:
    by: str
    time: str


@dataclass(frozen=True)
class Plan:
    """The log after a request, and what its entries mean on this image; nothing is written yet.

    added : entries that are new. masks : voxels of new regions, by SHA-256. said : what the reader should know.
    """

    log: EditLog
    edits: tuple[Edit, ...] = ()
    added: int = 0
    cleared: int = 0
    masks: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def plan(request: Request, log: EditLog, folder: Path, work: Segmentation, geometry: Geometry) -> Plan:
    """What a request adds to the log, and the edits in force afterwards. An edit asked for again is not added twice.

    Raises
    ------
    TmtvError
        An entry that does not fit this image or its lesions; see `edit_of`. A lesion that is not there.
    """
    who = _Who(reader_name(request.reader), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    old = log.in_force
    cleared = len(old) if request.clear else 0
    entries = [*log.entries, Cleared(by=who.by, time=who.time)] if cleared else list(log.entries)
    in_force = [] if cleared else list(old)
    edits, warnings = [], []
    for entry in in_force:
        edit, said = edit_of(entry, folder, work, geometry)
        edits.append(edit)
        warnings += said
    added, masks, told = _asked(request, who, in_force, edits, work, geometry)
    for change in added:
        edit, _ = edit_of(change, folder, work, geometry, masks)
        edits.append(edit)
    return Plan(
        EditLog((*entries, *added)), tuple(edits), len(added), cleared, masks, tuple(warnings), tuple(told)
    )


def commit(made: Plan, folder: Path, geometry: Geometry) -> None:
    """Write the log, and the regions that it names before it."""
    for name, mask in made.masks.items():
        write_image(_mask_path(folder, name), Image(mask.astype(np.uint8), geometry))
    if made.added or made.cleared:
        write_log(folder, made.log)


def edit_of(
    entry: Change,
    folder: Path,
    work: Segmentation,
    geometry: Geometry,
    masks: dict[str, npt.NDArray[np.bool_]] | None = None,
) -> tuple[Edit, list[str]]:
    """What an entry means on this image, and a warning where the automatic result changed since.

    Raises
    ------
    TmtvError
        The PET has another SUV at the entry's place; no lesion of the automatic result is surely the one meant; the
        file of a region is missing or holds another.
    """
    where = f"{folder / EDITS_FILE}"
    if isinstance(entry, SeedIncluded):
        _require_suv(where, work.suv, geometry, entry.point_mm, entry.suv)
        return IncludeSeed(entry.point_mm, entry.limit_mm), []
    if entry.hottest_mm is not None and entry.suv_max is not None:
        _require_suv(where, work.suv, geometry, entry.hottest_mm, entry.suv_max)
    if isinstance(entry, MaskExcluded):
        mask = (masks or {}).get(entry.sha256)
        if mask is None:
            mask = _stored_mask(folder, entry.sha256, geometry)
        return ExcludeRegion(np.flatnonzero(mask)), []
    label, said = _same_lesion(where, entry, work, geometry)
    return ExcludeLesion(entry.method, label), said


def _asked(
    request: Request,
    who: _Who,
    in_force: Sequence[Change],
    edits: Sequence[Edit],
    work: Segmentation,
    geometry: Geometry,
) -> tuple[list[Change], dict[str, npt.NDArray[np.bool_]], list[str]]:
    """The entries that a request adds to those in force, the voxels of its mask, and sentences for the reader."""
    added: list[Change] = []
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    told = []
    for method, label in dict.fromkeys(request.exclude):
        if ExcludeLesion(method, label) not in edits:
            added.append(_exclusion(method, label, who, work, geometry))
    if request.exclude_mask is not None:
        mask = read_mask(request.exclude_mask, geometry, request.pet)
        name = _fingerprint(mask)
        if not any(isinstance(entry, MaskExcluded) and entry.sha256 == name for entry in in_force):
            masks[name] = mask
            hottest = _hottest(np.flatnonzero(mask), work.suv, geometry)
            source = request.exclude_mask.name[:200].encode(errors="replace").decode()
            added.append(
                MaskExcluded(
                    sha256=name,
                    source=source,
                    hottest_mm=hottest[0],
                    suv_max=hottest[1],
                    by=who.by,
                    time=who.time,
                )
            )
    known = {(entry.asked_mm, entry.limit_mm) for entry in in_force if isinstance(entry, SeedIncluded)}
    for asked_mm in dict.fromkeys(request.seeds_mm):
        point_mm, said = snap_seed(work.suv, geometry, asked_mm)
        told.append(said)
        if (asked_mm, request.seed_limit_mm) not in known:
            suv = float(work.suv[tuple(voxel_of(geometry, point_mm))])
            added.append(
                SeedIncluded(
                    asked_mm=asked_mm,
                    point_mm=point_mm,
                    limit_mm=request.seed_limit_mm,
                    suv=suv,
                    by=who.by,
                    time=who.time,
                )
            )
    return added, masks, told


def _exclusion(method: str, label: int, who: _Who, work: Segmentation, geometry: Geometry) -> LesionExcluded:
    lesions = work.lesions(method)
    index = lesions.index[lesions.label == label]
    if index.size == 0:
        count = lesions.label.max(initial=0)
        raise ParameterError(
            f"--exclude {method}:{label}: there is no such lesion in the automatic result; {method} has {count}. "
            f"A lesion that was added by hand goes with --clear-edits only."
        )
    hottest_mm, suv_max = _hottest(index, work.suv, geometry)
    if hottest_mm is None or suv_max is None:
        raise ParameterError(f"--exclude {method}:{label}: a lesion without voxels.")
    volume_ml = index.size * geometry.voxel_ml
    return LesionExcluded(
        method=method,
        label=label,
        hottest_mm=hottest_mm,
        suv_max=suv_max,
        volume_ml=volume_ml,
        by=who.by,
        time=who.time,
    )


def _same_lesion(
    where: str, entry: LesionExcluded, work: Segmentation, geometry: Geometry
) -> tuple[int, list[str]]:
    """The number that an excluded lesion has now: found by its hottest voxel."""
    lesions = work.lesions(entry.method)
    flat = np.ravel_multi_index(tuple(voxel_of(geometry, entry.hottest_mm)), geometry.shape)
    at = np.searchsorted(lesions.index, flat)
    name = f"{entry.method}:{entry.label}"
    if at < lesions.index.size and lesions.index[at] == flat:
        label = int(lesions.label[at])
        index = lesions.index[lesions.label == label]
        volume_ml = index.size * geometry.voxel_ml
        changed = max(volume_ml / entry.volume_ml, entry.volume_ml / volume_ml)
        if _hottest(index, work.suv, geometry)[0] == entry.hottest_mm and changed <= SAME_VOLUME_FACTOR:
            if label == entry.label and np.isclose(volume_ml, entry.volume_ml, rtol=1e-6):
                return label, []
            return label, [
                f"the automatic result changed since {name} was excluded: it is lesion {label} now "
                f"({entry.volume_ml:.4g} mL then, {volume_ml:.4g} mL now), found by its hottest voxel."
            ]
    place = ", ".join(f"{v:.1f}" for v in entry.hottest_mm)
    raise TmtvError(
        f"{where}: the automatic result changed since {name} was excluded ({entry.volume_ml:.4g} mL, hottest at "
        f"{place} mm): no lesion of today is surely the same. {UNDO}"
    )


def _require_suv(
    where: str, suv: npt.NDArray, geometry: Geometry, point_mm: tuple[float, float, float], expected: float
) -> None:
    place = ", ".join(f"{v:.1f}" for v in point_mm)
    try:
        found = float(suv[tuple(voxel_of(geometry, point_mm))])
    except ParameterError as error:
        raise TmtvError(
            f"{where}: it was made on another PET ({place} mm is outside this one). {UNDO}"
        ) from error
    if not np.isclose(found, expected, rtol=SUV_TOLERANCE, atol=1e-4):
        raise TmtvError(
            f"{where}: it was made on another PET (SUV {expected:.4g} at {place} mm, here {found:.4g}). {UNDO}"
        )


def _hottest(
    index: npt.NDArray[np.int64], suv: npt.NDArray, geometry: Geometry
) -> tuple[tuple[float, float, float] | None, float | None]:
    """LPS centre and SUV of the hottest of some voxels, the first of several; None of no voxel."""
    if index.size == 0:
        return None, None
    values = suv.reshape(-1)[index]
    at = int(values.argmax())
    place = np.unravel_index(index[at], geometry.shape)
    x, y, z = (round(float(v), 4) for v in geometry.to_world(place)[0])
    return (x, y, z), float(values[at])


def _fingerprint(mask: npt.NDArray[np.bool_]) -> str:
    """SHA-256 of the shape and the voxels, eight to a byte in (Z, Y, X) order."""
    digest = hashlib.sha256(repr(tuple(int(n) for n in mask.shape)).encode())
    digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()


def _mask_path(folder: Path, name: str) -> Path:
    return folder / MASK_FOLDER / f"{name}.nii.gz"


def _stored_mask(folder: Path, name: str, geometry: Geometry) -> npt.NDArray[np.bool_]:
    path = _mask_path(folder, name)
    image = read_image(path)
    mask = image.array != 0
    if not image.geometry.same_grid(geometry):
        raise TmtvError(f"{path}: it was made on another PET: another grid. {UNDO}")
    if _fingerprint(mask) != name:
        raise TmtvError(f"{path}: not the region that {EDITS_FILE} names (its SHA-256 differs). {UNDO}")
    return mask


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
