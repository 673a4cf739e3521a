"""The stream of views of the worlds."""

import numpy as np
from world_samples import GRID, WILD, _sample

from tmtv_tf.input.grid import ModelGrid
from training.worlds_data import Moves, cut_field_of_view, draw_view, example, source_of

STILL = Moves((1.0, 1.0), (1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), False, 0.0)


def test_an_unmoved_view_is_where_inference_puts_the_grid():
    from tmtv_tf.input.grid import place_grid

    source = source_of(_sample()).geometry
    view = draw_view(source, GRID, STILL, np.random.default_rng(0))
    wanted = place_grid(source, GRID)
    assert view.same_grid(wanted)


def test_target_and_image_move_together_and_ct_can_be_left_out():
    source = source_of(_sample())
    for seed in range(5):
        rng = np.random.default_rng(seed)
        view = draw_view(source.geometry, GRID, WILD, rng)
        image, target = example(source, GRID, view, flip=seed % 2 == 1)
        # only lesions are at 10 SUV: where the target is whole, PET is 10 of 20, and nowhere else
        assert np.all(image[..., 0][target[..., 0] > 0.999] > 0.49)
        assert np.all(image[..., 0][target[..., 0] == 0] < 0.1)
    image, _ = example(source, GRID, view, ct=False)
    assert np.all(image[..., 1] == 0)


def test_a_small_field_of_view_is_a_box_of_the_image_with_air_outside():
    grid = ModelGrid(shape=(32, 32, 32), spacing_mm=(25.0, 25.0, 25.0))
    rng = np.random.default_rng(0)
    for _ in range(10):
        whole = rng.uniform(0.1, 1, (32, 32, 32, 2)).astype(np.float32)
        image, target = whole.copy(), whole[..., :1].copy()
        cut_field_of_view(image, target, grid, rng)
        kept = np.argwhere(image[..., 0])
        low, high = kept.min(axis=0), kept.max(axis=0) + 1
        assert np.all(high - low >= 3)  # 150 mm, or half of it at the border
        assert np.all((high - low) * 25 <= 600 + 2 * 25)
        assert len(kept) == np.prod(high - low)
        box = tuple(slice(*ends) for ends in zip(low, high))
        np.testing.assert_array_equal(image[box], whole[box])
        np.testing.assert_array_equal(image[..., :1], target)
    air = np.zeros((32, 32, 32, 2), np.float32)
    cut_field_of_view(air, air[..., :1], grid, rng)
    assert not air.any()


def test_half_of_the_small_fields_of_view_are_cut_around_a_lesion():
    grid = ModelGrid(shape=(60, 60, 60), spacing_mm=(25.0, 25.0, 25.0))
    rng = np.random.default_rng(1)
    kept = 0
    for _ in range(60):
        image = rng.uniform(0.1, 1, (60, 60, 60, 1)).astype(np.float32)
        target = np.zeros((60, 60, 60, 1), np.float32)
        target[5, 50, 5] = 1
        cut_field_of_view(image, target, grid, rng)
        kept += bool(target.any())
    assert 20 <= kept <= 42  # around uptake alone one in a thousand would hold it
