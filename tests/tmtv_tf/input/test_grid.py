"""Where the model grid lies, and what stands on it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from petct.errors import CaseError, ParameterError
from petct.image import Geometry, Image
from tmtv_tf.input.grid import ModelGrid, ct_coverage_warning, model_input, place_grid

GRID = ModelGrid(shape=(16, 8, 8), spacing_mm=(4.0, 4.0, 4.0))


def pet_geometry(**changes) -> Geometry:
    return Geometry(
        **{"shape": (20, 10, 12), "spacing_mm": (3.0, 5.0, 4.0), "origin_mm": (7.0, -20.0, 100.0)} | changes
    )


def test_the_papers_grid_is_the_default():
    assert ModelGrid().input_shape == (256, 128, 128, 2)
    assert ModelGrid().spacing_mm == (4, 4, 4)


def test_the_grid_is_centred_and_its_top_is_the_top_of_the_pet():
    """PET: x edges 5..53, y edges -22.5..27.5, z edges 98.5..158.5. Grid: 32 x 32 x 64 mm."""
    geometry = place_grid(pet_geometry(), GRID)
    assert geometry.origin_mm == pytest.approx((29 - 16 + 2, 2.5 - 16 + 2, 158.5 - 64 + 2))
    assert geometry.spacing_mm == (4, 4, 4)


def test_a_feet_first_or_flipped_array_has_the_same_grid():
    straight = pet_geometry()
    flipped = Geometry(
        straight.shape,
        straight.spacing_mm,
        tuple(straight.to_world([19, 9, 0])[0]),
        (1, 0, 0, 0, -1, 0, 0, 0, -1),
    )
    assert place_grid(flipped, GRID).same_grid(place_grid(straight, GRID))


def test_windows_and_what_lies_outside():
    pet = Image(np.full((20, 10, 12), 5.0, np.float32), pet_geometry())
    ct = Image(np.full((20, 10, 12), 500.0, np.float32), pet_geometry(origin_mm=(7.0, -20.0, 130.0)))
    image = model_input(pet, ct, GRID)
    assert image.shape == (16, 8, 8, 2)
    assert image.dtype == np.float32
    assert image[10, 4, 4] == pytest.approx((5 / 25, 0.75))
    assert image[0, 4, 4] == pytest.approx((0, 0))  # below the PET: SUV 0, -1000 HU
    assert image[4, 4, 4] == pytest.approx((5 / 25, 0))  # PET without CT


def test_values_are_clipped():
    pet = Image(np.full((20, 10, 12), 60.0, np.float32), pet_geometry())
    ct = Image(np.full((20, 10, 12), -3000.0, np.float32), pet_geometry())
    assert model_input(pet, ct, GRID)[12, 4, 4] == pytest.approx((1, 0))


def test_a_point_keeps_its_place_in_the_world():
    array = np.zeros((20, 10, 12), np.float32)
    array[9, 3, 7] = 20
    pet = Image(array, pet_geometry())
    geometry = place_grid(pet.geometry, GRID)
    image = model_input(pet, None, ModelGrid(GRID.shape, GRID.spacing_mm, channels=("pet",)))[..., 0]
    z, y, x = (np.sum(image * axis) / image.sum() for axis in np.indices(image.shape))
    assert geometry.to_world([z, y, x])[0] == pytest.approx(pet.geometry.to_world([9, 3, 7])[0], abs=1.0)


def test_no_ct_is_refused_in_one_sentence():
    pet = Image(np.ones((20, 10, 12), np.float32), pet_geometry())
    with pytest.raises(CaseError, match="needs PET and CT, and this case has no CT"):
        model_input(pet, None, GRID)


def test_a_short_ct_is_worth_a_warning():
    pet = Image(np.ones((20, 10, 12), np.float32), pet_geometry())
    whole = Image(np.zeros((20, 10, 12), np.float32), pet_geometry())
    half = Image(np.zeros((10, 10, 12), np.float32), pet_geometry(shape=(10, 10, 12)))
    assert ct_coverage_warning(pet, whole) is None
    assert re.search("covers only (4|5). % of the body", ct_coverage_warning(pet, half))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (16, 8)},
        {"spacing_mm": (4, 0, 4)},
        {"pet_window_suv": (25, 0)},
        {"channels": ("ct", "pet")},
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ParameterError):
        ModelGrid(**wrong)


def test_a_grid_survives_json():
    assert ModelGrid.from_json(GRID.to_json()) == GRID
    assert GRID.key != ModelGrid(GRID.shape, GRID.spacing_mm, pet_window_suv=(0, 20)).key
    with pytest.raises(ParameterError):
        ModelGrid.from_json({"shapes": [1, 2, 3]})
