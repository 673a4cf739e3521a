"""What a reader changes, voxel by voxel. Pure functions: the same edits in the same order give the same lesions.

A lesion keeps the number that it has in the automatic result. The number of a lesion that was taken out stays empty; a
lesion that was added takes the next free one. What an edit does never depends on the edits after it, so numbers stay
when more edits follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess._components import IntVector, Labels, label_voxels
from postprocess._watershed import VOLUME_TOLERANCE
from postprocess.methods import Method, parse_method
from postprocess.seeds import SEED_LIMIT_MM, grow_seed
from postprocess.segmentation import Lesions, Segmentation


@dataclass(frozen=True)
class ExcludeLesion:
    """A lesion of the automatic result: under a method whose lesions are parts its whole part, else its voxels."""

    method: str
    label: int


@dataclass(frozen=True)
class ExcludeRegion:
    """Ascending flat indices of voxels that are no lesion, and that no threshold sees (a bladder)."""

    index: IntVector


@dataclass(frozen=True)
class IncludeSeed:
    """The component of SUV over a method's threshold that holds an LPS point (x, y, z), up to a distance from it."""

    point_mm: tuple[float, float, float]
    limit_mm: float = SEED_LIMIT_MM


Edit = ExcludeLesion | ExcludeRegion | IncludeSeed


def apply_edits(
    work: Segmentation, geometry: Geometry, method: str, edits: Sequence[Edit]
) -> tuple[Lesions, list[str]]:
    """The lesions of one method after a reader's edits, in their order.

    Parameters
    ----------
    work : the raw mask and its parts, of the automatic result
    geometry : the grid of `work.suv`
    method : whose lesions are edited
    edits : an `ExcludeLesion` of any method acts on every method; an excluded region acts on the thresholds of the
        parts that it touches; an added region that touches a lesion of a method whose lesions are components
        joins it (the lowest number where several), else it is a new lesion

    Returns
    -------
    lesions : numbers as in the automatic result, then the added ones; with gaps. No edits: the automatic result.
    warnings : sentences about edits that did less than asked

    Raises
    ------
    ParameterError
        A lesion that its method does not have, a point outside the image, no such method.

    Notes
    -----
    Lesions below the smallest volume of the method are left out, as in the automatic result.
    """
    state = _State.of(work, method)
    warnings: list[str] = []
    for edit in edits:
        if isinstance(edit, ExcludeLesion):
            state.exclude(edit.label, lesion_voxels(work, edit.method, edit.label))
        elif isinstance(edit, ExcludeRegion):
            state.exclude_region(edit.index)
        else:
            region, said = grow_seed(work, geometry, edit.point_mm, method, edit.limit_mm)
            warnings += said + state.include(region, edit)
    return state.lesions(), warnings


def lesion_voxels(work: Segmentation, method: str, label: int) -> npt.NDArray[np.bool_]:
    """Which voxels of `work.index` an excluded lesion takes out of every method.

    Raises
    ------
    ParameterError
        A label that the method does not have.
    """
    lesions = work.lesions(method)
    members = np.searchsorted(work.index, lesions.index[lesions.label == label])
    if members.size == 0:
        raise ParameterError(
            f"{method}:{label}: there is no such lesion in the automatic result; {method} has "
            f"{lesions.label.max(initial=0)}."
        )
    if work.instances is not None:
        return work.parts == label
    if parse_method(method, work.config).per_part:
        return work.parts == work.parts[members[0]]
    taken = np.zeros(work.index.size, bool)
    taken[members] = True
    return taken


@dataclass
class _State:
    """The lesions of one method between two edits.

    gone, region : voxels of `work.index` in excluded lesions, in excluded regions. part : that keeps each, or 0.
    free : the next free number. number_of_part : that of each part, 0 where it has none.
    """

    work: Segmentation
    rule: Method
    index: IntVector
    label: Labels
    free: int
    part: Labels
    gone: npt.NDArray[np.bool_]
    region: npt.NDArray[np.bool_]
    number_of_part: Labels

    @classmethod
    def of(cls, work: Segmentation, method: str) -> _State:
        rule, found = parse_method(method, work.config), work.lesions(method)
        part, none = work.kept(rule), np.zeros(work.index.size, bool)
        highest = int(max(work.parts.max(initial=0), part.max(initial=0)))
        if work.instances is not None:
            number, used = np.arange(highest + 1, dtype=np.int32), highest
        else:
            number, used = np.zeros(highest + 1, np.int32), int(found.label.max(initial=0))
            if rule.per_part:
                number[part[np.searchsorted(work.index, found.index)]] = found.label
        return cls(work, rule, found.index, found.label, used + 1, part, none, none.copy(), number)

    def exclude(self, label: int, lesion: npt.NDArray[np.bool_]) -> None:
        self.gone |= lesion
        self._drop(self.work.index[lesion])
        if (
            self.work.instances is not None
        ):  # where instances overlap, a voxel may count for another than its part
            self._drop(self.index[self.label == label])

    def exclude_region(self, voxels: IntVector) -> None:
        """Take voxels out, and see again which others of the parts they belong to are over the threshold."""
        work = self.work
        here = np.isin(work.index, voxels)
        self.region |= here
        now = np.zeros(work.index.size, np.int32)
        now[~self.region] = work.without(self.region).kept(self.rule)
        changed = here | ((now > 0) != (self.part > 0))
        touched = np.isin(work.parts, np.unique(work.parts[changed]))
        self._drop(voxels)
        self._drop(work.index[touched & (self.part > 0) & (now == 0)])
        entering = touched & (now > 0) & ~self.gone & ~np.isin(work.index, self.index)
        self.part = now
        if work.per_part(self.rule):
            self._add(work.index[entering], now[entering], self.number_of_part)
        else:
            self._join(work.index[entering])

    def include(self, region: IntVector, seed: IncludeSeed) -> list[str]:
        new = np.setdiff1d(region, self.index)
        before = self.index.size
        if self.work.per_part(self.rule):
            self._add(new, np.ones(new.size, np.int32), np.zeros(2, np.int32))
        else:
            self._join(new)
        if self.index.size > before or not region.size:  # an empty region was said already
            return []
        name = ", ".join(f"{v:g}" for v in seed.point_mm)
        why = "smaller than the method allows" if new.size else "lesion already"
        return [f"the region of the point {name} mm is {why}: nothing added."]

    def lesions(self) -> Lesions:
        inside = self._large_enough(np.bincount(self.label))[self.label]
        return Lesions(self.index[inside], self.label[inside], self.work.suv.shape)

    def _join(self, new: IntVector) -> None:
        """Add voxels: those that touch a lesion get the lowest number they touch, the others new ones."""
        both = np.concatenate([self.index, new])
        order = np.argsort(both)
        component = label_voxels(both[order], self.work.suv.shape, self.work.config.connectivity)
        of = np.empty_like(component)
        of[order] = component
        none = np.iinfo(np.int32).max
        lowest = np.full(of.max(initial=0) + 1, none, np.int32)
        np.minimum.at(lowest, of[: self.index.size], self.label)
        self._add(new, of[self.index.size :], np.where(lowest == none, 0, lowest))

    def _add(self, new: IntVector, group: Labels, number: Labels) -> None:
        """Add voxels in groups that have a number, or 0: those get the next free ones, larger groups first."""
        size = np.bincount(group, minlength=number.size)
        unnamed = np.flatnonzero((number == 0) & (size > 0) & self._large_enough(size))
        for one in unnamed[np.argsort(-size[unnamed], kind="stable")]:
            number[one] = self.free
            self.free += 1
        label = number[group]
        index = np.concatenate([self.index, new[label > 0]])
        order = np.argsort(index)
        self.index, self.label = index[order], np.concatenate([self.label, label[label > 0]])[order]

    def _drop(self, voxels: IntVector) -> None:
        stays = ~np.isin(self.index, voxels)
        self.index, self.label = self.index[stays], self.label[stays]

    def _large_enough(self, size: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        least_ml = self.work.least_ml(self.rule)
        return size * np.prod(self.work.spacing_mm) >= 1000 * least_ml * (1 - VOLUME_TOLERANCE)
