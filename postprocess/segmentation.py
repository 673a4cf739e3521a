"""From a probability map to the lesions of one method, or of many that share the work."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from postprocess.components import IntVector, Labels, foreground, label_voxels, order_by_volume, paint
from postprocess.config import Config
from postprocess.errors import ImageError, ParameterError
from postprocess.peak import maximum_per_label, sphere_means
from postprocess.thresholds import above_fraction_of, above_otsu, above_suvmax_fraction
from postprocess.watershed import VOLUME_TOLERANCE, split_voxels

METHODS = {
    "raw": "the mask itself (probability > 0.5)",
    "41": "SUV >= 41 % of the SUVmax of each part; any other whole number is that percentage",
    "2.5": "SUV > 2.5; any other number with a decimal point is that SUV",
    "4.0": "SUV > 4.0",
    "otsu": "SUV > Otsu's threshold of each part",
    "50p": "SUV >= 50 % of the SUVpeak of each part; any other percentage likewise",
    "vote2": "voxels in at least 2 of 41, 50p, 2.5 and 4.0",
    "vote3": "voxels in at least 3 of 41, 50p, 2.5 and 4.0",
    "4.0-benchmark": "SUV >= 4.0, components of at least 3 mL",
    "liver": "SUV > the value given with --liver-suv",
}
VOTERS = ("41", "50p", "2.5", "4.0")
BENCHMARK_SUV = 4.0  # Boellaard et al., J Nucl Med 2024;65:1343
BENCHMARK_MIN_ML = 3.0


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

    def labels(self, method: str) -> Labels:
        """Lesion labels (Z, Y, X), int32, of a method: 1..N by descending volume, 0 = background."""
        return paint(self.index, self.voxel_labels(method), self.suv.shape)

    def voxel_labels(self, method: str) -> Labels:
        """Lesion label of each voxel in `index`."""
        rule, per_part = self._rule(method)
        kept = rule()
        if per_part:
            label = order_by_volume(np.where(kept, self.parts, 0))
        else:
            label = np.zeros(self.index.size, np.int32)
            label[kept] = label_voxels(self.index[kept], self.suv.shape, self.config.connectivity)
        least_ml = max(self.config.min_volume_ml, BENCHMARK_MIN_ML if method == "4.0-benchmark" else 0.0)
        return self._without_small(label, least_ml)

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
        return maximum_per_label(self.sphere_means, self.parts)

    @cached_property
    def sphere_means(self) -> npt.NDArray[np.float64]:
        """Mean SUV of the 1 mL sphere around each voxel (see `postprocess.peak`)."""
        return sphere_means(self.suv, self.index, self.spacing_mm)

    def _rule(self, method: str) -> tuple[Callable[[], npt.NDArray[np.bool_]], bool]:
        """The rule that gives a method's voxels, and whether its lesions are the parts."""
        values = self.values
        if method == "raw":
            return lambda: np.ones(values.size, bool), False
        if method == "otsu":
            return lambda: above_otsu(values, self.parts), True
        if method in ("vote2", "vote3"):
            return lambda: self._votes >= int(method[-1]), False
        if method == "4.0-benchmark":
            return lambda: values >= BENCHMARK_SUV, False
        if method == "liver":
            if self.config.liver_suv is None:
                raise ParameterError("The method liver needs a liver value: --liver-suv.")
            return lambda: values > self.config.liver_suv, False
        if found := re.fullmatch(r"([1-9]\d?|100)", method):
            return lambda: above_suvmax_fraction(values, self.parts, int(found[1]) / 100), True
        if found := re.fullmatch(r"([1-9]\d?|100)p", method):
            return lambda: above_fraction_of(
                values, self.parts, self.part_suv_peak, int(found[1]) / 100
            ), True
        if re.fullmatch(r"\d{1,3}\.\d{1,3}", method):
            return lambda: values > float(method), False
        raise ParameterError(
            f"No method {method!r}. Known: {', '.join(METHODS)}, any percentage, any SUV like 3.0."
        )

    @cached_property
    def _votes(self) -> npt.NDArray[np.int64]:
        return np.sum([self._rule(voter)[0]() for voter in VOTERS], axis=0)

    def _without_small(self, label: Labels, least_ml: float) -> Labels:
        """Drop lesions with n * voxel_mm3 < 1000 * least_ml * (1 - 1e-6)."""
        volume_mm3 = np.bincount(label) * math.prod(self.spacing_mm)
        kept = volume_mm3 >= 1000 * least_ml * (1 - VOLUME_TOLERANCE)
        return label if kept.all() else order_by_volume(np.where(kept[label], label, 0))


def check_method(method: str) -> None:
    """Refuse a method name that no rule knows."""
    empty = np.zeros((0, 0, 0), np.float32)
    Segmentation(empty, empty, (1.0, 1.0, 1.0), Config(liver_suv=1.0))._rule(method)


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
    return Segmentation(probability, suv, spacing_mm, config).labels(method)
