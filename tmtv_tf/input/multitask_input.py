"""The image that the networks of Liu et al. see, and the way back (IEEE Access 2022, section IV-B-3).

PET to 257x128x128 voxels (Z, Y, X) of 3.3x5.5x5.5 mm, cropped to 247x64x80 around the body, resized to 224x64x64.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError, ParameterError
from petct.files import read_json, replace_atomically, write_json
from petct.image import Geometry, Image, read_image, resample
from petct.text import one_line
from tmtv_tf.input.arrays import MODEL_GRID_FOLDER, OUTLINES_FILE, PET_FILE, TRUTH_FILE
from tmtv_tf.input.grid import (
    BODY_SUV,
    ModelGrid,
    check_sizes,
    check_spacing,
    check_window,
    grid_fields,
    place_grid,
)

# The paper resizes by a tenth to a quarter, where linear interpolation reads every voxel. Beyond this factor it
# would step over voxels, and lesions with them: the mean over each new voxel is taken instead.
MAX_LINEAR_SHRINKAGE = 2.0
FORMAT_VERSION = 2
# What the networks learn from -> its file in a case folder; either is made binary (> 0.5) before anything else. The
# paper's readers outlined lesions (section IV-A), they did not threshold inside: `outlines`.
TRUTH_FILES = {"outlines": OUTLINES_FILE, "tmtvprob": TRUTH_FILE}


@dataclass(frozen=True)
class MultitaskGrid:
    """Sizes (Z, Y, X) of the three steps: resampled, cropped, resized; PET window brought to 0..1, clipped."""

    shape: tuple[int, int, int] = (257, 128, 128)
    spacing_mm: tuple[float, float, float] = (3.3, 5.5, 5.5)
    crop: tuple[int, int, int] = (247, 64, 80)
    size: tuple[int, int, int] = (224, 64, 64)
    window_suv: tuple[float, float] = (0.0, 25.0)

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name in ("shape", "crop", "size"):
            check_sizes(f"The grid's {name}", getattr(self, name))
        check_spacing("The grid's spacing_mm", self.spacing_mm)
        check_window("The PET window", self.window_suv)
        if any(c > n for c, n in zip(self.crop, self.shape, strict=True)):
            raise ParameterError(f"The crop {self.crop} is larger than the grid {self.shape}.")

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (*self.size, 1)

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Any) -> MultitaskGrid:
        """The inverse of `to_json`; an unknown or missing key is refused."""
        return cls(**grid_fields(value, cls))

    @property
    def key(self) -> str:
        """File name of the arrays on this grid: readable, and different for every grid."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"multitask_{'x'.join(str(n) for n in self.size)}_{digest[:8]}"


@dataclass(frozen=True)
class CropReport:
    """What the crop took away: lesions are the 6-connected components of the truth on the PET grid."""

    lesions: int
    lesions_cut: int
    volume_ml: float
    volume_outside_ml: float

    @property
    def warning(self) -> str | None:
        """One sentence when a lesion is cut, else None."""
        if not self.lesions_cut:
            return None
        return (
            f"{self.lesions_cut} of {self.lesions} lesions are cut by the crop: {self.volume_outside_ml:.1f} of "
            f"{self.volume_ml:.1f} mL lie outside."
        )


def crop_geometry(pet: Image, grid: MultitaskGrid) -> Geometry:
    """Where the crop lies: its top is the PET's, y and x are centred on the body's bounding box.

    The body is the largest 6-connected component of SUV > 0.2 on the resampled grid; the crop stays inside that
    grid, and follows its voxels.

    Raises
    ------
    CaseError
        No voxel is above SUV 0.2.
    """
    coarse = resample(pet, place_grid(pet.geometry, _coarse(grid)))
    box = _largest_component_box(coarse.array > BODY_SUV)
    start = [grid.shape[0] - grid.crop[0]]  # the last slice is the top
    for axis in (1, 2):
        middle = (box[axis].start + box[axis].stop) / 2
        first = round(middle - grid.crop[axis] / 2)
        start.append(min(max(first, 0), grid.shape[axis] - grid.crop[axis]))
    origin = coarse.geometry.to_world([start])[0]
    return Geometry(grid.crop, grid.spacing_mm, (origin[0], origin[1], origin[2]))


def resized_geometry(box: Geometry, size: tuple[int, int, int]) -> Geometry:
    """The same axis-aligned box (outer edges of the voxels) divided into `size` voxels."""
    spacing = [s * n / m for s, n, m in zip(box.spacing_mm, box.shape, size, strict=True)]
    origin = [
        o + (new - old) / 2
        for o, new, old in zip(box.origin_mm, spacing[::-1], box.spacing_mm[::-1], strict=True)
    ]
    return Geometry(
        size, (spacing[0], spacing[1], spacing[2]), (origin[0], origin[1], origin[2]), box.direction
    )


def multitask_image(pet: Image, crop: Geometry, grid: MultitaskGrid) -> Image:
    """PET (SUVbw) as the networks see it: `grid.size`, float32 in [0, 1]; SUV 0 outside the PET."""
    coarse = resample(pet, place_grid(pet.geometry, _coarse(grid)))
    resized = _resize(resample(coarse, crop), grid.size)
    low, high = grid.window_suv
    return resized.with_array(np.clip((resized.array - low) / (high - low), 0, 1).astype(np.float32))


def truth_file(case_dir: str | Path, kind: str) -> Path:
    """Where the truth of one of the kinds of `TRUTH_FILES` is, or would be; ParameterError for another kind."""
    if kind not in TRUTH_FILES:
        raise ParameterError(
            f"truth must be one of {', '.join(TRUTH_FILES)}. Received: {one_line(str(kind))}."
        )
    return Path(case_dir) / TRUTH_FILES[kind]


def read_truth(case_dir: str | Path, kind: str) -> Image | None:
    """The readers' lesions (Z, Y, X) bool on the PET grid, as the networks learn them; None for a case without ROIs.

    Parameters
    ----------
    kind : one of `TRUTH_FILES`: "outlines" (inside the outlines) or "tmtvprob" (TMTVprob > 0.5).

    Raises
    ------
    ParameterError
        Another kind.
    CaseError
        A case with TMTVprob but without outlines: 0.1 did not write them. Two truths must not be mixed in one training.
    """
    if kind not in TRUTH_FILES:
        raise ParameterError(
            f"truth must be one of {', '.join(TRUTH_FILES)}. Received: {one_line(str(kind))}."
        )
    path = Path(case_dir) / TRUTH_FILES[kind]
    if not path.is_file():
        if kind == "outlines" and (Path(case_dir) / TRUTH_FILE).is_file():
            raise CaseError(
                f"{path}: missing, though the case has {TRUTH_FILE}. An earlier version prepared it; prepare it again, "
                "or train with `truth: tmtvprob`."
            )
        return None
    image = read_image(path)
    return image.with_array(image.array > 0.5)


def multitask_truth(truth: Image, crop: Geometry, grid: MultitaskGrid) -> npt.NDArray[np.bool_]:
    """A mask on the PET grid through the same steps as the PET, then > 0.5: (Z, Y, X) of `grid.size`.

    Parameters
    ----------
    truth : bool (`read_truth`). It is binary before the first step: a map of quarters would grow or shrink on the way.

    Raises
    ------
    ParameterError
        Not a mask.
    """
    if truth.array.dtype != bool:
        raise ParameterError(
            f"The truth must be a mask (bool) before it is resampled. Received: {truth.array.dtype}."
        )
    coarse = resample(truth, place_grid(truth.geometry, _coarse(grid)))
    return _resize(resample(coarse, crop), grid.size).array > 0.5


def probability_on_pet(
    probability: npt.NDArray[np.floating], crop: Geometry, pet: Geometry
) -> npt.NDArray[np.float32]:
    """The inverse: a network's lesion probability (Z, Y, X) on the PET grid, linear, 0 outside the crop."""
    shape = probability.shape
    geometry = resized_geometry(crop, (shape[0], shape[1], shape[2]))
    return resample(Image(probability.astype(np.float32), geometry), pet).array


def crop_report(truth: Image, crop: Geometry) -> CropReport:
    """Count the lesions of a mask (bool) with a voxel centre outside the crop, and the volume outside it."""
    from scipy.ndimage import label

    labels, count = label(truth.array)
    voxels = np.argwhere(labels > 0)
    index = crop.to_index(truth.geometry.to_world(voxels)) if count else np.zeros((0, 3))
    outside = np.any((index < -0.5) | (index >= np.array(crop.shape) - 0.5), axis=1)
    cut = np.unique(labels[tuple(voxels[outside].T)])
    voxel_ml = truth.geometry.voxel_ml
    return CropReport(count, len(cut), len(voxels) * voxel_ml, int(outside.sum()) * voxel_ml)


# Arrays for training ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MultitaskArrays:
    """The files of one case on one grid: raw little-endian arrays (Z, Y, X) in C order, float16 and uint8.

    Attributes
    ----------
    crop : where the image lies.
    report : what the crop took away; None for a case without contours, whose truth file is all zero.
    """

    case_id: str
    folder: Path
    grid: MultitaskGrid
    crop: Geometry
    report: CropReport | None

    @property
    def image(self) -> Path:
        return self.folder / "image.float16"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.uint8"

    @property
    def has_truth(self) -> bool:
        return self.report is not None

    def read_image(self) -> npt.NDArray[np.float32]:
        """(Z, Y, X, 1) in [0, 1]."""
        return np.fromfile(self.image, "<f2").reshape(self.grid.input_shape).astype(np.float32)

    def read_truth(self) -> npt.NDArray[np.bool_]:
        """(Z, Y, X)."""
        return np.fromfile(self.truth, np.uint8).reshape(self.grid.size).astype(bool)


def multitask_arrays(case_dir: str | Path, grid: MultitaskGrid, truth: str = "outlines") -> MultitaskArrays:
    """The arrays of a case folder, written first where they are not there yet or were made from other files.

    Parameters
    ----------
    truth : one of `TRUTH_FILES`; the arrays of each have their own folder.

    Raises
    ------
    CaseError
        An empty PET, a truth on another grid than the PET, or outlines that are missing (`read_truth`).
    """
    case_dir = Path(case_dir)
    pet_file = case_dir / PET_FILE
    folder = case_dir / MODEL_GRID_FOLDER / f"{grid.key}_{truth}"
    description, sources = folder / "input.json", _sources(case_dir, truth)
    if description.is_file():
        stored = read_json(description)
        if stored["sources"] == sources:
            crop = Geometry(**{key: tuple(value) for key, value in stored["crop"].items()})
            report = CropReport(**stored["report"]) if stored["report"] else None
            return MultitaskArrays(case_dir.name, folder, grid, crop, report)
    mask = read_truth(case_dir, truth)
    pet = read_image(pet_file)
    if mask is not None and not mask.geometry.same_grid(pet.geometry):
        raise CaseError(f"{truth_file(case_dir, truth)}: not on the grid of {PET_FILE}.")
    try:
        crop = crop_geometry(pet, grid)
    except CaseError as error:
        raise CaseError(f"{pet_file}: {error}") from error
    target, report = np.zeros(grid.size, bool), None
    if mask is not None:
        target, report = multitask_truth(mask, crop, grid), crop_report(mask, crop)
    arrays = MultitaskArrays(case_dir.name, folder, grid, crop, report)
    for path, array in (
        (arrays.image, multitask_image(pet, crop, grid).array.astype("<f2")),
        (arrays.truth, target.astype(np.uint8)),
    ):
        with replace_atomically(path) as temporary:
            array.tofile(temporary)
    # Last, so that a run killed half-way leaves nothing that looks finished.
    details = {"sources": sources, "crop": asdict(crop), "report": asdict(report) if report else None}
    write_json(description, details)
    return arrays


def _coarse(grid: MultitaskGrid) -> ModelGrid:
    return ModelGrid(grid.shape, grid.spacing_mm, grid.window_suv, channels=("pet",))


def _resize(image: Image, size: tuple[int, int, int]) -> Image:
    geometry = resized_geometry(image.geometry, size)
    shrinkage = max(n / m for n, m in zip(image.array.shape, size, strict=True))
    if shrinkage <= MAX_LINEAR_SHRINKAGE:
        return resample(image, geometry)
    from skimage.transform import resize_local_mean

    return Image(resize_local_mean(image.array.astype(np.float32), size, preserve_range=True), geometry)


def _largest_component_box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    from scipy.ndimage import find_objects, label

    labels, count = label(mask)
    if not count:
        raise CaseError(f"No voxel of the PET is above SUV {BODY_SUV}: there is no body to centre on.")
    return find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]


def _sources(case_dir: Path, truth: str) -> dict[str, list[int]]:
    files = [path for path in (case_dir / PET_FILE, truth_file(case_dir, truth)) if path.is_file()]
    sizes = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
    return {"format": [FORMAT_VERSION], **sizes}
