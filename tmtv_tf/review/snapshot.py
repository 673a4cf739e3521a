"""The lesions of every method after some edits, with their numbers. An edit computes what it changes, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from petct.image import Geometry
from postprocess._components import union
from postprocess.edited import EditedLesions
from postprocess.editing import Edit
from postprocess.measures import Lesion, PatientMeasures, lesions_of_voxels, outer_voxels, summarize
from postprocess.replay import hottest_of
from postprocess.segmentation import Lesions, Segmentation

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """A lesion's numbers (no shape), the LPS centre of its hottest voxel, and its `outer_voxels`."""

    lesion: Lesion
    hottest_mm: Point
    outer: npt.NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True)
class MethodNow:
    """The lesions of one method. warnings : of the edits so far, in their order."""

    state: EditedLesions
    lesions: Lesions
    rows: dict[int, Row]
    measures: PatientMeasures
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        state: EditedLesions,
        geometry: Geometry,
        before: MethodNow | None = None,
        said: Sequence[str] = (),
    ) -> MethodNow:
        """The numbers of lesions; those of `before` are kept where the last edit touched nothing."""
        lesions = state.lesions()
        kept: dict[int, Row] = {}
        fresh = np.ones(lesions.index.size, bool)
        if before is not None:
            kept = {label: row for label, row in before.rows.items() if label not in state.touched}
            fresh = ~np.isin(lesions.label, list(kept))
        if before is not None and not state.touched:
            return cls(state, before.lesions, before.rows, before.measures, (*before.warnings, *said))
        changed = Lesions(lesions.index[fresh], lesions.label[fresh], lesions.shape)
        suv = state.work.suv
        means = state.automatic.sphere_means(changed.index)
        for row in lesions_of_voxels(changed, suv, geometry, means=means, shapes=False):
            voxels = changed.index[changed.label == row.label]
            hottest_mm, _ = hottest_of(voxels, suv, geometry)
            hottest_mm = hottest_mm or (row.x_mm, row.y_mm, row.z_mm)
            kept[row.label] = Row(row, hottest_mm, outer_voxels(voxels, geometry.shape))
        rows = dict(sorted(kept.items()))
        outer = np.concatenate([row.outer for row in rows.values()]) if rows else None
        measures = summarize([row.lesion for row in rows.values()], lesions, geometry, outer)
        warnings = (*(before.warnings if before else ()), *said)
        return cls(state, lesions, rows, measures, warnings)


@dataclass(frozen=True)
class Snapshot:
    """All methods after the same edits. said : what the log says of edits whose lesion is another number now."""

    geometry: Geometry
    methods: Mapping[str, MethodNow]
    said: tuple[str, ...] = ()

    @classmethod
    def automatic(cls, work: Segmentation, geometry: Geometry, methods: Sequence[str]) -> Snapshot:
        return cls(geometry, {m: MethodNow.of(EditedLesions.of(work, m), geometry) for m in methods})

    def after(self, edit: Edit, said: Sequence[str] = ()) -> Snapshot:
        """The same after one more edit."""
        new = {}
        for name, now in self.methods.items():
            state, warnings = now.state.after(edit, self.geometry)
            new[name] = MethodNow.of(state, self.geometry, now, warnings)
        return Snapshot(self.geometry, new, (*self.said, *said))

    @property
    def states(self) -> dict[str, EditedLesions]:
        return {name: now.state for name, now in self.methods.items()}

    @property
    def warnings(self) -> list[str]:
        """As `tmtv.json` of an edited result has them."""
        return [
            *self.said,
            *(f"{name}: {text}" for name, now in self.methods.items() for text in now.warnings),
        ]


@dataclass(frozen=True)
class Box:
    """What differs between two label images, with all labels in the smallest box around it.

    lo, hi : (Z, Y, X) corners; hi is not in it
    runs : (N, 3) first voxel (flat index in the box), count along X, label; the rest of the box is 0
    """

    lo: tuple[int, int, int]
    hi: tuple[int, int, int]
    runs: npt.NDArray[np.uint32] = field(repr=False)


def is_same(before: MethodNow, after: MethodNow) -> bool:
    """Whether no voxel has another label."""
    old, new = before.lesions, after.lesions
    return old is new or (np.array_equal(old.index, new.index) and np.array_equal(old.label, new.label))


def changed_box(before: MethodNow, after: MethodNow) -> Box | None:
    """The smallest box around the voxels whose label changed; None where none changed."""
    if is_same(before, after):
        return None
    old, new = _of_changed_rows(before, after), _of_changed_rows(after, before)
    index = union(old.index, new.index)
    difference = index[_labels_at(old, index) != _labels_at(new, index)]
    place = np.stack(np.unravel_index(difference, new.shape))
    lo, hi = place.min(axis=1), place.max(axis=1) + 1
    return Box(_three(lo), _three(hi), _runs(after.lesions, lo, hi))


def _of_changed_rows(one: MethodNow, other: MethodNow) -> Lesions:
    """The lesions of one whose row is not the very one that the other has: no edit between them touched the rest."""
    changed = np.zeros(int(one.lesions.label.max(initial=0)) + 1, bool)
    changed[[label for label, row in one.rows.items() if other.rows.get(label) is not row]] = True
    inside = changed[one.lesions.label]
    return Lesions(one.lesions.index[inside], one.lesions.label[inside], one.lesions.shape)


def _runs(lesions: Lesions, lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """The labels in a box, as lines along X."""
    # Only the planes of the box are looked at: indices ascend.
    plane = lesions.shape[1] * lesions.shape[2]
    first, last = np.searchsorted(lesions.index, (lo[0] * plane, hi[0] * plane))
    index, label = lesions.index[first:last], lesions.label[first:last]
    place = np.stack(np.unravel_index(index, lesions.shape))
    inside = ((place >= lo[:, None]) & (place < hi[:, None])).all(axis=0)
    x = place[2, inside]
    at = np.ravel_multi_index(tuple(place[:, inside] - lo[:, None]), hi - lo)
    label = label[inside]
    begins = np.ones(at.size, bool)
    begins[1:] = (np.diff(at) != 1) | (np.diff(label) != 0) | (x[1:] == lo[2])
    start = np.flatnonzero(begins)
    count = np.diff(np.append(start, at.size))
    return np.stack([at[start], count, label[start]], axis=1).astype(np.uint32)


def _labels_at(lesions: Lesions, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    result = np.zeros(index.size, np.int32)
    result[np.searchsorted(index, lesions.index)] = lesions.label
    return result


def _three(corner: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    z, y, x = corner.tolist()
    return z, y, x
