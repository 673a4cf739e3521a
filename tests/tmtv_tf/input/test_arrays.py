"""The arrays that training reads are the images and the truth on the model grid."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import CaseError
from petct.files import read_json, write_json
from petct.image import Geometry, Image, read_image, resample, write_image
from tmtv_tf.input.arrays import model_arrays, read_model_arrays, write_model_arrays
from tmtv_tf.input.grid import ModelGrid, model_input, place_grid

GRID = ModelGrid(shape=(16, 8, 8), spacing_mm=(4.0, 4.0, 4.0))
GEOMETRY = Geometry((20, 10, 12), (3.0, 5.0, 4.0), (7.0, -20.0, 100.0))


@pytest.fixture
def case_dir(tmp_path):
    rng = np.random.default_rng(1)
    write_image(tmp_path / "pet.nii.gz", Image(rng.gamma(2, 2, (20, 10, 12)).astype(np.float32), GEOMETRY))
    write_image(tmp_path / "ct.nii.gz", Image(rng.normal(0, 300, (20, 10, 12)).astype(np.float32), GEOMETRY))
    truth = np.zeros((20, 10, 12), np.float32)
    truth[10:14, 3:7, 3:9] = 0.75
    truth[19, 0, 0] = 0.25  # x edge 5..9: outside the grid, which starts at 13
    write_image(tmp_path / "tmtvprob.nii.gz", Image(truth, GEOMETRY))
    return tmp_path


def test_the_stored_arrays_are_the_model_input(case_dir):
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
    write_image(case_dir / "pet.nii.gz", Image(np.zeros((20, 10, 12), np.float32), GEOMETRY))
    write_model_arrays(case_dir, GRID)
    assert read_model_arrays(model_arrays(case_dir, GRID))[0][..., 0].max() == 0


def test_arrays_of_an_earlier_form_are_written_again(case_dir):
    """Version 2 stored TMTVprob * 255 as uint8, where 0.5 became 128 / 255."""
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

    geometry = place_grid(GEOMETRY, GRID)
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
