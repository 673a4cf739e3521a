"""The lesions of one method between two edits of a reader: a value. An edit makes a new one; the old one stays."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.image import Geometry
from postprocess._components import (
    IntVector,
    Labels,
    is_member,
    label_voxels,
    lowest_touched,
    numbers_of,
    union,
)
from postprocess._watershed import VOLUME_TOLERANCE
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
    lesion_voxels,
)
from postprocess.methods import Method, parse_method
from postprocess.seeds import grow_seed
from postprocess.segmentation import Lesions, Segmentation

Mask = npt.NDArray[np.bool_]


@dataclass
class EditedLesions:
    """The lesions of one method after some edits. Arrays are replaced, never written into.

    Attributes
    ----------
    automatic : the raw mask and its parts, before any edit. work : the same voxels in the parts of now
    method, rule : whose lesions they are
    index, label : voxels in lesions (ascending flat indices) and the number of each
    source : 0 for a voxel of the automatic result, n for one that the n-th edit added
    free : the next free number. edits : how many were applied
    part : of each voxel of `work.index` the part that keeps it, or 0
    gone, region : voxels of `work.index` in excluded lesions, in excluded regions
    number_of_part : that of each part, 0 where it has none
    touched : numbers whose voxels the last edit may have changed
    """

    automatic: Segmentation
    work: Segmentation
    method: str
    rule: Method
    index: IntVector
    label: Labels
    source: Labels
    free: int
    part: Labels
    gone: Mask
    region: Mask
    number_of_part: Labels
    edits: int = 0
    touched: frozenset[int] = frozenset()

    @classmethod
    def of(cls, work: Segmentation, method: str) -> EditedLesions:
        """The automatic result."""
        rule, found = parse_method(method, work.config), work.lesions(method)
        part, none = work.kept(rule), np.zeros(work.index.size, bool)
        highest = int(max(work.parts.max(initial=0), part.max(initial=0)))
        if work.instances is not None:
            number, used = np.arange(highest + 1, dtype=np.int32), highest
        else:
            number, used = np.zeros(highest + 1, np.int32), int(found.label.max(initial=0))
            if rule.per_part:
                number[part[np.searchsorted(work.index, found.index)]] = found.label
        source = np.zeros(found.index.size, np.int32)
        return cls(
            work, work, method, rule, found.index, found.label, source, used + 1, part, none, none, number
        )

    def after(self, edit: Edit, geometry: Geometry) -> tuple[EditedLesions, list[str]]:
        """The lesions after one more edit, and sentences about what it did less than asked."""
        new = copy(self)
        warnings: list[str] = []
        new.edits, new.touched = self.edits + 1, frozenset()
        if isinstance(edit, ExcludeLesion):
            new._exclude(edit.label, lesion_voxels(self.automatic, edit.method, edit.label))
        elif isinstance(edit, RestoreLesion):
            new._restore(lesion_voxels(self.automatic, edit.method, edit.label))
        elif isinstance(edit, ExcludeRegion):
            new._exclude_region(edit.index)
        elif isinstance(edit, ExcludePart):
            new._erase(edit.index)
            new._keep_only(~np.isin(new.source, np.asarray(edit.added, np.int64) + 1))
        elif isinstance(edit, Split):
            new._split(edit.index, edit.group)
        elif isinstance(edit, Merge):
            new._merge(edit.index)
        elif isinstance(edit, Paint):
            new._join(edit.index[~is_member(edit.index, self.index)], new.edits)
        elif isinstance(edit, Erase):
            new._erase(edit.index)
        else:
            grown, warnings = grow_seed(self.automatic, geometry, edit.point_mm, self.method, edit.limit_mm)
            warnings = [*warnings, *new._include(grown, edit)]
        return new, warnings

    def lesions(self) -> Lesions:
        """The lesions, less those below the smallest volume of the method."""
        size = np.bincount(self.label)
        enough = self._large_enough(size)
        if enough[size > 0].all():
            return Lesions(self.index, self.label, self.work.suv.shape)
        inside = enough[self.label]
        return Lesions(self.index[inside], self.label[inside], self.work.suv.shape)

    def voxels_of(self, label: int) -> IntVector:
        """What belongs to a lesion, below its threshold too: the voxels of its part, and those added to it."""
        own = self.index[self.label == label]
        if not self.work.per_part(self.rule):
            return own
        parts = np.flatnonzero(self.number_of_part == label)
        inside = np.isin(self.work.parts, parts) & ~self.gone & ~self.region
        below = self.work.index[inside]
        return union(own, below[~is_member(below, self.index[self.label != label])])

    # One function an edit

    def _exclude(self, label: int, lesion: Mask) -> None:
        self.gone = self.gone | lesion
        self._drop(self.work.index[lesion])
        if self.work.instances is not None:
            # Where instances overlap, a voxel may count for another than its part.
            self._keep_only((self.label != label) | (self.source > 0))

    def _restore(self, lesion: Mask) -> None:
        self.gone, self.region = self.gone & ~lesion, self.region & ~lesion
        self._threshold_again(numbers_of(self.work.parts[lesion]))

    def _exclude_region(self, voxels: IntVector) -> None:
        """Take voxels out, and see again which others of the parts they belong to are over the threshold."""
        here = is_member(self.work.index, voxels)
        self.region = self.region | here
        self._drop(voxels)
        self._threshold_again(numbers_of(self.work.parts[here]))

    def _erase(self, voxels: IntVector) -> None:
        self.gone = self.gone | is_member(self.work.index, voxels)
        self._drop(voxels)

    def _include(self, region: IntVector, seed: IncludeSeed) -> list[str]:
        new = region[~is_member(region, self.index)]
        before = self.index.size
        if self.work.per_part(self.rule):
            self._add(new, np.ones(new.size, np.int32), np.zeros(2, np.int32), self.edits)
        else:
            self._join(new, self.edits)
        if self.index.size > before or not region.size:  # an empty region was said already
            return []
        name = ", ".join(f"{v:g}" for v in seed.point_mm)
        why = "smaller than the method allows" if new.size else "lesion already"
        return [f"the region of the point {name} mm is {why}: nothing added."]

    def _split(self, voxels: IntVector, group: Labels) -> None:
        here = is_member(self.index, voxels)
        of = group[np.searchsorted(voxels, self.index[here])]
        pairs, pair = _distinct_pairs(self.label[here], of)
        size = np.bincount(pair, minlength=pairs.shape[1])
        number = pairs[0].astype(np.int32)
        moved = np.flatnonzero((pairs[1] > 1) & ~self._largest_of_its_own(pairs, size, here))
        for one in moved[np.argsort(-size[moved], kind="stable")]:
            number[one] = self.free
            self.free += 1
        self._relabel(here, number[pair])
        self._split_parts(voxels, group, {(int(a), int(b)): int(n) for a, b, n in zip(*pairs, number)})

    def _largest_of_its_own(
        self, pairs: npt.NDArray[np.integer], size: npt.NDArray[np.int64], here: Mask
    ) -> Mask:
        """Which (label, group) pair keeps the number of a label of which nothing else is left: the largest."""
        stays = np.union1d(numbers_of(self.label[~here]), pairs[0][pairs[1] == 1])
        largest = np.zeros(size.size, bool)
        for label in np.setdiff1d(pairs[0], stays):
            largest[np.argmax(np.where(pairs[0] == label, size, -1))] = True
        return largest

    def _split_parts(self, voxels: IntVector, group: Labels, numbers: dict[tuple[int, int], int]) -> None:
        of, old = _groups_at(self.work.index, voxels, group), self.work.parts
        pairs, _ = _distinct_pairs(old[of > 1], of[of > 1])
        known = self.number_of_part.size
        names = {(int(p), int(g)): known + k for k, (p, g) in enumerate(pairs.T)}
        more = [numbers.get((int(self.number_of_part[p]), g), 0) for p, g in names]
        self.number_of_part = np.concatenate([self.number_of_part, np.array(more, np.int32)])
        self.work = self.work.regrouped(
            lambda index, part: _renamed(part, _groups_at(index, voxels, group), names)
        )
        self._threshold_again(
            union(numbers_of(old[of > 1]), np.arange(known, known + len(names))), renumber=True
        )

    def _merge(self, voxels: IntVector) -> None:
        named = numbers_of(self.label[is_member(self.index, voxels)])
        if named.size < 2:
            return
        lowest = int(named[0])
        joined = np.isin(self.label, named)
        self._relabel(joined, np.full(np.count_nonzero(joined), lowest, np.int32))
        if self.work.per_part(self.rule):
            parts = np.flatnonzero(np.isin(self.number_of_part, named))
        else:
            parts = numbers_of(self.work.parts[is_member(self.work.index, voxels)])
        component = np.zeros(int(self.work.parts.max(initial=0)) + 1, np.int32)
        component[self.work.parts] = self.automatic.components
        name = np.arange(max(component.size, self.number_of_part.size), dtype=np.int32)
        for one in np.unique(
            component[parts]
        ):  # parts of one mass are one again; others keep their thresholds
            mass = parts[component[parts] == one]
            name[mass] = mass[0]
        if self.work.per_part(self.rule):
            self.number_of_part = self.number_of_part.copy()
            self.number_of_part[parts] = 0
            self.number_of_part[name[parts]] = lowest
        changed = parts[name[parts] != parts]
        if changed.size:
            joined_parts = np.unique(name[changed])
            self.work = self.work.regrouped(lambda _, part: name[part])
            self._threshold_again(joined_parts, renumber=True)

    # What they share

    def _threshold_again(self, parts: npt.NDArray[np.integer], *, renumber: bool = False) -> None:
        """See again which voxels of some parts are kept: drop those that no longer are, add those that are now.

        renumber : the voxels of the parts may have another number now.
        """
        touched = np.isin(self.work.parts, parts)
        if self.work.instances is not None:  # they may overlap: one that changes can change any other
            touched = np.ones(touched.size, bool)
        looked_at = touched & ~self.region
        now = np.where(touched, 0, self.part)
        now[looked_at] = self.work.only(looked_at).kept(self.rule)
        own = self.source == 0
        anew = renumber and self.work.per_part(self.rule)
        left = self.work.index[touched if anew else touched & (self.part > 0) & (now == 0)]
        self._keep_only(~(own & is_member(self.index, left)))
        entering = np.flatnonzero(touched & (now > 0) & ~self.gone & ~self.region)
        entering = entering[~is_member(self.work.index[entering], self.index)]
        self.part = now
        voxels = self.work.index[entering]
        if self.work.per_part(self.rule):
            self._add(voxels, now[entering], self.number_of_part, 0, parts=True)
            return
        before = self.automatic.lesions(self.method)
        known = is_member(voxels, before.index)
        label = before.label[np.searchsorted(before.index, voxels[known])]
        highest = int(label.max(initial=0))
        self._add(voxels[known], label, np.arange(highest + 1, dtype=np.int32), 0)
        self._join(voxels[~known], 0)

    def _join(self, new: IntVector, source: int) -> None:
        """Add voxels: those that touch a lesion get the lowest number they touch, the others new ones."""
        shape, connectivity = self.work.suv.shape, self.work.config.connectivity
        component = label_voxels(new, shape, connectivity)
        number = lowest_touched(new, component, self.index, self.label, shape, connectivity)
        self._add(new, component, number, source)

    def _add(
        self, new: IntVector, group: Labels, number: Labels, source: int, *, parts: bool = False
    ) -> None:
        """Add voxels in groups that have a number, or 0: those get the next free ones, larger groups first."""
        if not new.size:
            return
        number = number.copy()
        size = np.bincount(group, minlength=number.size)
        unnamed = np.flatnonzero((number == 0) & (size > 0) & self._large_enough(size))
        for one in unnamed[np.argsort(-size[unnamed], kind="stable")]:
            number[one] = self.free
            self.free += 1
        if parts:
            self.number_of_part = number
        label = number[group]
        new, label = new[label > 0], label[label > 0]
        at = np.searchsorted(self.index, new)
        self.index, self.label = np.insert(self.index, at, new), np.insert(self.label, at, label)
        self.source = np.insert(self.source, at, np.int32(source))
        self.touched = self.touched | set(numbers_of(label).tolist())

    def _relabel(self, where: Mask, label: Labels) -> None:
        changed = self.label[where] != label
        self.touched = self.touched | set(numbers_of(self.label[where][changed]).tolist())
        self.touched = self.touched | set(numbers_of(label[changed]).tolist())
        self.label = self.label.copy()
        self.label[where] = label

    def _drop(self, voxels: IntVector) -> None:
        self._keep_only(~is_member(self.index, voxels))

    def _keep_only(self, stays: Mask) -> None:
        if stays.all():
            return
        self.touched = self.touched | set(numbers_of(self.label[~stays]).tolist())
        self.index, self.label, self.source = self.index[stays], self.label[stays], self.source[stays]

    def _large_enough(self, size: npt.NDArray[np.int64]) -> Mask:
        least_ml = self.work.least_ml(self.rule)
        return size * np.prod(self.work.spacing_mm) >= 1000 * least_ml * (1 - VOLUME_TOLERANCE)


def _distinct_pairs(first: Labels, second: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The distinct pairs (2, N), ordered by first, then second, and which of them each pair is."""
    size = int(second.max(initial=0)) + 1
    pair = first.astype(np.int64) * size + second
    known, at = np.unique(pair, return_inverse=True)
    return np.stack(np.divmod(known, size)), at


def _groups_at(index: IntVector, voxels: IntVector, group: Labels) -> Labels:
    """The group of each voxel of `index`; 0 where it is in none."""
    found = np.zeros(index.size, np.int32)
    inside = is_member(index, voxels)
    found[inside] = group[np.searchsorted(voxels, index[inside])]
    return found


def _renamed(part: Labels, group: Labels, names: dict[tuple[int, int], int]) -> Labels:
    """Parts with those of (part, group) pairs renamed."""
    result, named = part.copy(), np.flatnonzero(group)
    for (p, g), name in names.items():
        result[named[(part[named] == p) & (group[named] == g)]] = name
    return result
