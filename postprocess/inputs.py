"""The SUV image and the probability map or mask of a case: read, checked, brought onto the PET grid."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from postprocess.components import require_probability
from postprocess.errors import ImageError
from postprocess.image import Geometry, Image, read_image, resample
from postprocess.orientation import to_canonical

# A map and a PET of one patient lie in one another. Below these shares of the shorter one, along any axis, they do
# not belong together, or some of the body is missing.
REFUSE_OVERLAP_BELOW = 0.5
WARN_OVERLAP_BELOW = 0.9
SUV_IMPLAUSIBLE = 500.0


@dataclass(frozen=True)
class CaseImages:
    """SUV and probability (or a bool mask) on one canonical grid; `stored` is the PET grid as in its file."""

    suv: Image
    probability: Image
    stored: Geometry
    warnings: list[str] = field(default_factory=list)


def read_case(
    map_path: str | os.PathLike[str], suv_path: str | os.PathLike[str], *, is_mask: bool = False
) -> CaseImages:
    """Read one case. `is_mask`: every voxel of the map that is not 0 belongs to the mask.

    A map on another grid is resampled linearly onto the PET grid, 0 outside it.

    Raises
    ------
    ImageError
        A file that cannot be read or trusted; values that are no probabilities; grids that do not belong together.
    """
    pet = read_image(suv_path)
    warnings = _check_suv(pet, suv_path)
    suv = to_canonical(pet)
    found = to_canonical(read_image(map_path))
    if is_mask:
        found = _mask(found, map_path)
    else:
        try:
            require_probability(float(found.array.min()), float(found.array.max()))
        except ImageError as error:
            raise ImageError(f"{map_path}: {error}") from error
    if not found.geometry.same_grid(suv.geometry):
        warnings += _check_overlap(found.geometry, suv.geometry, map_path, suv_path)
        array = found.array.astype(np.float32, copy=False)
        found = resample(found.with_array(array), suv.geometry)
        if is_mask:
            found = found.with_array(found.array > 0.5)
    return CaseImages(suv, replace(found, geometry=suv.geometry), pet.geometry, warnings)


def _mask(image: Image, path: str | os.PathLike[str]) -> Image:
    if image.array.dtype.kind == "f" and not np.isfinite(image.array).all():
        raise ImageError(f"{path}: the mask holds NaN or infinite values.")
    return image.with_array(image.array != 0)


def _check_suv(image: Image, path: str | os.PathLike[str]) -> list[str]:
    lowest, highest = float(image.array.min()), float(image.array.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ImageError(f"{path}: the SUV image holds NaN or infinite values.")
    name = Path(path).name
    if highest > SUV_IMPLAUSIBLE:
        return [f"{name}: its maximum is {highest:g}: this is hardly SUV (Bq/mL?)."]
    sample = image.array[:: max(1, image.array.shape[0] // 16)]
    if image.array.dtype.kind in "iu" or (highest > 0 and not np.any(sample % 1)):
        return [f"{name}: all its values are integers: is this SUV?"]
    return []


def _check_overlap(map_grid: Geometry, pet_grid: Geometry, map_path: object, suv_path: object) -> list[str]:
    (low_a, high_a), (low_b, high_b) = map_grid.box_mm(), pet_grid.box_mm()
    common = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    share = float((common / np.minimum(high_a - low_a, high_b - low_b)).min())
    where = "overlap by " + (f"{share:.0%} along one axis" if share > 0 else "nothing")
    if share < REFUSE_OVERLAP_BELOW:
        raise ImageError(f"{map_path} and {suv_path} {where}: they are not of one patient and examination.")
    if share < WARN_OVERLAP_BELOW:
        return [f"the map and the PET {where}; outside the map nothing is found."]
    return []
