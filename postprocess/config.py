"""The parameters of the post-processing. Each default lives here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from petct.errors import ParameterError
from petct.limits import LARGEST, SMALLEST, between

# No body is longer; the search for peaks counts the voxels of this distance, so it must be finite.
MAX_DISTANCE_MM = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters that every method shares.

    Attributes
    ----------
    probability_threshold : a voxel belongs to the raw mask if its probability is > this.
    connectivity : 6 (faces), 18 (and edges) or 26 (and corners): what makes voxels one component.
    split_above_ml : components > this volume are split by watershed (Revailler et al. 2022, section 2.5).
    peak_distance_mm : a watershed marker is the highest voxel of its component within <= this distance.
    min_volume_ml : a lesion smaller than this is left out of every result; 0 keeps all.
    liver_suv : the SUV threshold of the method `liver`, by the user's own definition; the mean SUV of the liver for
        the methods with a background (`a50p`, `mv2`, `mv3`, `adaptive`).
    lung_suv : the mean SUV of the lung, for those methods.
    """

    probability_threshold: float = 0.5
    connectivity: int = 6
    split_above_ml: float = 30.0
    peak_distance_mm: float = 20.0
    min_volume_ml: float = 0.0
    liver_suv: float | None = None
    lung_suv: float | None = None

    def __post_init__(self) -> None:
        below_one = math.nextafter(1, 0)
        _require("probability_threshold", self.probability_threshold, "be in [0, 1)", 0, below_one)
        if isinstance(self.connectivity, bool) or self.connectivity not in (6, 18, 26):
            raise ParameterError(f"`connectivity` must be 6, 18 or 26. Received: {self.connectivity!r}.")
        for name in ("split_above_ml", "peak_distance_mm", "min_volume_ml"):
            _require(name, getattr(self, name), "not be negative", 0)
        rule = f"be at most {MAX_DISTANCE_MM:g}"
        _require("peak_distance_mm", self.peak_distance_mm, rule, 0, MAX_DISTANCE_MM)
        for name in ("liver_suv", "lung_suv"):
            if (value := getattr(self, name)) is not None:
                _require(name, value, "be a positive number", SMALLEST, LARGEST)

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Config:
        """The parameters that a result or a call states, others beside them; what is not stated is as published."""
        return cls(**{item.name: stated[item.name] for item in fields(cls) if item.name in stated})

    @property
    def background_suv(self) -> float:
        """(lung mean + liver mean) / 2.

        Raises
        ------
        ParameterError
            One of the two is not given.
        """
        if self.liver_suv is None or self.lung_suv is None:
            raise ParameterError(
                "The methods a50p, mv2, mv3 and adaptive need the mean SUV of the patient's liver and lung: "
                "`liver_suv` and `lung_suv`."
            )
        return (self.lung_suv + self.liver_suv) / 2


def _require(name: str, value: object, rule: str, low: float, high: float = math.inf) -> None:
    """Refuse what is no number from `low` to `high`; `rule` says so in words."""
    if isinstance(value, bool) or not between(value, low, high):
        raise ParameterError(f"`{name}` must {rule}. Received: {value!r}.")
