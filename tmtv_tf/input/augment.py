"""Random translation, rotation and scaling of an image and its target: one affine resampling, seeded, stateless.

Revailler et al. 2022, section 2.4 (amounts: its authors' code); Liu et al. 2022, section IV-B-3.
The draw depends on (seed, epoch, case) alone and not on what was drawn before, so a run that is resumed, or
read by more processes, sees the same images.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import tensorflow as tf

from petct.files import read_json
from petct.parallel import progress
from tmtv_tf.input.arrays import TARGET_ONE, ModelArrays, read_model_arrays, write_raw_arrays
from tmtv_tf.input.augmentation import Augmentation

# Planes resampled at a time: few, so that eight examples at once need little memory; enough to keep a GPU busy.
SLAB = 16


def draw_affine(augmentation: Augmentation, spacing_mm: tuple[float, float, float], shape, seed: tf.Tensor):
    """A random map from output to input voxel index: (matrix (3, 3), offset (3,)), float32, order (z, y, x).

    input = matrix @ output + offset. Rotation (about z, then y, then x) and scaling are taken in mm about the
    centre of the grid.

    Parameters
    ----------
    seed : (2,) int32. The same seed, the same map.
    """
    spacing = tf.constant(spacing_mm, tf.float32)
    centre = (tf.cast(shape[:3], tf.float32) - 1.0) / 2.0
    draw = tf.random.stateless_uniform([13], seed, -1.0, 1.0)
    happens = tf.cast(tf.random.stateless_uniform([3], seed + [1, 0]) < augmentation.probability, tf.float32)

    shift_mm = happens[0] * draw[0:3] * tf.constant(augmentation.translation_mm, tf.float32)
    angles = happens[1] * draw[3:6] * tf.constant(np.deg2rad(augmentation.rotation_degrees), tf.float32)
    low, high = augmentation.scaling
    which = draw[6:9] if augmentation.scaling_per_axis else tf.repeat(draw[6], 3)
    factors = 1.0 + happens[2] * ((low + high) / 2.0 + which * (high - low) / 2.0 - 1.0)
    if augmentation.flip_left_right:
        factors *= tf.stack([1.0, 1.0, tf.sign(draw[9])])

    # output = centre + R S (input - centre) + shift, in mm; here its inverse, in voxels
    inverse_mm = tf.transpose(_rotation(angles)) / factors[:, None]
    matrix = inverse_mm * spacing[None, :] / spacing[:, None]
    offset = centre - tf.reduce_sum(matrix * (centre + shift_mm / spacing), axis=1)
    return matrix, offset


def affine_resample(volume: tf.Tensor, matrix: tf.Tensor, offset: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Linear interpolation of (Z, Y, X, C) at `matrix @ index + offset`; `fill` (C,) outside the voxel centres.

    Between the outermost voxel centres and the outside the value goes over linearly to `fill`. Z must be known when
    a graph is made: it decides how many planes are resampled at a time.
    """
    shape = tf.shape(volume)
    size, channels = shape[:3], shape[3]
    # One voxel of `fill` all around makes every corner of every cell addressable.
    padded = tf.pad(volume - fill, [[1, 1], [1, 1], [1, 1], [0, 0]])
    flat = tf.reshape(padded, [-1, channels])

    y, x = (tf.range(tf.cast(n, tf.float32), dtype=tf.float32) for n in (size[1], size[2]))
    strides = [(size[1] + 2) * (size[2] + 2), size[2] + 2, 1]

    def slab(z):
        """The planes `z` of the result."""
        low, weight = [], []
        for i in range(3):  # coordinate i of every voxel, by broadcasting
            at = matrix[i, 0] * z[:, None, None] + matrix[i, 1] * y[:, None] + matrix[i, 2] * x + offset[i]
            at = tf.clip_by_value(at + 1.0, 0.0, tf.cast(size[i], tf.float32) + 1.0)
            floor = tf.minimum(tf.floor(at), tf.cast(size[i], tf.float32))
            low.append(tf.cast(floor, tf.int32))
            weight.append(at - floor)
        corner = low[0] * strides[0] + low[1] * strides[1] + low[2]
        result = fill
        for dz in (0, 1):
            for dy in (0, 1):
                for dx in (0, 1):
                    w = (
                        (weight[0] if dz else 1.0 - weight[0])
                        * (weight[1] if dy else 1.0 - weight[1])
                        * (weight[2] if dx else 1.0 - weight[2])
                    )
                    values = tf.gather(flat, corner + (dz * strides[0] + dy * strides[1] + dx))
                    result += w[..., None] * values
        return result

    # Slab by slab, so that coordinates and weights of a few planes only are in memory.
    z = tf.reshape(
        tf.range(tf.cast(size[0], tf.float32), dtype=tf.float32), [-1, math.gcd(volume.shape[0], SLAB)]
    )
    slabs = tf.map_fn(slab, z, parallel_iterations=1)
    return tf.reshape(slabs, shape)


def augment(image: tf.Tensor, target: tf.Tensor, augmentation: Augmentation, spacing_mm, seed: tf.Tensor):
    """Move image and target (Z, Y, X, C) alike. Both are linear and filled with 0 (SUV 0, -1000 HU, no lesion).

    The target comes in the steps in which it is stored: eight neighbours of 0.5 give 0.5, and not 0.50000006, which
    would count as above 0.5.
    """
    channels = image.shape[-1]
    both = tf.concat([tf.cast(image, tf.float32), tf.cast(target, tf.float32)], axis=-1)
    matrix, offset = draw_affine(augmentation, spacing_mm, tf.shape(both), seed)
    moved = affine_resample(both, matrix, offset, tf.zeros([tf.shape(both)[-1]]))
    moved = tf.ensure_shape(moved, (*image.shape[:-1], channels + target.shape[-1]))
    return moved[..., :channels], tf.round(moved[..., channels:] * TARGET_ONE) / TARGET_ONE


def augment_batch(
    images: tf.Tensor, targets: tf.Tensor, draws: tf.Tensor, augmentation: Augmentation, spacing_mm, seed: int
):
    """`augment` of every example of a batch, (B, Z, Y, X, C), wherever this runs: on the GPU inside a training step.

    Parameters
    ----------
    draws : (B,) int32. The number of each example's draw; with `seed` it decides the map.
    """

    def one(example):
        image, target, draw = example
        return augment(image, target, augmentation, spacing_mm, tf.stack([tf.constant(seed, tf.int32), draw]))

    shapes = (tf.TensorSpec(images.shape[1:], tf.float32), tf.TensorSpec(targets.shape[1:], tf.float32))
    return tf.map_fn(one, (images, targets, draws), fn_output_signature=shapes)


def augmented_arrays(
    arrays: Sequence[ModelArrays], augmentation: Augmentation, seed: int
) -> list[ModelArrays]:
    """One moved copy of each case, drawn once and stored beside it: the paper's augmentation.

    A copy that stands already, made from the same arrays with the same settings, is kept.
    """
    settings = {f.name: getattr(augmentation, f.name) for f in fields(Augmentation)} | {"seed": seed}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    copies = []
    with progress("augmented images", len(arrays)) as advance:
        for original in arrays:
            copy = ModelArrays(original.folder / f"augmented_{digest}", original.grid)
            description = {**read_json(original.description), "augmentation": settings}
            stands = copy.description.is_file() and read_json(copy.description) == _as_json(description)
            if not (stands and copy.whole()):
                image, target = read_model_arrays(original)
                case = int.from_bytes(hashlib.sha256(original.case_id.encode()).digest()[:4]) >> 1
                moved = augment(
                    tf.constant(image),
                    tf.constant(target),
                    augmentation,
                    original.grid.spacing_mm,
                    tf.constant([seed, case]),
                )
                write_raw_arrays(copy, moved[0].numpy(), moved[1].numpy(), description)
            copies.append(copy)
            advance(1)
    return copies


def _as_json(value: dict) -> dict:
    return json.loads(json.dumps(value))


def _rotation(angles_zyx: tf.Tensor) -> tf.Tensor:
    """(3, 3) in (z, y, x) order: about z, then y, then x, by the right-hand rule of (x, y, z)."""
    c, s = tf.unstack(tf.cos(angles_zyx)), tf.unstack(tf.sin(angles_zyx))
    about_z = [[1.0, 0.0, 0.0], [0.0, c[0], s[0]], [0.0, -s[0], c[0]]]
    about_y = [[c[1], 0.0, -s[1]], [0.0, 1.0, 0.0], [s[1], 0.0, c[1]]]
    about_x = [[c[2], s[2], 0.0], [-s[2], c[2], 0.0], [0.0, 0.0, 1.0]]
    return _product(_product(tf.stack(about_x), tf.stack(about_y)), tf.stack(about_z))


def _product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Matrix product in float32 everywhere; `a @ b` has 10 bits on a GPU that may use TF32."""
    return tf.reduce_sum(a[:, :, None] * b[None, :, :], axis=1)
