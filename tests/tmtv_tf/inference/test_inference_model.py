"""A saved multitask network applied to a case: the right place, the prognosis, warnings, refusals."""

import numpy as np
import pytest
from multitask_cohort import write_cohort_of_boxes
from typer.testing import CliRunner

from petct.errors import ModelError
from petct.files import read_json
from petct.image import Geometry, Image, read_image
from tmtv_tf.cli import app
from tmtv_tf.inference.model import predict_multitask
from tmtv_tf.input.multitask_input import MultitaskGrid
from tmtv_tf.models.file import load_model, save_model
from tmtv_tf.models.study import build_model

GRID = MultitaskGrid(shape=(40, 22, 22), spacing_mm=(20.0,) * 3, crop=(32, 16, 16), size=(32, 16, 16))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return write_cohort_of_boxes(tmp_path_factory.mktemp("cases"), n=2)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "best.keras"
    save_model(path, build_model("multitask_unet", GRID.input_shape, width=0.0625), GRID)
    return path


def test_predict_command_writes_map_and_prognosis(cases, model_file, tmp_path):
    command = ["predict", str(cases), "--model", str(model_file), "--out", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    probability = read_image(tmp_path / "case-00" / "probability.nii.gz")
    pet = read_image(cases / "case-00" / "pet.nii.gz")
    assert probability.geometry.same_grid(pet.geometry)
    assert probability.array.max() <= 1
    info = read_json(tmp_path / "case-00" / "prediction.json")
    events = info["event_within_two_years"]
    assert set(events) == {"prognosis", "prognosis_1", "prognosis_2", "prognosis_3"}
    assert events["prognosis"] == pytest.approx(
        0.1 * events["prognosis_1"] + 0.2 * events["prognosis_2"] + 0.7 * events["prognosis_3"], abs=1e-5
    )
    written = (tmp_path / "case-00" / "probability.nii.gz").stat().st_mtime_ns
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (tmp_path / "case-00" / "probability.nii.gz").stat().st_mtime_ns == written


def test_lesion_is_found_where_it_is():
    """A network that hands its input through: the hot voxel comes back to its place on another grid."""
    import keras

    image = keras.Input(GRID.input_shape)
    both = keras.layers.Concatenate(name="segmentation_1")([image, image])
    model = keras.Model(image, {"segmentation_1": both})
    geometry = Geometry((160, 88, 64), (5.0, 5.0, 5.0), (-150.0, -200.0, 10.0))
    pet = np.full(geometry.shape, 1.0, np.float32)
    pet[100:112, 40:52, 20:32] = 25
    probability, events, warnings = predict_multitask(model.predict_on_batch, GRID, Image(pet, geometry))
    assert not events
    assert "outside the network's crop" in warnings[0]
    found = np.argwhere(probability.array > 0.5)
    np.testing.assert_allclose(found.mean(axis=0), [105.5, 45.5, 25.5], atol=1.0)


def test_files_of_another_kind_are_refused(model_file, tmp_path):
    from tmtv_tf.input.grid import ModelGrid
    from tmtv_tf.models import vnet

    grid = ModelGrid(shape=(16, 16, 16), channels=("pet",))
    save_model(tmp_path / "vnet.keras", vnet(grid.input_shape, 2, (1,), 1), grid)
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "none.keras")
    model, grid = load_model(model_file)
    assert grid == GRID
    with pytest.raises(ModelError, match="but its grid gives"):
        save_model(tmp_path / "odd.keras", model, MultitaskGrid())
    assert not (tmp_path / "odd.keras").exists()


def test_no_map_of_another_model_is_left_where_predicting_fails(cases, model_file, tmp_path):
    """The PET of the second case is gone, and so is what another model had made of it."""
    import shutil

    shutil.copytree(cases, tmp_path / "cases")
    out = tmp_path / "p"
    command = ["predict", str(tmp_path / "cases"), "--model", str(tmp_path / "m.keras"), "--out", str(out)]
    shutil.copy(model_file, tmp_path / "m.keras")
    assert CliRunner().invoke(app, command).exit_code == 0
    save_model(tmp_path / "m.keras", build_model("multitask_unet", GRID.input_shape, width=0.0625), GRID)
    (tmp_path / "cases" / "case-01" / "pet.nii.gz").unlink()
    assert CliRunner().invoke(app, command).exit_code == 1
    assert sorted(path.name for path in (out / "case-00").iterdir()) == [
        "prediction.json",
        "probability.nii.gz",
    ]
    assert not list((out / "case-01").iterdir())
