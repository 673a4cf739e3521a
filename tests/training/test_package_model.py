"""Packaging: PET alone is the whole network with an empty CT, float16 keeps the answer, OpenVINO gives the same."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from petct.errors import ModelError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.compact import compact_unet
from tmtv_tf.models.file import load_model, read_description, save_model
from tmtv_tf.weights import packaged_file, packaged_name
from training.package_model import app, mean_weights, move_midpoint, moved, resized, without_ct

TRAINED = ModelGrid(shape=(32, 16, 16), spacing_mm=(6.0, 6.0, 6.0))
GRID = replace(TRAINED, shape=(32, 16, 32))


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    keras.utils.set_random_seed(1)
    model = compact_unet(TRAINED.input_shape, (8, 16), initial_probability=0.5)
    model.set_weights(
        [w + np.random.default_rng(i).normal(0, 0.1, w.shape) for i, w in enumerate(model.get_weights())]
    )
    save_model(folder / "last.keras", model, TRAINED, {"seed": 7})
    options = ["--shape", "32", "16", "32", "--midpoint", "0.35", "--certain", "0.5", "--margin-mm", "6"]
    result = CliRunner().invoke(app, [str(folder / "last.keras"), "--out", str(folder), *options])
    assert result.exit_code == 0, result.output
    model = resized(model, GRID.input_shape)
    move_midpoint(model, 0.35)
    return folder, model


def _image():
    return np.random.default_rng(0).random((1, *GRID.input_shape)).astype(np.float32)


def test_float16_files_answer_as_the_trained_network(packaged):
    folder, model = packaged
    loaded, grid = load_model(folder / "synthetic-petct.keras")
    assert grid == GRID
    assert loaded.dtype_policy.name == "float32"
    np.testing.assert_allclose(np.asarray(loaded(_image())), np.asarray(model(_image())), atol=5e-3)
    assert read_description(folder / "synthetic-petct.keras").provenance["seed"] == 7


def test_pet_alone_is_the_network_with_an_empty_ct(packaged):
    folder, _ = packaged
    both, _ = load_model(folder / "synthetic-petct.keras")
    alone, grid = load_model(folder / "synthetic-pet.keras")
    assert grid.channels == ("pet",)
    image = _image()
    image[..., 1] = 0
    np.testing.assert_allclose(np.asarray(alone(image[..., :1])), np.asarray(both(image)), atol=1e-6)
    with pytest.raises(ModelError, match="takes 1 channels; needed are 2"):
        without_ct(alone)


def test_of_several_models_the_mean_is_packaged(packaged, tmp_path):
    folder, _ = packaged
    model, _ = load_model(folder / "last.keras")
    other = resized(model, TRAINED.input_shape)
    other.set_weights([w + 1 for w in model.get_weights()])
    save_model(tmp_path / "other.keras", other, TRAINED, {})
    for mean, weights in zip(
        mean_weights([folder / "last.keras", tmp_path / "other.keras"]), model.get_weights()
    ):
        np.testing.assert_allclose(mean, weights + 0.5, atol=1e-6)
    save_model(tmp_path / "small.keras", compact_unet(TRAINED.input_shape, (8,)), TRAINED, {})
    with pytest.raises(ModelError, match="small.keras is not of the same network as .*last.keras"):
        mean_weights([folder / "last.keras", tmp_path / "small.keras"])


def test_the_midpoint_becomes_one_half(packaged):
    _, model = packaged
    other = resized(model, GRID.input_shape)
    move_midpoint(other, 0.3)
    before, after = np.asarray(model(_image())), np.asarray(other(_image()))
    odds = before / (1 - before) * (0.7 / 0.3)
    np.testing.assert_allclose(after, odds / (1 + odds), atol=1e-5)
    np.testing.assert_array_equal(after > 0.5, before > 0.3)


def test_what_was_certain_stays_certain(packaged):
    folder, _ = packaged
    assert moved(0.5, 0.35) == pytest.approx(0.65)
    assert moved(0.4, 0.5) == pytest.approx(0.4)
    for name in ("synthetic-pet.keras", "synthetic-petct.openvino"):
        found = read_description(folder / name).outlining
        assert (found.margin_mm, found.certain) == (6, pytest.approx(0.65))


@pytest.mark.parametrize("name", ["synthetic-pet", "synthetic-petct"])
def test_openvino_gives_what_keras_gives(packaged, name):
    from tmtv_tf.inference.load import load_model as load

    folder, _ = packaged
    model, grid = load_model(folder / f"{name}.keras")
    image = _image()[..., : len(grid.channels)]
    found = load(folder / f"{name}.openvino")
    np.testing.assert_allclose(found.network(image)["probability"], np.asarray(model(image)), atol=2e-2)
    assert (
        "synthetic images only; not validated on patients"
        in found.description.warnings("m", on_phantom=False)[0]
    )
    assert found.needs_ct == name.endswith("ct")


def test_an_unknown_name_is_refused_by_name():
    assert packaged_name(has_ct=True) == "synthetic-petct"
    assert packaged_name(has_ct=False) == "synthetic-pet"
    with pytest.raises(
        ModelError, match="No packaged model is called 'sun'; there are synthetic-petct, synthetic-pet"
    ):
        packaged_file("sun", ".keras")
