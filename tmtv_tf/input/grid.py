"""The model grid: where it lies on a PET, and the image a network sees there.

Revailler et al. 2022, section 2.2: PET and CT on one grid of 256 x 128 x 128 voxels (Z, Y, X) of 4 mm, linear
interpolation, PET 0..25 SUV and CT -1000..1000 HU scaled to 0..1 and clipped, channels PET then CT.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError, ParameterError
from petct.image import Geometry, Image, resample
from petct.text import one_line

OUTSIDE_SUV = 0.0
OUTSIDE_HU = -1000.0
# A PET voxel above this SUV is body; used to say whether a CT covers the patient, and what a grid must cover.
BODY_SUV = 0.2
# Share of the body outside the CT from which a warning is worth its ink.
CT_MISSING_SHARE = 0.01
COVERAGE_STEP_MM = 8.0
# Beyond these, no voxel shows a body.
MAX_SPACING_MM = 1000.0
MAX_WINDOW = 1e6

CHANNELS = ("pet", "ct")


@dataclass(frozen=True)
class ModelGrid:
    """Size, spacing and intensity windows of a network's input.

    Attributes
    ----------
    shape : (Z, Y, X)
    spacing_mm : (sz, sy, sx)
    pet_window_suv, ct_window_hu : (low, high), brought to 0 and 1, clipped.
    channels : ("pet", "ct"), or ("pet",) for a network that sees the PET alone.
    """

    shape: tuple[int, int, int] = (256, 128, 128)
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 4.0)
    pet_window_suv: tuple[float, float] = (0.0, 25.0)
    ct_window_hu: tuple[float, float] = (-1000.0, 1000.0)
    channels: tuple[str, ...] = CHANNELS

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        check_sizes("Grid shape", self.shape)
        check_spacing("Grid spacing", self.spacing_mm)
        check_window("The PET window", self.pet_window_suv)
        check_window("The CT window", self.ct_window_hu)
        if self.channels not in (CHANNELS, ("pet",)):
            raise ParameterError(
                f"Channels must be {CHANNELS} or ('pet',). Received: {one_line(str(self.channels))}."
            )

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(Z, Y, X, C) of one image."""
        return (*self.shape, len(self.channels))

    @property
    def needs_ct(self) -> bool:
        return "ct" in self.channels

    @property
    def key(self) -> str:
        """Folder name of the arrays on this grid: readable, and different for every grid."""
        size = "x".join(str(n) for n in self.shape)
        spacing = "x".join(f"{s:g}" for s in self.spacing_mm)
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
        return f"{size}_{spacing}mm_{digest[:8]}"

    def to_json(self) -> dict[str, Any]:
        return {
            "shape": [int(n) for n in self.shape],
            "spacing_mm": [float(s) for s in self.spacing_mm],
            "pet_window_suv": [float(v) for v in self.pet_window_suv],
            "ct_window_hu": [float(v) for v in self.ct_window_hu],
            "channels": list(self.channels),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ModelGrid:
        """The inverse of `to_json`; an unknown or missing key is refused."""
        return cls(**grid_fields(value, cls))


def grid_fields(value: Any, kind: type) -> dict[str, tuple[Any, ...]]:
    """The fields of a grid in JSON as tuples, each of them there and no other; ParameterError if not."""
    names = sorted(field.name for field in fields(kind))
    whole = isinstance(value, dict) and sorted(value) == names
    if not whole or not all(isinstance(item, list | tuple) for item in value.values()):
        raise ParameterError(
            f"A grid needs the lists {', '.join(names)}, and no other. Received: {one_line(str(value))}."
        )
    return {key: tuple(item) for key, item in value.items()}


def check_sizes(name: str, value: tuple[int, ...]) -> None:
    """Three whole numbers of voxels, 1 or more (Z, Y, X)."""
    if len(value) != 3 or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in value
    ):
        raise ParameterError(
            f"{name} must be three positive integers (Z, Y, X). Received: {one_line(str(value))}."
        )


def check_spacing(name: str, value: tuple[float, ...]) -> None:
    """Three finite lengths in mm above 0 (Z, Y, X), at most MAX_SPACING_MM."""
    if len(value) != 3 or not all(_is_finite(s) and 0 < s <= MAX_SPACING_MM for s in value):
        raise ParameterError(
            f"{name} must be three positive numbers in mm, {MAX_SPACING_MM:g} at most. Received: "
            f"{one_line(str(value))}."
        )


def check_window(name: str, value: tuple[float, ...]) -> None:
    """Two finite values, the first below the second."""
    if (
        len(value) != 2
        or not all(_is_finite(v) and abs(v) <= MAX_WINDOW for v in value)
        or not value[0] < value[1]
    ):
        raise ParameterError(f"{name} needs two numbers, low < high. Received: {one_line(str(value))}.")


def _is_finite(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    return -math.inf < value < math.inf  # type: ignore[operator]  # not math.isfinite: it overflows on 10**400


def place_grid(pet: Geometry, grid: ModelGrid) -> Geometry:
    """Where the grid lies: axis-aligned in LPS, x and y centred on the PET, its top face the PET's top face.

    "Top" is the head: the highest z. The faces are those of the box around all PET voxels (their edges, not
    their centres), so that an oblique PET is enclosed too.
    """
    low, high = pet.box_mm()
    size_mm = np.array(grid.shape[::-1]) * np.array(grid.spacing_mm[::-1])  # x, y, z
    start = (low + high) / 2 - size_mm / 2
    start[2] = high[2] - size_mm[2]
    origin = start + np.array(grid.spacing_mm[::-1]) / 2
    return Geometry(grid.shape, grid.spacing_mm, (origin[0], origin[1], origin[2]))


def model_input(
    pet: Image, ct: Image | None, grid: ModelGrid, geometry: Geometry | None = None
) -> npt.NDArray[np.float32]:
    """The image a network sees: (Z, Y, X, C) float32 in [0, 1], PET then CT.

    Parameters
    ----------
    pet : SUVbw. Outside it: SUV 0.
    ct : HU, on its own grid in the same frame of reference. Outside it: -1000 HU. Not read for a grid of
        PET alone.
    geometry : sample here instead of at `place_grid` (further windows of a long scan).

    Raises
    ------
    CaseError
        The grid has a CT channel and there is no CT; or PET and CT share no space.
    """
    geometry = geometry or place_grid(pet.geometry, grid)
    channels = [_window(resample(pet, geometry, fill=OUTSIDE_SUV).array, grid.pet_window_suv)]
    if grid.needs_ct:
        if ct is None:
            raise CaseError("The model needs PET and CT, and this case has no CT.")
        if not ct.geometry.overlaps(pet.geometry):
            raise CaseError("CT and PET do not overlap in space: they are not of one examination.")
        channels.append(_window(resample(ct, geometry, fill=OUTSIDE_HU).array, grid.ct_window_hu))
    return np.stack(channels, axis=-1)


def ct_coverage_warning(pet: Image, ct: Image) -> str | None:
    """A sentence when more than 1 % of the body (PET SUV > 0.2) lies outside the CT, else None."""
    step = [max(1, round(COVERAGE_STEP_MM / s)) for s in pet.spacing_mm]  # a look at every 8 mm is enough
    body = np.argwhere(pet.array[:: step[0], :: step[1], :: step[2]] > BODY_SUV) * step
    if not len(body):
        return None
    index = ct.geometry.to_index(pet.geometry.to_world(body))
    inside = np.all((index > -0.5) & (index < np.array(ct.geometry.shape) - 0.5), axis=1)
    missing = 1.0 - inside.mean()
    if missing <= CT_MISSING_SHARE:
        return None
    return f"The CT covers only {100 * inside.mean():.0f} % of the body; air (-1000 HU) is put where it does not."


def _window(array: npt.NDArray, window: tuple[float, float]) -> npt.NDArray[np.float32]:
    low, high = window
    return np.clip((array.astype(np.float32) - low) / (high - low), 0.0, 1.0)
