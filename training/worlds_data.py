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
from tmtv_tf.phantom.worlds.pool import pool_files, read_sample
from tmtv_tf.phantom.worlds.sample import Sample

PREFETCH = 3


@dataclass(frozen=True)
class Moves:
    """How far a sample is moved; see `training.train_worlds.MovesConfig`."""

    scaling: tuple[float, float]
    zoom: tuple[float, float]
    rotation_degrees: tuple[float, float, float]
    translation_mm: tuple[float, float, float]
    flip_left_right: bool
    gain_log_sd: float


def sample_geometry(sample: Sample) -> Geometry:
    """The grid of a sample: cubes of VOXEL_MM from the origin."""
    z, y, x = sample.suv.shape
    return Geometry((z, y, x), (VOXEL_MM,) * 3)


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
    sample: Sample, grid: ModelGrid, view: Geometry, *, flip: bool = False, gain: float = 1.0, ct: bool = True
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Image (Z, Y, X, C) in [0, 1] and target (Z, Y, X, 1) of a view; `ct` False leaves the CT empty (-1000 HU)."""
    source = sample_geometry(sample)
    low, high = grid.pet_window_suv
    pet = resample(Image(sample.suv, source), view).array * np.float32(gain)
    channels = [np.clip((pet - low) / (high - low), 0, 1)]
    if grid.needs_ct:
        low, high = grid.ct_window_hu
        hu = np.full(view.shape, -1000, np.float32)
        if ct:
            hu = resample(Image(sample.hu, source), view, fill=-1000).array
        channels.append(np.clip((hu - low) / (high - low), 0, 1))
    image = np.stack(channels, axis=-1).astype(np.float32)
    target = resample(Image(sample.tmtvprob, source), view).array[..., None]
    if flip:
        image, target = image[:, :, ::-1], target[:, :, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(target)


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
) -> tf.data.Dataset:
    """Batches of one image, all epochs one after the other; each world equally often. The pool may grow meanwhile.

    Raises
    ------
    ParameterError
        A world without samples.
    """
    for world in worlds:
        if not pool_files(pool, [world]):
            raise ParameterError(f"{pool}: no sample of the world {world!r}; fill the pool first.")

    def draw():
        for epoch in range(first_epoch, epochs):
            files = {world: pool_files(pool, [world]) for world in worlds}
            for step in range(first_step if epoch == first_epoch else 0, steps):
                rng = np.random.default_rng((seed, epoch, step))
                members = files[worlds[int(rng.integers(len(worlds)))]]
                sample = read_sample(members[int(rng.integers(len(members)))])
                view = draw_view(sample_geometry(sample), grid, moves, rng)
                flip = moves.flip_left_right and rng.random() < 0.5
                gain = float(np.exp(rng.normal(0, moves.gain_log_sd)))
                image, target = example(
                    sample, grid, view, flip=flip, gain=gain, ct=rng.random() >= without_ct
                )
                yield image[None], target[None]

    signature = (
        tf.TensorSpec((1, *grid.input_shape), tf.float32),
        tf.TensorSpec((1, *grid.shape, 1), tf.float32),
    )
    return tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(PREFETCH)
