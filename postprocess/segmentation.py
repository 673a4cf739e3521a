"""From a probability map to the lesions of one method, or of many that share the work."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from petct import checks
from postprocess._components import (
    IntVector,
    Labels,
    foreground,
    is_member,
    label_voxels,
    labelled,
    order_by_volume,
    paint,
)
from postprocess._watershed import VOLUME_TOLERANCE, split_voxels
from postprocess.config import Config
from postprocess.methods import ADAPTIVE_ABOVE_PEAK, ADAPTIVE_SUV, Method, parse_method
from postprocess.peak import maximum_per_label, sphere_means
from postprocess.thresholds import above_fraction_of, above_otsu, above_suvmax_fraction


@dataclass(frozen=True)
class Instances:
    """Regions that somebody told apart, as a list of voxels: flat indices and the region's label > 0 of each.

    A voxel of overlapping regions stands in the list once for each of them.
    """

    index: IntVector
    label: Labels

    @classmethod
    def of_labels(cls, labels: npt.NDArray[np.integer]) -> Instances:
        """Those of a label image (Z, Y, X); 0 is background."""
        return cls(*labelled(labels))


@dataclass(frozen=True)
class Lesions:
    """The lesions of one method as a list of voxels: ascending flat indices, and the label of each."""

    index: IntVector
    label: Labels
    shape: tuple[int, int, int]

    def paint(self) -> Labels:
        """The label image (Z, Y, X), int32."""
        return paint(self.index, self.label, self.shape)


class Segmentation:
    """The voxels of one raw mask, and their lesions under any method.

    Parameters
    ----------
    probability : (Z, Y, X), values in [0, 1]; a bool mask will do
    suv : (Z, Y, X) SUVbw
    spacing_mm : (sz, sy, sx)
    config : shared parameters
    instances : regions told apart already (readers' ROIs, one each). Each is one part and one lesion under every
        method, never split and never joined to another, and its label is the number of its lesion. A voxel of
        several is kept if one of them keeps it, and counts for the one of the lowest label that does. Voxels of the
        mask outside all of them are left out. None: parts are made as published.

    Raises
    ------
    ImageError
        Shapes that differ, not 3-D, a probability that is NaN or outside [0, 1], a NaN SUV in the mask.
    """

    def __init__(
        self,
        probability: npt.NDArray,
        suv: npt.NDArray,
        spacing_mm: tuple[float, float, float],
        config: Config | None = None,
        *,
        instances: Instances | None = None,
    ) -> None:
        checks.require_volume("probability", probability, "fiub")
        checks.require_volume("suv", suv)
        checks.require_same_shape(probability=probability, suv=suv)
        self.config = Config() if config is None else config
        checks.require_instance("config", self.config, Config)
        if instances is not None:
            checks.require_instance("instances", instances, Instances)
        self.suv = suv
        self.spacing_mm = checks.require_spacing(spacing_mm)
        self.index: IntVector = foreground(probability, self.config.probability_threshold)
        self.instances: Instances | None = None
        if instances is not None:
            inside = np.isin(instances.index, self.index)
            by_label = np.argsort(instances.label[inside], kind="stable")
            self.instances = Instances(instances.index[inside][by_label], instances.label[inside][by_label])
            self.index = np.unique(self.instances.index)
        self.values = suv.reshape(-1)[self.index]
        if self.values.dtype.kind != "f":
            self.values = self.values.astype(np.float32)
        checks.require_finite(self.values)

    def lesions(self, method: str) -> Lesions:
        """The lesions of a method, numbered 1..N by descending volume, or as the instances are."""
        if method not in self._lesions:
            self._lesions[method] = self._lesions_of(parse_method(method, self.config))
        return self._lesions[method]

    def _lesions_of(self, rule: Method) -> Lesions:
        part = self.kept(rule)
        kept = part > 0
        index, label = self.index[kept], part[kept]
        if not self.per_part(rule):
            label = label_voxels(index, self.suv.shape, self.config.connectivity)
        if self.instances is None:
            label = order_by_volume(label)
        label = self._without_small(label, self.least_ml(rule))
        inside = label > 0
        return Lesions(index[inside], label[inside], self.suv.shape)

    def kept(self, rule: Method) -> Labels:
        """For each voxel of `index` the part that keeps it (of several instances the lowest); 0 if none does."""
        kept = self._kept(rule)
        return np.where(kept, self.parts, 0) if self.instances is None else self._first_instance(kept)

    def per_part(self, rule: Method) -> bool:
        """Whether a lesion is a part (or an instance), not a connected component of what is kept."""
        return rule.per_part or self.instances is not None

    def only(self, inside: npt.NDArray[np.bool_]) -> Segmentation:
        """The same parts with the voxels of `index` where `inside`: SUVmax and thresholds no longer see the others."""
        rest = self._copy()
        rest.index, rest.values = self.index[inside], self.values[inside]
        if self.instances is None:
            rest.__dict__["parts"] = self.parts[inside]
        else:
            left = is_member(self.instances.index, rest.index)
            rest.instances = Instances(self.instances.index[left], self.instances.label[left])
        return rest

    def regrouped(self, rename: Callable[[IntVector, Labels], Labels]) -> Segmentation:
        """The same voxels in other parts: `rename` takes flat indices and the part of each, and gives the new parts."""
        rest = self._copy()
        if self.instances is None:
            rest.__dict__["parts"] = rename(self.index, self.parts).astype(np.int32)
            return rest
        label = rename(self.instances.index, self.instances.label).astype(np.int32)
        pairs = np.unique(np.stack([label.astype(np.int64), self.instances.index]), axis=1)
        rest.instances = Instances(pairs[1], pairs[0].astype(np.int32))
        return rest

    def _copy(self) -> Segmentation:
        rest = copy(self)
        for name in ("components", "parts", "part_suv_peak", "_means", "_place", "_votes", "_lesions"):
            rest.__dict__.pop(name, None)
        return rest

    def least_ml(self, rule: Method) -> float:
        """Lesions smaller than this are left out."""
        return max(self.config.min_volume_ml, rule.min_volume_ml)

    @cached_property
    def components(self) -> Labels:
        """Connected component of the raw mask that each voxel belongs to."""
        return label_voxels(self.index, self.suv.shape, self.config.connectivity)

    @cached_property
    def parts(self) -> Labels:
        """Component of each voxel after those over `split_above_ml` were split by watershed, or its instance."""
        if self.instances is not None:
            return self._first_instance(np.ones(self.instances.index.size, bool))
        return split_voxels(
            self.index,
            self.components,
            self.values,
            self.suv.shape,
            self.spacing_mm,
            above_ml=self.config.split_above_ml,
            peak_distance_mm=self.config.peak_distance_mm,
            connectivity=self.config.connectivity,
        )

    @cached_property
    def part_suv_peak(self) -> npt.NDArray[np.float64]:
        """SUVpeak of each part; entry k belongs to part k."""
        return maximum_per_label(self._means[self._place], self._label)

    @cached_property
    def _means(self) -> npt.NDArray[np.float64]:
        return sphere_means(self.suv, self.index, self.spacing_mm)

    def sphere_means(self, index: IntVector) -> npt.NDArray[np.float64]:
        """`postprocess.peak.sphere_means` of some flat indices; those of the raw mask are computed once."""
        means, known = np.empty(index.size), is_member(index, self.index)
        means[known] = self._means[np.searchsorted(self.index, index[known])]
        means[~known] = sphere_means(self.suv, index[~known], self.spacing_mm)
        return means

    @cached_property
    def _place(self) -> IntVector | slice:
        """Where in `index` the voxels that the methods look at are: each once, or once for each of its instances."""
        return slice(None) if self.instances is None else np.searchsorted(self.index, self.instances.index)

    @property
    def _label(self) -> Labels:
        """The part of each of those voxels."""
        return self.parts if self.instances is None else self.instances.label

    def _first_instance(self, kept: npt.NDArray[np.bool_]) -> Labels:
        """For each voxel of `index` the lowest label among its kept instances; 0 if none is."""
        label = np.zeros(self.index.size, np.int32)
        chosen = np.flatnonzero(kept)[::-1]  # the last assignment, of the lowest label, stays
        label[np.arange(label.size)[self._place][chosen]] = self._label[chosen]
        return label

    def _kept(self, rule: Method) -> npt.NDArray[np.bool_]:
        """Which voxels of the raw mask a method keeps; with instances, one answer for each voxel of each."""
        values = self.values[self._place]
        if rule.kind == "all":
            return np.ones(values.size, bool)
        if rule.kind == "suv_above":
            return values > rule.number
        if rule.kind == "suv_at_least":
            return values >= rule.number
        if rule.kind == "suvmax_fraction":
            return above_suvmax_fraction(values, self._label, rule.number)
        if rule.kind == "suvpeak_fraction":
            return above_fraction_of(values, self._label, self.part_suv_peak, rule.number)
        if rule.kind == "a50p":
            return above_fraction_of(values, self._label, self.part_suv_peak + rule.number, 0.5)
        if rule.kind == "otsu":
            return above_otsu(values, self._label)
        enough = self._votes_of(rule.voters) >= rule.number
        if rule.kind == "votes":
            return enough
        hot = self.part_suv_peak[self._label] > ADAPTIVE_ABOVE_PEAK
        return np.where(hot, values > ADAPTIVE_SUV, enough)

    @cached_property
    def _lesions(self) -> dict[str, Lesions]:
        return {}

    @cached_property
    def _votes(self) -> dict[tuple[str, ...], npt.NDArray[np.int64]]:
        return {}

    def _votes_of(self, voters: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """How many of the methods `voters` keep each voxel."""
        if voters not in self._votes:
            kept = [self._kept(parse_method(voter, self.config)) for voter in voters]
            self._votes[voters] = np.sum(kept, axis=0)
        return self._votes[voters]

    def _without_small(self, label: Labels, least_ml: float) -> Labels:
        """Drop lesions with n * voxel_mm3 < 1000 * least_ml * (1 - 1e-6)."""
        volume_mm3 = np.bincount(label) * math.prod(self.spacing_mm)
        kept = volume_mm3 >= 1000 * least_ml * (1 - VOLUME_TOLERANCE)
        if kept[1:].all():
            return label
        label = np.where(kept[label], label, 0)
        return label if self.instances is not None else order_by_volume(label)
