"""From a probability map to the lesions of one method, or of many that share the work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError
from postprocess.components import IntVector, Labels, foreground, label_voxels, order_by_volume, paint
from postprocess.config import Config
from postprocess.methods import Method, parse_method
from postprocess.peak import maximum_per_label, sphere_means
from postprocess.thresholds import above_fraction_of, above_otsu, above_suvmax_fraction
from postprocess.watershed import VOLUME_TOLERANCE, split_voxels


@dataclass(frozen=True)
class Lesions:
    """The lesions of one method as a list of voxels: ascending flat indices, and the label 1..N of each."""

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
    ) -> None:
        if probability.ndim != 3 or probability.shape != suv.shape:
            raise ImageError(
                f"The probability map and the SUV image must be 3-D and of one shape. "
                f"Received: {probability.shape} and {suv.shape}."
            )
        if len(spacing_mm) != 3 or not all(s > 0 and math.isfinite(s) for s in spacing_mm):
            raise ImageError(f"Voxel spacing must be three positive numbers in mm. Received: {spacing_mm}.")
        self.config = config or Config()
        self.suv = suv
        self.spacing_mm = spacing_mm
        self.index: IntVector = foreground(probability, self.config.probability_threshold)
        self.values = suv.reshape(-1)[self.index]
        if self.values.dtype.kind != "f":
            self.values = self.values.astype(np.float32)
        if not np.isfinite(self.values).all():
            raise ImageError("The SUV image holds NaN or infinite values inside the mask.")

    def lesions(
        self,
        method: str,
        excluded: npt.NDArray[np.bool_] | None = None,
        added: IntVector | None = None,
    ) -> Lesions:
        """The lesions of a method, numbered 1..N by descending volume.

        Parameters
        ----------
        excluded : one entry a voxel of `index`: those a reader took out (see `postprocess.editing`)
        added : flat indices of voxels a reader put in; under a method whose lesions are the parts they are one
            further part each time they are connected
        """
        rule = parse_method(method, self.config)
        kept = self._kept(rule)
        if excluded is not None:
            kept = kept & ~excluded
        index, label = self.index[kept], self.parts[kept] if rule.per_part else None
        if added is not None and added.size:
            index, label = self._with(index, label, np.setdiff1d(added, index))
        if label is None:
            label = label_voxels(index, self.suv.shape, self.config.connectivity)
        label = self._without_small(
            order_by_volume(label), max(self.config.min_volume_ml, rule.min_volume_ml)
        )
        inside = label > 0
        return Lesions(index[inside], label[inside], self.suv.shape)

    @cached_property
    def components(self) -> Labels:
        """Connected component of the raw mask that each voxel belongs to."""
        return label_voxels(self.index, self.suv.shape, self.config.connectivity)

    @cached_property
    def parts(self) -> Labels:
        """Component of each voxel after those over `split_above_ml` were split by watershed."""
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
        return maximum_per_label(sphere_means(self.suv, self.index, self.spacing_mm), self.parts)

    def _kept(self, rule: Method) -> npt.NDArray[np.bool_]:
        """Which voxels of the raw mask a method keeps."""
        values = self.values
        if rule.kind == "all":
            return np.ones(values.size, bool)
        if rule.kind == "suv_above":
            return values > rule.number
        if rule.kind == "suv_at_least":
            return values >= rule.number
        if rule.kind == "suvmax_fraction":
            return above_suvmax_fraction(values, self.parts, rule.number)
        if rule.kind == "suvpeak_fraction":
            return above_fraction_of(values, self.parts, self.part_suv_peak, rule.number)
        if rule.kind == "otsu":
            return above_otsu(values, self.parts)
        return self._votes >= rule.number

    @cached_property
    def _votes(self) -> npt.NDArray[np.int64]:
        from postprocess.methods import VOTERS

        return np.sum([self._kept(parse_method(voter, self.config)) for voter in VOTERS], axis=0)

    def _with(
        self, index: IntVector, label: Labels | None, added: IntVector
    ) -> tuple[IntVector, Labels | None]:
        """The voxels and those added, in ascending order; added ones are parts of their own."""
        both = np.concatenate([index, added])
        order = np.argsort(both)
        if label is None:
            return both[order], None
        new = label_voxels(added, self.suv.shape, self.config.connectivity) + label.max(initial=0)
        return both[order], np.concatenate([label, new])[order]

    def _without_small(self, label: Labels, least_ml: float) -> Labels:
        """Drop lesions with n * voxel_mm3 < 1000 * least_ml * (1 - 1e-6)."""
        volume_mm3 = np.bincount(label) * math.prod(self.spacing_mm)
        kept = volume_mm3 >= 1000 * least_ml * (1 - VOLUME_TOLERANCE)
        return label if kept[1:].all() else order_by_volume(np.where(kept[label], label, 0))


def segment(
    probability: npt.NDArray,
    suv: npt.NDArray,
    spacing_mm: tuple[float, float, float],
    method: str = "41",
    config: Config | None = None,
) -> Labels:
    """Lesions of one method, in memory.

    Parameters
    ----------
    probability : (Z, Y, X) ndarray, values in [0, 1], or a bool mask
    suv : (Z, Y, X) ndarray, SUVbw
    spacing_mm : (sz, sy, sx)
    method : one of `METHODS`
    config : shared parameters; defaults as published

    Returns
    -------
    labels : (Z, Y, X) int32, 1..N by descending volume, ties by the first voxel in (Z, Y, X) order; 0 =
        background. For `41`, `otsu`, `50p` a lesion is a part, even where its threshold disconnects it; for all
        other methods it is a connected component of the final mask. An empty mask gives all zeros.

    Raises
    ------
    ImageError, ParameterError
        Data or parameters that cannot be used.

    References
    ----------
    Revailler et al., Diagnostics 2022;12:417, section 2.5.
    """
    parse_method(method, config or Config())
    return Segmentation(probability, suv, spacing_mm, config).lesions(method).paint()
