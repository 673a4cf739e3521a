"""The arrays of a case on the model grid, as training reads them: raw files that cost no time to decode."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError
from petct.files import read_json, replace_atomically, write_json
from petct.image import Geometry, Image, read_image, resample
from tmtv_tf.input.grid import ModelGrid, ct_coverage_warning, model_input, place_grid

# What the stored arrays mean; arrays of another version are written again.
FORMAT_VERSION = 3
# Stored value of TMTVprob 1. A power of two: 0, 0.25, 0.5, 0.75 and 1 come back exactly, whether a reader divides by it
# or multiplies by its inverse (0.5 as 128 / 255 counted as above 0.5).
TARGET_ONE = 32768
MODEL_GRID_FOLDER = "model_grid"
# The files of a case folder that the arrays are made of.
PET_FILE, CT_FILE, TRUTH_FILE = "pet.nii.gz", "ct.nii.gz", "tmtvprob.nii.gz"
OUTLINES_FILE = "reference_outlines.nii.gz"


@dataclass(frozen=True)
class ModelArrays:
    """The files of one case on one grid: raw little-endian arrays in C order.

    `image` is uint16 (Z, Y, X, C), [0, 1] * 65535: steps of 0.0004 SUV and 0.03 HU, far below the noise of a PET or CT;
    `target` is uint16 (Z, Y, X, 1), TMTVprob * TARGET_ONE: its five values exactly, interpolated ones to 0.00002.
    """

    folder: Path
    grid: ModelGrid

    @property
    def case_id(self) -> str:
        parts = self.folder.parts
        return parts[len(parts) - 1 - parts[::-1].index(MODEL_GRID_FOLDER) - 1]

    @property
    def image(self) -> Path:
        return self.folder / "image.uint16"

    @property
    def target(self) -> Path:
        return self.folder / "target.uint16"

    @property
    def description(self) -> Path:
        return self.folder / "grid.json"

    def whole(self) -> bool:
        """Whether both files are there and as long as they must be."""
        sizes = {self.image: math.prod(self.grid.input_shape), self.target: math.prod(self.grid.shape)}
        lengths = {file: 2 * size for file, size in sizes.items()}
        return all(file.is_file() and file.stat().st_size == length for file, length in lengths.items())


def model_arrays(case_dir: str | Path, grid: ModelGrid) -> ModelArrays:
    """Where the arrays of a case on this grid are (or would be)."""
    return ModelArrays(Path(case_dir).absolute() / MODEL_GRID_FOLDER / grid.key, grid)


def write_model_arrays(case_dir: str | Path, grid: ModelGrid) -> list[str]:
    """Write a case's image and target on the model grid; returns warnings.

    Nothing is done where they stand already and were made from the same files (size and time of change). The
    description is written last, so that a run killed half-way leaves nothing that looks finished.

    Raises
    ------
    CaseError
        No CT for a grid with a CT channel, or no TMTVprob to learn from.
    """
    case_dir, arrays = Path(case_dir), model_arrays(case_dir, grid)
    sources = _sources(case_dir, grid)
    if arrays.description.is_file():
        description = read_json(arrays.description)
        same = description.get("sources") == sources and description.get("format") == FORMAT_VERSION
        if same and arrays.whole():
            return list(description["warnings"])

    truth = read_image(case_dir / TRUTH_FILE)  # first, to be gone before the other two are read
    truth_geometry, geometry = truth.geometry, place_grid(truth.geometry, grid)
    outside, total = _truth_outside(truth, geometry)
    target = resample(truth, geometry).array
    del truth
    pet = read_image(case_dir / PET_FILE)
    if not truth_geometry.same_grid(pet.geometry):
        raise CaseError(f"{case_dir / 'tmtvprob.nii.gz'}: not on the grid of pet.nii.gz.")
    ct = read_image(case_dir / CT_FILE) if grid.needs_ct else None
    warnings = [w for w in (ct and ct_coverage_warning(pet, ct),) if w]
    if outside:
        warnings.append(
            f"{outside} of {total} truth voxels lie outside the model grid and are not trained on."
        )

    image = model_input(pet, ct, grid, geometry)
    description = {
        "format": FORMAT_VERSION,
        "grid": grid.to_json(),
        "geometry": asdict(geometry),
        "truth_voxels": total,
        "truth_voxels_outside_grid": outside,
        "warnings": warnings,
        "sources": sources,
    }
    write_raw_arrays(arrays, image, target[..., None], description)
    return warnings


def write_raw_arrays(
    arrays: ModelArrays, image: npt.NDArray, target: npt.NDArray, description: dict[str, Any]
) -> None:
    """Write image and target in [0, 1] in their stored form; the description last.

    Two runs that write the same arrays at the same time do not disturb one another.
    """
    if arrays.description.is_file() and read_json(arrays.description) != json.loads(json.dumps(description)):
        arrays.description.unlink(missing_ok=True)
    _write_raw(arrays.image, np.rint(np.clip(image, 0, 1) * 65535).astype("<u2"))
    _write_raw(arrays.target, np.rint(np.clip(target, 0, 1) * TARGET_ONE).astype("<u2"))
    (arrays.folder / "target.uint8").unlink(missing_ok=True)  # of format 2
    write_json(arrays.description, description)


def read_model_arrays(arrays: ModelArrays) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Image (Z, Y, X, C) and target (Z, Y, X, 1), float32, for a look at them outside tf.data."""
    image = np.fromfile(arrays.image, "<u2").reshape(arrays.grid.input_shape)
    target = np.fromfile(arrays.target, "<u2").reshape(*arrays.grid.shape, 1)
    return image.astype(np.float32) / np.float32(65535), target.astype(np.float32) / np.float32(TARGET_ONE)


def _truth_outside(truth: Image, geometry: Geometry) -> tuple[int, int]:
    """Number of voxels of TMTVprob > 0 whose centre lies outside the grid, and of all such voxels."""
    voxels = np.argwhere(truth.array > 0)
    if not len(voxels):
        return 0, 0
    index = geometry.to_index(truth.geometry.to_world(voxels))
    inside = np.all((index >= -0.5) & (index < np.array(geometry.shape) - 0.5), axis=1)
    return int((~inside).sum()), len(voxels)


def _sources(case_dir: Path, grid: ModelGrid) -> dict[str, list[int]]:
    names = [PET_FILE, CT_FILE, TRUTH_FILE] if grid.needs_ct else [PET_FILE, TRUTH_FILE]
    sources = {}
    for name in names:
        path = case_dir / name
        if not path.is_file():
            what = {CT_FILE: "the model needs PET and CT", TRUTH_FILE: "no truth to learn from"}
            raise CaseError(f"{path}: missing ({what.get(name, 'not a case folder')}).")
        status = path.stat()
        sources[name] = [status.st_size, status.st_mtime_ns]
    return sources


def _write_raw(path: Path, array: npt.NDArray) -> None:
    with replace_atomically(path) as temporary:
        array.tofile(temporary)
