"""From the log of edits to the voxels: what an entry means on this image, or why it cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError, TmtvError
from petct.image import Geometry
from postprocess.editing import (
    Edit,
    Erase,
    ExcludeLesion,
    ExcludePart,
    ExcludeRegion,
    IncludeSeed,
    Merge,
    Paint,
    RestoreLesion,
    Split,
)
from postprocess.edits import (
    EDITS_FILE,
    Change,
    LesionExcluded,
    LesionRestored,
    LesionsMerged,
    LesionSplit,
    MaskExcluded,
    PartExcluded,
    SeedIncluded,
)
from postprocess.seeds import voxel_of
from postprocess.segmentation import Segmentation
from postprocess.voxels import UNDO, Voxels, read_voxels

# An edit was made on this PET if the SUV at its place is the same, up to the precision that image files keep.
SUV_TOLERANCE = 1e-3
# After the automatic result changed, a lesion with the same hottest voxel is the same one if its volume changed by no
# more than this factor; else it may have merged with another or lost a part.
SAME_VOLUME_FACTOR = 1.5


def edit_of(
    entry: Change,
    folder: Path,
    work: Segmentation,
    geometry: Geometry,
    regions: Mapping[str, Voxels] | None = None,
) -> tuple[Edit, list[str]]:
    """What an entry means on this image, and a warning where the automatic result changed since.

    regions : voxels that are not in their files yet, by SHA-256

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
    if isinstance(entry, LesionExcluded | LesionRestored):
        label, said = _same_lesion(where, entry, work, geometry)
        edit = ExcludeLesion if isinstance(entry, LesionExcluded) else RestoreLesion
        return edit(entry.method, label), said
    voxels = (regions or {}).get(entry.sha256) or read_voxels(folder, entry.sha256, geometry)
    index = voxels.index
    if isinstance(entry, MaskExcluded):
        return ExcludeRegion(index), []
    if isinstance(entry, PartExcluded):
        return ExcludePart(index, entry.added), []
    if isinstance(entry, LesionSplit):
        return Split(index, voxels.group), []
    if isinstance(entry, LesionsMerged):
        return Merge(index), []
    return (Paint(index) if entry.add else Erase(index)), []


def _same_lesion(
    where: str, entry: LesionExcluded | LesionRestored, work: Segmentation, geometry: Geometry
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
        if hottest_of(index, work.suv, geometry)[0] == entry.hottest_mm and changed <= SAME_VOLUME_FACTOR:
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


def hottest_of(
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
