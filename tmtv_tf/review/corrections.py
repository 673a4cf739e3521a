"""What the page asks for, as entries of the log: the same that `tmtv-postprocess` replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess._components import is_member, union
from postprocess.edited import EditedLesions
from postprocess.edits import (
    AnyEntry,
    Brushed,
    Cleared,
    LesionExcluded,
    LesionRestored,
    LesionsMerged,
    LesionSplit,
    MaskExcluded,
    PartExcluded,
    Redone,
    Undone,
)
from postprocess.requests import Who, lesion_fields, region_fields, seed_entry
from postprocess.seeds import SEED_LIMIT_MM
from postprocess.segmentation import Segmentation
from postprocess.voxels import Voxels
from tmtv_tf.review.brush import MAX_POINTS, stroke
from tmtv_tf.review.mip import Projections
from tmtv_tf.review.splitting import groups_of

Millimetres = Annotated[float, Field(ge=-1e5, le=1e5)]
Point = Annotated[tuple[Millimetres, Millimetres, Millimetres], Field(strict=False)]
Label = Annotated[int, Field(ge=1, le=65535)]
Pixel = Annotated[
    tuple[Annotated[float, Field(ge=-1e5, le=1e5)], Annotated[float, Field(ge=-1e5, le=1e5)]],
    Field(strict=False),
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OfLesion(_Asked):
    """Take a lesion out, bring it back, split it. label : as the page shows it."""

    kind: Literal["exclude_lesion", "restore_lesion", "split_lesion"]
    label: Label


class MergeLesions(_Asked):
    """Make one of several."""

    kind: Literal["merge_lesions"]
    labels: Annotated[list[Label], Field(min_length=2, max_length=1000)]


class Box(_Asked):
    """LPS corners."""

    lo: Point
    hi: Point


class ExcludeRegion(_Asked):
    """Everything in a lasso on a projection (pixels of its picture), or in a box."""

    kind: Literal["exclude_region"]
    angle: int | None = None
    polygon: Annotated[list[Pixel], Field(min_length=3, max_length=5000)] | None = None
    box_mm: Box | None = None


class AddPoint(_Asked):
    """A lesion that the map missed, from a point in it."""

    kind: Literal["add_point"]
    point_mm: Point
    limit_mm: Annotated[float, Field(gt=0, le=300)] = SEED_LIMIT_MM


class Brush(_Asked):
    """A stroke: a disc drawn along points, on the one slice of a plane; without a plane a ball."""

    kind: Literal["brush"]
    add: bool
    plane: Literal["axial", "coronal", "sagittal"] | None = None
    radius_mm: Annotated[float, Field(gt=0, le=100)]
    points_mm: Annotated[list[Point], Field(min_length=1, max_length=MAX_POINTS)]


class Plain(_Asked):
    """Go back, forth, or to the automatic result."""

    kind: Literal["undo", "redo", "clear"]


Asked = OfLesion | MergeLesions | ExcludeRegion | AddPoint | Brush | Plain
_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="kind")])


@dataclass(frozen=True)
class Context:
    """The case as it is now. states : the lesions of every method. method : the one that is shown."""

    method: str
    states: Mapping[str, EditedLesions]
    work: Segmentation
    geometry: Geometry
    projections: Callable[[], Projections]

    @property
    def state(self) -> EditedLesions:
        return self.states[self.method]


@dataclass(frozen=True)
class Correction:
    """An entry for the log, the voxels that go into files by SHA-256, and what the reader should know."""

    entry: AnyEntry
    regions: dict[str, Voxels] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def read_asked(value: Any) -> Asked:
    """What a request asks for.

    Raises
    ------
    ParameterError
        No such kind, a value that is missing, unknown or out of range.
    """
    try:
        return _ASKED.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"]) or "edit"
        raise ParameterError(f"This is no edit: {place}: {first['msg']}.") from error


def correct(asked: Asked, who: Who, case: Context) -> Correction:
    """The entry that a request means.

    Raises
    ------
    ParameterError
        A number that no lesion has now, a point outside the image, nothing in the region.
    """
    by: dict[str, Any] = asdict(who)
    if isinstance(asked, Plain):
        kinds: dict[str, Callable[..., AnyEntry]] = {"undo": Undone, "redo": Redone, "clear": Cleared}
        return Correction(kinds[asked.kind](**by))
    if isinstance(asked, AddPoint):
        entry, said = seed_entry(asked.point_mm, asked.limit_mm, who, case.work, case.geometry)
        return Correction(entry, said=(said,))
    if isinstance(asked, ExcludeRegion):
        region, source = _region(asked, case)
        return _with_region(region, case, lambda **at: MaskExcluded(source=source, **at, **by))
    if isinstance(asked, Brush):
        region = _mask(case, stroke(case.geometry, asked.points_mm, asked.radius_mm, asked.plane))
        return _with_region(region, case, lambda **at: Brushed(add=asked.add, **at, **by))
    if isinstance(asked, MergeLesions):
        labels = tuple(sorted(set(asked.labels)))
        if len(labels) < 2:
            raise ParameterError("To merge, choose two lesions or more.")
        region = _mask(case, *(_voxels(case, label) for label in labels))
        return _with_region(
            region, case, lambda **at: LesionsMerged(method=case.method, labels=labels, **at, **by)
        )
    if asked.kind == "restore_lesion":
        return Correction(
            LesionRestored(**lesion_fields(case.method, asked.label, case.work, case.geometry), **by)
        )
    if asked.kind == "exclude_lesion":
        return _exclude(asked.label, by, case)
    voxels = _voxels(case, asked.label)
    region = Voxels(voxels, groups_of(case.state, asked.label, voxels), case.geometry.shape)
    return _with_region(
        region, case, lambda **at: LesionSplit(method=case.method, label=asked.label, **at, **by)
    )


def _exclude(label: int, by: dict[str, Any], case: Context) -> Correction:
    voxels = _voxels(case, label)
    if _is_as_automatic(case.state, label):
        return Correction(LesionExcluded(**lesion_fields(case.method, label, case.work, case.geometry), **by))
    state = case.state
    inside = state.label == label
    # An earlier edit that added voxels to other lesions too stays with those.
    added = np.setdiff1d(state.source[inside], np.append(state.source[~inside], 0)) - 1
    of: dict[str, Any] = {"method": case.method, "label": label, "added": tuple(added.tolist())}
    return _with_region(_mask(case, voxels), case, lambda **at: PartExcluded(**of, **at, **by))


def _is_as_automatic(state: EditedLesions, label: int) -> bool:
    """Whether a lesion is that number of the automatic result, with nothing added, split off or merged."""
    before = state.automatic.lesions(state.method)
    own, was = state.index[state.label == label], before.index[before.label == label]
    if not was.size or state.source[state.label == label].any():
        return False
    if not state.work.per_part(state.rule):
        elsewhere = state.index[state.label != label]
        return bool(is_member(own, was).all() and not is_member(was, elsewhere).any())
    first = EditedLesions.of(state.automatic, state.method)
    parts = np.flatnonzero(state.number_of_part == label)
    then = np.flatnonzero(first.number_of_part == label)
    return np.array_equal(np.isin(state.work.parts, parts), np.isin(first.work.parts, then))


def _region(asked: ExcludeRegion, case: Context) -> tuple[Voxels, str]:
    """The voxels of the map, and of lesions, in a drawn region; how it was drawn."""
    index = case.work.index
    for state in case.states.values():
        index = union(index, state.index[state.source > 0])
    if asked.box_mm is not None and asked.polygon is None and asked.angle is None:
        place = case.geometry.to_world(np.stack(np.unravel_index(index, case.geometry.shape), axis=1))
        corners = np.array([asked.box_mm.lo, asked.box_mm.hi])
        inside = ((place >= corners.min(axis=0)) & (place <= corners.max(axis=0))).all(axis=1)
        source = "box"
    elif asked.polygon is not None and asked.angle is not None and asked.box_mm is None:
        inside = case.projections().inside(asked.angle, asked.polygon, index)
        source = f"lasso on the projection at {asked.angle} degrees"
    else:
        raise ParameterError("A region is a polygon on the projection of an angle, or a box.")
    if not inside.any():
        raise ParameterError("There is nothing in this region that could be a lesion.")
    return _mask(case, index[inside]), source


def _voxels(case: Context, label: int) -> npt.NDArray[np.int64]:
    if not (case.state.lesions().label == label).any():
        raise ParameterError(
            f"There is no lesion {label} under {case.method} any more; the page shows an older state."
        )
    return case.state.voxels_of(label)


def _mask(case: Context, *voxels: npt.NDArray[np.int64]) -> Voxels:
    index = voxels[0] if len(voxels) == 1 else np.unique(np.concatenate(voxels))
    return Voxels.mask(index, case.geometry.shape)


def _with_region(region: Voxels, case: Context, entry: Callable[..., AnyEntry]) -> Correction:
    fields = region_fields(region, case.work, case.geometry)
    return Correction(entry(**fields), {region.sha256: region})
