"""Where the model grid lies, and what stands on it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from petct.errors import CaseError, ParameterError
from petct.image import Geometry, Image, write_image
from tmtv_tf.input.grid import (
    ModelGrid,
    ct_coverage_warning,
    model_arrays,
    model_input,
    place_grid,
    read_model_arrays,
    write_model_arrays,
)

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
    assert re.search("covers only (4|5).% of the body", ct_coverage_warning(pet, half))


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


@pytest.fixture
def case_dir(tmp_path):
    rng = np.random.default_rng(1)
    write_image(
        tmp_path / "pet.nii.gz", Image(rng.gamma(2, 2, (20, 10, 12)).astype(np.float32), pet_geometry())
    )
    write_image(
        tmp_path / "ct.nii.gz", Image(rng.normal(0, 300, (20, 10, 12)).astype(np.float32), pet_geometry())
    )
    truth = np.zeros((20, 10, 12), np.float32)
    truth[10:14, 3:7, 3:9] = 0.75
    truth[19, 0, 0] = 0.25  # x edge 5..9: outside the grid, which starts at 13
    write_image(tmp_path / "tmtvprob.nii.gz", Image(truth, pet_geometry()))
    return tmp_path


def test_the_stored_arrays_are_the_model_input(case_dir):
    from petct.image import read_image, resample

    warnings = write_model_arrays(case_dir, GRID)
    assert warnings == ["1 of 97 truth voxels lie outside the model grid and are not trained on."]
    image, target = read_model_arrays(model_arrays(case_dir, GRID))
    pet, ct = read_image(case_dir / "pet.nii.gz"), read_image(case_dir / "ct.nii.gz")
    np.testing.assert_allclose(image, model_input(pet, ct, GRID), atol=0.51 / 65535)
    truth = resample(read_image(case_dir / "tmtvprob.nii.gz"), place_grid(pet.geometry, GRID)).array
    np.testing.assert_allclose(target[..., 0], truth, atol=2e-5)


def test_finished_arrays_are_kept_and_changed_sources_are_noticed(case_dir):
    write_model_arrays(case_dir, GRID)
    path = model_arrays(case_dir, GRID).image
    before = path.stat().st_mtime_ns
    write_model_arrays(case_dir, GRID)
    assert path.stat().st_mtime_ns == before
    write_image(case_dir / "pet.nii.gz", Image(np.zeros((20, 10, 12), np.float32), pet_geometry()))
    write_model_arrays(case_dir, GRID)
    assert read_model_arrays(model_arrays(case_dir, GRID))[0][..., 0].max() == 0


def test_arrays_of_an_earlier_form_are_written_again(case_dir):
    """Version 2 stored TMTVprob * 255 as uint8, where 0.5 became 128 / 255."""
    from petct.files import read_json, write_json

    write_model_arrays(case_dir, GRID)
    arrays = model_arrays(case_dir, GRID)
    whole = arrays.target.read_bytes()
    write_json(arrays.description, read_json(arrays.description) | {"format": 2})
    arrays.target.rename(arrays.folder / "target.uint8")
    write_model_arrays(case_dir, GRID)
    assert arrays.target.read_bytes() == whole
    assert not (arrays.folder / "target.uint8").exists()


def test_on_the_model_grid_a_perfect_answer_scores_one(tmp_path):
    """A PET that lies on the model grid: nothing is interpolated, so the truth's own mask is a Dice of 1 (was 0.80)."""
    from tmtv_tf.models.metrics import HardDice

    geometry = place_grid(pet_geometry(), GRID)
    truth = np.zeros(GRID.shape, np.float32)
    truth[3:12, 1:7, 1:7], truth[4:11, 2:6, 2:6] = 0.5, 0.75
    write_image(tmp_path / "pet.nii.gz", Image(np.ones(GRID.shape, np.float32), geometry))
    write_image(tmp_path / "tmtvprob.nii.gz", Image(truth, geometry))
    grid = ModelGrid(GRID.shape, GRID.spacing_mm, channels=("pet",))
    write_model_arrays(tmp_path, grid)
    target = read_model_arrays(model_arrays(tmp_path, grid))[1]
    dice = HardDice()
    dice.update_state(target[None], (truth > 0.5)[None, ..., None].astype(np.float32))
    assert float(dice.result()) == 1.0


def test_without_truth_or_ct_the_file_is_named(case_dir):
    (case_dir / "ct.nii.gz").unlink()
    with pytest.raises(CaseError, match=r"ct\.nii\.gz: missing \(the model needs PET and CT\)"):
        write_model_arrays(case_dir, GRID)
    (case_dir / "tmtvprob.nii.gz").unlink()
    with pytest.raises(CaseError, match=r"tmtvprob\.nii\.gz: missing"):
        write_model_arrays(case_dir, ModelGrid(GRID.shape, GRID.spacing_mm, channels=("pet",)))
