"""The SUV image and the probability map or mask of a case: read, checked, brought onto the PET grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError, ParameterError
from petct.image import Geometry, Image, read_image, resample
from petct.orientation import to_canonical
from postprocess.components import foreground, require_probability

# A map and a PET of one patient lie in one another: along every axis of the world, the shorter one has at least this
# share of its length inside the longer one, or they do not belong together.
REFUSE_OVERLAP_BELOW = 0.5
WARN_OVERLAP_BELOW = 0.9
SUV_IMPLAUSIBLE = 500.0
# Labels stored with a scale factor come back a little off.
MASK_ROUNDING = 1e-3


@dataclass(frozen=True)
class MapFile:
    """Where the map or mask comes from.

    Attributes
    ----------
    path : NIfTI, NRRD, MetaImage, or nnU-Net's `.npz` (keys `probabilities` or `softmax`, (C, Z, Y, X))
    is_mask : voxels that are not 0 (or whose value is in `mask_labels`) are the mask; whole
        numbers from 0 on, or 0 and one other value
    reference : image whose grid the `.npz` has; the PET if None
    channel : class of the `.npz` that is lesion; needed if it has more than two
    """

    path: Path
    is_mask: bool = False
    mask_labels: tuple[int, ...] = ()
    reference: Path | None = None
    channel: int | None = None


@dataclass(frozen=True)
class CaseImages:
    """SUV and probability (or a bool mask) on one canonical grid; `stored` is the PET grid as in its file."""

    suv: Image
    probability: Image
    stored: Geometry
    warnings: list[str] = field(default_factory=list)


def read_case(found: MapFile, suv_path: str | os.PathLike[str], threshold: float = 0.5) -> CaseImages:
    """Read one case. A map on another grid is resampled linearly onto the PET grid, 0 outside it.

    A mask on another grid is resampled linearly as 0 and 1, and kept where > 0.5. `threshold` is used only to warn
    of foreground that lies outside the PET.

    Raises
    ------
    ImageError
        A file that cannot be read or trusted; values that are no probabilities; grids that do not belong together.
    """
    pet = read_image(suv_path)
    warnings = _check_suv(pet, suv_path)
    suv = to_canonical(pet)
    stored = _read_softmax(found, pet) if found.path.suffix == ".npz" else read_image(found.path)
    if found.is_mask:
        labelled, stored = stored, _mask(stored, found)
        warnings += _check_labels(labelled, stored, found)
    elif stored.array.size:
        try:
            require_probability(float(stored.array.min()), float(stored.array.max()))
        except ImageError as error:
            raise ImageError(f"{found.path}: {error}") from error
    probability = to_canonical(stored)
    if not probability.geometry.same_grid(suv.geometry):
        warnings += _check_overlap(probability.geometry, suv.geometry, found.path, suv_path)
        warnings += _check_outside(probability, suv.geometry, 0.5 if found.is_mask else threshold)
        array = probability.array.astype(np.float32, copy=False)
        probability = resample(probability.with_array(array), suv.geometry)
        if found.is_mask:
            probability = probability.with_array(probability.array > 0.5)
    return CaseImages(suv, replace(probability, geometry=suv.geometry), pet.geometry, warnings)


def read_mask(path: str | os.PathLike[str], geometry: Geometry) -> npt.NDArray[np.bool_]:
    """A mask (not 0) on a canonical grid, by nearest neighbour; False outside the file's image."""
    mask = to_canonical(_mask(read_image(path), MapFile(Path(path))))
    if not mask.geometry.overlaps(geometry):
        raise ImageError(f"{path}: this mask does not overlap the PET.")
    return resample(mask, geometry, nearest=True).array


def _read_softmax(found: MapFile, pet: Image) -> Image:
    try:
        with np.load(found.path, allow_pickle=False) as file:
            key = next((k for k in ("probabilities", "softmax") if k in file.files), None)
            if key is None:
                raise ImageError(f"{found.path}: no array `probabilities` or `softmax`, only {file.files}.")
            softmax = file[key]
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{found.path}: not a readable .npz file ({error}).") from error
    grid = pet.geometry if found.reference is None else read_image(found.reference).geometry
    if softmax.ndim != 4 or softmax.shape[1:] != grid.shape:
        raise ImageError(
            f"{found.path}: expected (classes, Z, Y, X) with Z, Y, X = {grid.shape} of the reference image. "
            f"Received: {softmax.shape}. Name the image that the network saw with --reference."
        )
    channel = {1: 0, 2: 1}.get(len(softmax)) if found.channel is None else found.channel
    if channel is None or not 0 <= channel < len(softmax):
        raise ParameterError(f"{found.path}: which of its {len(softmax)} classes is lesion? Use --channel.")
    return Image(softmax[channel].astype(np.float32, copy=False), grid)


def _mask(image: Image, found: MapFile) -> Image:
    values = image.array
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError(f"{found.path}: the mask holds NaN or infinite values.")
        whole = np.rint(values)
        fraction = np.abs(values - whole) > MASK_ROUNDING
        if not fraction.any():
            values = whole
        elif np.ptp(values[values != 0]) > 0:
            raise ImageError(
                f"{found.path}: a mask holds whole numbers, or 0 and one other. Received: {values[fraction][0]:g}. "
                "A probability map belongs to --probability."
            )
    if values.dtype.kind in "if" and values.size and values.min() < 0:
        raise ImageError(f"{found.path}: a mask holds no negative values. Received: {values.min():g}.")
    labels: Sequence[int] = found.mask_labels
    return image.with_array(np.isin(values, labels) if labels else values != 0)


def _check_labels(image: Image, mask: Image, found: MapFile) -> list[str]:
    """A label image with none of the labels asked for may be a patient without lesions, or a wrong label."""
    if not found.mask_labels or mask.array.any() or not image.array.any():
        return []
    held = ", ".join(f"{value:g}" for value in np.unique(image.array)[:10] if value)
    asked = ", ".join(map(str, found.mask_labels))
    return [f"{found.path.name}: no voxel has the label {asked}; the image holds {held}."]


def _check_suv(image: Image, path: str | os.PathLike[str]) -> list[str]:
    lowest, highest = float(image.array.min()), float(image.array.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ImageError(f"{path}: the SUV image holds NaN or infinite values.")
    name = Path(path).name
    if highest > SUV_IMPLAUSIBLE:
        return [f"{name}: its highest value is {highest:g}: this is hardly SUV (is it Bq/mL?)."]
    sample = image.array[:: max(1, image.array.shape[0] // 16)]
    if image.array.dtype.kind in "iu" or (sample.max() > 0 and not np.any(sample % 1)):
        return [f"{name}: all its values are whole numbers: is this SUV?"]
    return []


def _check_overlap(map_grid: Geometry, pet_grid: Geometry, map_path: object, suv_path: object) -> list[str]:
    (low_a, high_a), (low_b, high_b) = map_grid.box_mm(), pet_grid.box_mm()
    common = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    share = float((common / np.minimum(high_a - low_a, high_b - low_b)).min())
    if share <= 0:
        raise ImageError(f"{map_path} and {suv_path} do not overlap: they are not of one examination.")
    if share < REFUSE_OVERLAP_BELOW:
        raise ImageError(
            f"{map_path} and {suv_path} overlap by only {share:.0%} along one axis: they are not of one examination."
        )
    if share < WARN_OVERLAP_BELOW:
        return [
            f"the map and the PET overlap by only {share:.0%} along one axis: are they of one examination?"
        ]
    return []


def _check_outside(probability: Image, pet_grid: Geometry, threshold: float) -> list[str]:
    """Foreground beyond the edges of the PET has no SUV; more than a voxel of it is worth a warning."""
    index = np.stack(
        np.unravel_index(foreground(probability.array, threshold), probability.array.shape), axis=1
    )
    if len(index) == 0:
        return []
    place = pet_grid.to_index(probability.geometry.to_world(index))
    edge = 0.5 + np.array(probability.spacing_mm) / np.array(pet_grid.spacing_mm)
    outside = ((place < -edge) | (place > np.array(pet_grid.shape) - 1 + edge)).any(axis=1).sum()
    lost_ml = outside * probability.geometry.voxel_ml
    return [f"{lost_ml:.1f} mL of the map's foreground lie outside the PET and are lost."] if outside else []
