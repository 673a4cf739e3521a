"""A network of a fixed size over a whole patient: windows on the model grid, the result on the native PET grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from petct.boxes import bounding_box
from petct.errors import CaseError
from petct.image import Geometry, Image, resample
from tmtv_tf.input.grid import BODY_SUV, ModelGrid, model_input, place_grid

# Windows of a body beyond the grid share at least this part of their edge with their neighbours.
WINDOW_OVERLAP = 0.25
# Specks of noise smaller than this do not ask for a further window.
SMALLEST_BODY_PART_ML = 10.0
# Lower probabilities are written as 0: a network's sigmoid is never 0, and a file full of noise is ten times larger.
NEGLIGIBLE_PROBABILITY = 1e-3

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def predict_probability(
    network: Network,
    grid: ModelGrid,
    pet: Image,
    ct: Image | None,
    windows: Sequence[tuple[int, int, int]] | None = None,
) -> Image:
    """Probability of tumour for every voxel of the PET: float32 in [0, 1] on the native PET grid.

    One window at `place_grid`; where the body (SUV > 0.2) reaches beyond it, as many overlapping windows along
    that axis as cover it, blended with weights that fall linearly towards their faces. The probability is
    resampled linearly onto the PET; 0 outside the windows.

    Parameters
    ----------
    network : image (1, Z, Y, X, C) -> probability (1, Z, Y, X, 1).
    pet : SUVbw.
    ct : HU in the same frame of reference; None for a network of PET alone.
    windows : those of `cover_body`, if they are known already.
    """
    if not np.all(np.isfinite(pet.array)):
        raise CaseError("The PET holds values that are not numbers.")
    windows = cover_body(pet, grid) if windows is None else windows
    base = place_grid(pet.geometry, grid)
    low = np.min(windows, axis=0)
    shape = np.max(windows, axis=0) + np.array(grid.shape) - low
    whole = _shifted(base, low, tuple(int(n) for n in shape))
    image = model_input(pet, ct, grid, whole)
    if len(windows) == 1:
        probability = np.asarray(network(image[None]))[0, ..., 0]
    else:
        probability = _blend(network, image, [tuple(w - low) for w in np.array(windows)], grid.shape)
    native = resample(Image(probability.astype(np.float32), whole), pet.geometry).array
    native = np.clip(native, 0.0, 1.0)
    native[native < NEGLIGIBLE_PROBABILITY] = 0.0
    return Image(native, pet.geometry)


def cover_body(pet: Image, grid: ModelGrid) -> list[tuple[int, int, int]]:
    """First voxels (z, y, x) of the windows, on the lattice of `place_grid`; [(0, 0, 0)] where one is enough."""
    body = _body_box(pet, grid)
    if body is None:
        return [(0, 0, 0)]
    starts = [
        _window_starts(int(min(low, 0)), int(max(high, size)), size)
        for low, high, size in zip(*body, grid.shape)
    ]
    return [(z, y, x) for z in starts[0] for y in starts[1] for x in starts[2]]


def _body_box(pet: Image, grid: ModelGrid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """First and one past the last lattice voxel of the body, relative to `place_grid`; None without a body."""
    from scipy import ndimage

    base = place_grid(pet.geometry, grid)
    native = bounding_box(
        pet.array > BODY_SUV, margin=(1, 1, 1)
    )  # between lower voxels there is no higher value
    ends = np.array(np.meshgrid(*[(s.start, s.stop - 1) for s in native], indexing="ij")).reshape(3, -1).T
    corners = base.to_index(pet.geometry.to_world(ends))
    low = np.floor(corners.min(axis=0)).astype(int)
    shape = np.ceil(corners.max(axis=0)).astype(int) + 1 - low
    around = _shifted(base, low, tuple(int(n) for n in shape))
    labels, _ = ndimage.label(resample(pet, around).array > BODY_SUV)
    parts = np.flatnonzero(np.bincount(labels.ravel())[1:] * around.voxel_ml >= SMALLEST_BODY_PART_ML)
    found = ndimage.find_objects(labels)
    boxes = [found[part] for part in parts]
    if not boxes:
        return None
    first = np.min([[s.start for s in box] for box in boxes], axis=0)
    last = np.max([[s.stop for s in box] for box in boxes], axis=0)
    return first + low, last + low


def _window_starts(low: int, high: int, size: int) -> list[int]:
    """Evenly spread starts of windows of `size` that cover [low, high) and overlap by WINDOW_OVERLAP or more."""
    if high - low <= size:
        return [low]
    count = 1 + int(np.ceil((high - low - size) / (size * (1 - WINDOW_OVERLAP))))
    return [int(start) for start in np.linspace(low, high - size, count).round()]


def _shifted(base: Geometry, start_zyx: npt.ArrayLike, shape: tuple[int, ...]) -> Geometry:
    """The same lattice from another first voxel."""
    x, y, z = base.to_world(start_zyx)[0]
    return Geometry((shape[0], shape[1], shape[2]), base.spacing_mm, (x, y, z), base.direction)


def _blend(network: Network, image: npt.NDArray, starts, shape) -> npt.NDArray[np.float32]:
    """Weighted mean of the windows' probabilities; weights fall linearly from the centre to the faces."""
    ramps = [np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / ((n + 1) // 2) for n in shape]
    weight = (ramps[0][:, None, None] * ramps[1][:, None] * ramps[2]).astype(np.float32)
    total = np.zeros(image.shape[:3], np.float32)
    weights = np.zeros(image.shape[:3], np.float32)
    for start in starts:
        window = tuple(slice(s, s + n) for s, n in zip(start, shape))
        total[window] += weight * np.asarray(network(image[window][None]))[0, ..., 0]
        weights[window] += weight
    return np.divide(total, weights, out=total, where=weights > 0)
