"""Samples of a pool as a stream of training images: moved, turned, scaled and mirrored anew each time.

Every draw follows from (seed, epoch, step), so that an interrupted run goes on with what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.spatial.transform import Rotation

from petct.errors import ParameterError
from petct.image import Geometry, Image, resample
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.pool import HU_STEP, SUV_MAX, pool_files, read_sample
from tmtv_tf.phantom.worlds.sample import Sample

PREFETCH = 3
# Sides of the box that is left of an image cut to a small field of view.
FIELD_OF_VIEW_MM = (150.0, 600.0)


@dataclass(frozen=True)
class Moves:
    """How far a sample is moved; see `training.train_worlds.MovesConfig`."""

    scaling: tuple[float, float]
    zoom: tuple[float, float]
    rotation_degrees: tuple[float, float, float]
    translation_mm: tuple[float, float, float]
    flip_left_right: bool
    gain_log_sd: float
    small_field_of_view: float = 0.0


@dataclass(frozen=True)
class Source:
    """A sample as views are taken from it: stored small, as uint16 (root of SUV / SUV_MAX) and uint8.

    Attributes
    ----------
    pet, ct, target : (Z, Y, X); ct is (HU + 1024) / 8, target 255 TMTVprob.
    geometry : cubes from the origin.
    """

    pet: npt.NDArray[np.uint16]
    ct: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint8]
    geometry: Geometry


class Shelf:
    """Sources by file, read once and kept in memory on cubes of `voxel_mm` (a coarser grid is read much faster)."""

    def __init__(self, voxel_mm: float):
        self.voxel_mm = voxel_mm
        self.kept: dict[Path, Source] = {}

    def __call__(self, path: Path) -> Source:
        if path not in self.kept:
            self.kept[path] = source_of(read_sample(path), self.voxel_mm)
        return self.kept[path]


def source_of(sample: Sample, voxel_mm: float = VOXEL_MM) -> Source:
    """A sample on cubes of `voxel_mm`, linearly resampled; its first face stays where it is."""
    z, y, x = sample.suv.shape
    own = Geometry((z, y, x), (VOXEL_MM,) * 3)
    shape = np.maximum(np.round(np.array(own.shape) * VOXEL_MM / voxel_mm), 1).astype(int)
    first = (voxel_mm - VOXEL_MM) / 2
    grid = Geometry((int(shape[0]), int(shape[1]), int(shape[2])), (voxel_mm,) * 3, (first,) * 3)
    suv, hu, target = (
        resample(Image(a, own), grid).array for a in (sample.suv, sample.hu + 1024, sample.tmtvprob)
    )
    pet = np.rint(np.sqrt(np.clip(suv, 0, SUV_MAX) / SUV_MAX) * 65535).astype(np.uint16)
    ct = np.clip(np.rint(hu / HU_STEP), 0, 255).astype(np.uint8)
    return Source(pet, ct, np.rint(target * 255).astype(np.uint8), grid)


def draw_view(source: Geometry, grid: ModelGrid, moves: Moves, rng: np.random.Generator) -> Geometry:
    """Where a random view of `source` lies: the model grid, scaled, turned and shifted.

    As at inference, the top of the grid is near the top of the PET and x and y are centred; a body longer than the
    grid is met from above in half of the draws and anywhere along it in the others (a further window).
    """
    factors = np.exp(rng.uniform(*np.log(moves.scaling), 3))  # of the body; z, y, x
    factors *= np.exp(rng.uniform(*np.log(moves.zoom)))
    spacing = np.array(grid.spacing_mm) / factors
    size = spacing * grid.shape  # mm of the source
    low, high = source.box_mm()  # x, y, z
    middle = (low + high) / 2
    top = high[2]
    surplus = (high[2] - low[2]) - size[0]
    if surplus > 0 and rng.random() < 0.5:
        top -= rng.uniform(0, surplus)
    dz, dy, dx = rng.normal(0, 0.5, 3) * moves.translation_mm
    centre = np.array([middle[0] + dx, middle[1] + dy, top - size[0] / 2 + abs(dz) * (rng.random() < 0.7)])
    angles = rng.normal(0, 0.5, 3) * moves.rotation_degrees  # about z, y, x
    turn = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    half = turn @ ((np.array(grid.shape[::-1]) - 1) / 2 * spacing[::-1])
    origin = centre - half
    return Geometry(
        grid.shape, tuple(float(s) for s in spacing), tuple(float(v) for v in origin), tuple(turn.ravel())
    )


def example(
    source: Source, grid: ModelGrid, view: Geometry, *, flip: bool = False, gain: float = 1.0, ct: bool = True
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Image (Z, Y, X, C) in [0, 1] and target (Z, Y, X, 1) of a view; `ct` False leaves the CT empty (-1000 HU)."""
    low, high = grid.pet_window_suv
    suv = np.square(source.pet.astype(np.float32) / 65535) * SUV_MAX
    pet = resample(Image(suv, source.geometry), view).array * np.float32(gain)
    channels = [np.clip((pet - low) / (high - low), 0, 1)]
    if grid.needs_ct:
        low, high = grid.ct_window_hu
        hu = np.full(view.shape, -1000, np.float32)
        if ct:
            hu = resample(Image(source.ct, source.geometry), view, fill=3).array * np.float32(HU_STEP) - 1024
        channels.append(np.clip((hu - low) / (high - low), 0, 1))
    image = np.stack(channels, axis=-1).astype(np.float32)
    target = resample(Image(source.target, source.geometry), view).array[..., None] / np.float32(255)
    if flip:
        image, target = image[:, :, ::-1], target[:, :, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(target)


def cut_field_of_view(
    image: npt.NDArray[np.float32], target: npt.NDArray[np.float32], grid: ModelGrid, rng: np.random.Generator
) -> None:
    """Leave a box of random sides, and air outside it; in place.

    Its middle is a random voxel of a lesion in half of the draws, else one with uptake: so a scan that was cut close
    around a tumour looks, or one of a part of the body.
    """
    around_lesion = rng.random() < 0.5 and target.any()
    middles = np.argwhere(target[..., 0] > 0.5 if around_lesion else image[..., 0] > image[..., 0].mean())
    if not len(middles):
        return
    centre = middles[rng.integers(len(middles))]
    half = rng.uniform(*FIELD_OF_VIEW_MM, 3) / np.array(grid.spacing_mm) / 2
    low, high = np.maximum(np.round(centre - half), 0).astype(int), np.round(centre + half).astype(int) + 1
    outside = np.ones(image.shape[:3], bool)
    outside[tuple(slice(*ends) for ends in zip(low, high))] = False
    image[outside], target[outside] = 0, 0


def training_stream(
    pool: Path,
    worlds: Sequence[str],
    grid: ModelGrid,
    moves: Moves,
    *,
    seed: int,
    epochs: int,
    steps: int,
    first_epoch: int = 0,
    first_step: int = 0,
    without_ct: float = 0.1,
    source_mm: float = VOXEL_MM,
) -> tf.data.Dataset:
    """Batches of one image, all epochs one after the other; each world equally often. The pool may grow meanwhile.

    Views are taken from the samples on cubes of `source_mm`.

    Raises
    ------
    ParameterError
        A world without samples.
    """
    for world in worlds:
        if not pool_files(pool, [world]):
            raise ParameterError(f"{pool}: no sample of the world {world!r}; fill the pool first.")

    shelf = Shelf(source_mm)

    def draw():
        for epoch in range(first_epoch, epochs):
            files = {world: pool_files(pool, [world]) for world in worlds}
            for step in range(first_step if epoch == first_epoch else 0, steps):
                rng = np.random.default_rng((seed, epoch, step))
                members = files[worlds[int(rng.integers(len(worlds)))]]
                source = shelf(members[int(rng.integers(len(members)))])
                view = draw_view(source.geometry, grid, moves, rng)
                flip = moves.flip_left_right and rng.random() < 0.5
                gain = float(np.exp(rng.normal(0, moves.gain_log_sd)))
                image, target = example(
                    source, grid, view, flip=flip, gain=gain, ct=rng.random() >= without_ct
                )
                if rng.random() < moves.small_field_of_view:
                    cut_field_of_view(image, target, grid, rng)
                yield image[None], target[None]

    signature = (
        tf.TensorSpec((1, *grid.input_shape), tf.float32),
        tf.TensorSpec((1, *grid.shape, 1), tf.float32),
    )
    return tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(PREFETCH)
