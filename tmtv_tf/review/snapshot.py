"""The lesions of every method after some edits, with their numbers. An edit computes what it changes, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from petct.image import Geometry
from postprocess.edited import EditedLesions
from postprocess.editing import Edit
from postprocess.measures import Lesion, PatientMeasures, lesions_of_voxels, summarize
from postprocess.replay import hottest_of
from postprocess.segmentation import Lesions, Segmentation

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """A lesion's numbers, and the LPS centre of its hottest voxel."""

    lesion: Lesion
    hottest_mm: Point


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
        for row in lesions_of_voxels(changed, suv, geometry):
            hottest_mm, _ = hottest_of(changed.index[changed.label == row.label], suv, geometry)
            kept[row.label] = Row(row, hottest_mm or (row.x_mm, row.y_mm, row.z_mm))
        rows = dict(sorted(kept.items()))
        measures = summarize([row.lesion for row in rows.values()], lesions, geometry)
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
    """What differs between two label images. lo, hi : (Z, Y, X) corners; hi is not in it."""

    lo: tuple[int, int, int]
    hi: tuple[int, int, int]
    labels: npt.NDArray[np.uint16] = field(repr=False)


def changed_box(before: MethodNow, after: MethodNow) -> Box | None:
    """The smallest box around the voxels whose label changed, with the labels in it now; None where none changed."""
    old, new = before.lesions, after.lesions
    index = np.union1d(old.index, new.index)
    difference = index[_labels_at(old, index) != _labels_at(new, index)]
    if not difference.size:
        return None
    place = np.stack(np.unravel_index(difference, new.shape))
    lo, hi = place.min(axis=1), place.max(axis=1) + 1
    labels = np.zeros(hi - lo, np.uint16)
    z, y, x = np.unravel_index(new.index, new.shape)
    inside = (z >= lo[0]) & (z < hi[0]) & (y >= lo[1]) & (y < hi[1]) & (x >= lo[2]) & (x < hi[2])
    labels[z[inside] - lo[0], y[inside] - lo[1], x[inside] - lo[2]] = new.label[inside]
    a, b, c = lo.tolist()
    d, e, f = hi.tolist()
    return Box((a, b, c), (d, e, f), labels)


def _labels_at(lesions: Lesions, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    result = np.zeros(index.size, np.int32)
    result[np.searchsorted(index, lesions.index)] = lesions.label
    return result
