"""Predictions keep their place and cover the body."""

from __future__ import annotations

import numpy as np
import pytest
from predict_files import smooth_pet

from petct.errors import CaseError
from tmtv_tf.inference.windows import cover_body, predict_probability
from tmtv_tf.input.grid import ModelGrid, place_grid

GRID = ModelGrid((16, 16, 16), (4.0, 4.0, 4.0), channels=("pet",))


def identity(image):
    """A network whose probability is the PET channel itself."""
    return image[..., :1]


def test_one_window_gives_the_pet_back():
    """PET -> grid -> identity -> PET: the same values but for the interpolation (and air beside the PET)."""
    pet = smooth_pet((18, 10, 12), (3.5, 6.0, 5.0))
    assert cover_body(pet, GRID) == [(0, 0, 0)]
    probability = predict_probability(identity, GRID, pet, None)
    assert probability.geometry == pet.geometry
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(probability.array[inner], pet.array[inner] / 25, atol=0.01)


def test_a_body_beyond_the_grid_is_covered_along_every_axis():
    """144 x 90 x 80 mm of body on a grid of 64 mm: several windows, nothing lost, seams invisible."""
    pet = smooth_pet((36, 18, 20), (4.0, 5.0, 4.0))
    windows = cover_body(pet, GRID)
    assert sorted({w[0] for w in windows}) == [-20, -10, 0]
    assert len({w[1] for w in windows}) == 2
    assert len({w[2] for w in windows}) == 2
    probability = predict_probability(identity, GRID, pet, None)
    np.testing.assert_allclose(probability.array, pet.array / 25, atol=0.01)


def test_only_the_body_asks_for_windows():
    """Air around a small body, and a speck of noise: one window."""
    pet = smooth_pet((36, 18, 20), (4.0, 5.0, 4.0))
    array = np.zeros_like(pet.array)
    array[25:34, 5:12, 5:14] = 3
    array[0, 0, 0] = 9
    assert cover_body(pet.with_array(array), GRID) == [(0, 0, 0)]
    assert cover_body(pet.with_array(np.zeros_like(array)), GRID) == [(0, 0, 0)]


def test_a_window_starts_at_the_head():
    pet = smooth_pet((36, 10, 12), (4.0, 6.0, 5.0))
    assert max(w[0] for w in cover_body(pet, GRID)) == 0
    top = place_grid(pet.geometry, GRID)
    assert top.to_world([15.5, 0, 0])[0][2] == pytest.approx(pet.geometry.to_world([35.5, 0, 0])[0][2])


def test_nan_is_refused():
    pet = smooth_pet((18, 10, 12), (3.5, 6.0, 5.0))
    pet.array[3, 3, 3] = np.nan
    with pytest.raises(CaseError, match="not numbers"):
        predict_probability(identity, GRID, pet, None)
