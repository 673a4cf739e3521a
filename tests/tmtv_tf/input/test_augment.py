"""Augmentation: SimpleITK's resampling with the same matrix, seeds, and what is moved with what."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tmtv_tf.input.arrays import ModelArrays, read_model_arrays, write_raw_arrays
from tmtv_tf.input.augment import affine_resample, augment, augmented_arrays, draw_affine
from tmtv_tf.input.augmentation import Augmentation
from tmtv_tf.input.grid import ModelGrid

SHAPE, SPACING_MM = (14, 11, 12), (3.0, 5.0, 4.0)


def smooth_volume(channels: int = 1) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    return np.stack([gaussian_filter(rng.normal(size=SHAPE), 1.0) for _ in range(channels)], -1).astype(
        np.float32
    )


def simpleitk_affine(volume: np.ndarray, matrix: np.ndarray, offset: np.ndarray, fill: float) -> np.ndarray:
    """sitk.Resample with an AffineTransform in index space (unit spacing); x, y, z order there."""
    import SimpleITK as sitk

    transform = sitk.AffineTransform(3)
    transform.SetMatrix([float(v) for v in matrix[::-1, ::-1].ravel()])
    transform.SetTranslation([float(v) for v in offset[::-1]])
    image = sitk.GetImageFromArray(volume)
    return sitk.GetArrayFromImage(sitk.Resample(image, image, transform, sitk.sitkLinear, fill))


def test_resampling_is_simpleitks():
    """The same matrix, away from the faces: SimpleITK repeats the edge over the last half voxel, we go to fill."""
    matrix, offset = draw_affine(Augmentation(probability=1.0), SPACING_MM, SHAPE, tf.constant([5, 6]))
    volume = smooth_volume()
    ours = affine_resample(tf.constant(volume), matrix, offset, tf.constant([-3.0])).numpy()[..., 0]
    theirs = simpleitk_affine(volume[..., 0], matrix.numpy(), offset.numpy(), -3.0)
    source = (
        np.einsum("ij,jzyx->izyx", matrix.numpy(), np.indices(SHAPE)) + offset.numpy()[:, None, None, None]
    )
    last = np.array(SHAPE)[:, None, None, None] - 1
    inside = np.all((source >= 0) & (source <= last), axis=0)
    outside = np.any((source < -1) | (source > last + 1), axis=0)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-5)
    assert outside.any()
    np.testing.assert_array_equal(ours[outside], -3.0)


def test_between_the_last_voxel_and_the_outside_values_go_to_fill():
    volume = tf.ones((4, 4, 4, 1))
    moved = affine_resample(volume, tf.eye(3), tf.constant([0.25, 0.0, 0.0]), tf.constant([0.0]))
    np.testing.assert_allclose(moved[:, 1, 1, 0], [1, 1, 1, 0.75])


def test_nothing_drawn_changes_nothing():
    volume = smooth_volume(2)
    matrix, offset = draw_affine(Augmentation(probability=0.0), SPACING_MM, SHAPE, tf.constant([1, 2]))
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-7)
    moved = affine_resample(tf.constant(volume), matrix, offset, tf.zeros(2))
    np.testing.assert_allclose(moved, volume, atol=2e-5)


def test_amounts_are_in_millimetres_and_degrees():
    """A known draw: in mm the map is a rotation times a scale, and the centre moves by the translation."""
    settings = Augmentation((8.0, 6.0, 4.0), (6.0, 12.0, 17.0), (0.8, 1.25), probability=1.0)
    centre = (np.array(SHAPE) - 1) / 2
    for seed in range(40):
        matrix, offset = (v.numpy() for v in draw_affine(settings, SPACING_MM, SHAPE, tf.constant([seed, 0])))
        in_mm = matrix * np.array(SPACING_MM)[:, None] / np.array(SPACING_MM)
        factor = np.cbrt(1 / np.linalg.det(in_mm))
        rotation = in_mm * factor
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-5)
        assert 0.8 <= factor <= 1.25
        arrives = np.linalg.solve(matrix, centre - offset)  # where the centre of the input is in the output
        shift_mm = (arrives - centre) * SPACING_MM
        assert np.all(np.abs(shift_mm) <= np.array([8, 6, 4]) + 1e-3)
        angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
        assert angle <= np.deg2rad(np.linalg.norm([6, 12, 17])) + 1e-5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_angle_turns_about_its_own_axis(axis):
    """(z, y, x): one angle alone leaves its axis where it is, and stays within its own bound."""
    bounds = tuple(17.0 if i == axis else 0.0 for i in range(3))
    settings = Augmentation((0, 0, 0), bounds, (1.0, 1.0), probability=1.0)
    angles = []
    for seed in range(30):
        matrix = draw_affine(settings, SPACING_MM, SHAPE, tf.constant([seed, 0]))[0].numpy()
        rotation = matrix * np.array(SPACING_MM)[:, None] / np.array(SPACING_MM)
        np.testing.assert_allclose(rotation[axis], np.eye(3)[axis], atol=1e-6)
        np.testing.assert_allclose(rotation[:, axis], np.eye(3)[axis], atol=1e-6)
        one, other = (i for i in range(3) if i != axis)
        angles.append(np.arctan2(rotation[one, other], rotation[one, one]))
    assert np.abs(angles).max() <= np.deg2rad(17) + 1e-6
    assert min(angles) < -0.1
    assert max(angles) > 0.1


def test_scaling_above_one_makes_the_patient_larger():
    settings = Augmentation((0, 0, 0), (0, 0, 0), (1.5, 1.5), probability=1.0)
    matrix, _ = draw_affine(settings, SPACING_MM, SHAPE, tf.constant([0, 0]))
    np.testing.assert_allclose(matrix, np.eye(3) / 1.5, atol=1e-6)


def test_per_axis_scaling_and_flip():
    settings = Augmentation((0, 0, 0), (0, 0, 0), (0.8, 1.2), True, 1.0, flip_left_right=True)
    factors = np.array(
        [
            1 / np.diag(draw_affine(settings, SPACING_MM, SHAPE, tf.constant([s, 0]))[0].numpy())
            for s in range(50)
        ]
    )
    assert np.all((np.abs(factors) >= 0.8 - 1e-5) & (np.abs(factors) <= 1.2 + 1e-5))
    assert np.std(factors[:, 0] - factors[:, 1]) > 0.05
    assert 10 < (factors[:, 2] < 0).sum() < 40
    assert np.all(factors[:, :2] > 0)


def test_the_same_seed_the_same_draw_and_other_seeds_others():
    image, target = tf.constant(smooth_volume(2)), tf.constant(smooth_volume(1))
    a, b, c = (
        augment(image, target, Augmentation(), SPACING_MM, tf.constant(s)) for s in ([1, 7], [1, 7], [1, 8])
    )
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert not np.array_equal(a[0], c[0])


def test_image_and_target_move_together():
    image = smooth_volume(2)
    moved_image, moved_target = augment(
        tf.constant(image), tf.constant(image[..., :1]), Augmentation(), SPACING_MM, tf.constant([3, 3])
    )
    np.testing.assert_allclose(moved_image[..., :1], moved_target, atol=2e-5)  # the target's stored step
    assert not np.allclose(moved_image, image, atol=0.01)


def test_each_part_happens_as_often_as_told():
    settings = Augmentation((0, 0, 0), (0, 0, 0), (0.5, 0.9), probability=0.8)
    happened = [
        abs(float(draw_affine(settings, SPACING_MM, SHAPE, tf.constant([0, s]))[0][0, 0]) - 1) > 1e-6
        for s in range(300)
    ]
    assert 0.72 < np.mean(happened) < 0.88


def test_the_papers_extra_image_is_drawn_once_and_stored(tmp_path):
    grid = ModelGrid(SHAPE, SPACING_MM)
    original = ModelArrays(tmp_path / "a" / "model_grid" / grid.key, grid)
    rng = np.random.default_rng(0)
    write_raw_arrays(
        original, rng.uniform(size=grid.input_shape), rng.uniform(size=(*SHAPE, 1)), {"sources": 1}
    )
    (copy,) = augmented_arrays([original], Augmentation(), seed=1)
    assert copy.case_id == original.case_id == "a"
    before = copy.image.stat().st_mtime_ns
    assert augmented_arrays([original], Augmentation(), seed=1) == [copy]
    assert copy.image.stat().st_mtime_ns == before
    assert not np.allclose(read_model_arrays(copy)[0], read_model_arrays(original)[0], atol=0.01)
    assert augmented_arrays([original], Augmentation(), seed=2) != [copy]
