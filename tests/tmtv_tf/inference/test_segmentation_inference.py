"""Predictions keep their place, cover the body, and are refused where the model does not fit."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from petct.errors import CaseError, ModelError
from petct.image import Geometry, Image, read_image, write_image
from tmtv_tf.inference.windows import cover_body, predict_probability
from tmtv_tf.input.grid import ModelGrid, place_grid
from tmtv_tf.models import vnet
from tmtv_tf.models.file import load_model, read_description, save_model

GRID = ModelGrid((16, 16, 16), (4.0, 4.0, 4.0), channels=("pet",))


def identity(image):
    """A network whose probability is the PET channel itself."""
    return image[..., :1]


def smooth_pet(shape, spacing_mm, origin_mm=(3.0, -50.0, 20.0)) -> Image:
    """SUV that falls smoothly with the distance from the centre, 12.5 at most, body everywhere."""
    geometry = Geometry(shape, spacing_mm, origin_mm)
    index = np.indices(shape).reshape(3, -1).T
    world = geometry.to_world(index)
    centre = (geometry.corners_mm()[0] + geometry.corners_mm()[-1]) / 2
    distance = np.linalg.norm(world - centre, axis=1).reshape(shape)
    return Image((12.5 * np.exp(-((distance / 60) ** 2)) + 0.3).astype(np.float32), geometry)


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


# model files ----------------------------------------------------------------------------------------------


def network(channels: int = 2) -> keras.Model:
    return vnet((16, 16, 16, channels), filters=2, convolutions=(1, 1), bottom_convolutions=1, kernel_size=3)


@pytest.fixture
def model_file(tmp_path):
    save_model(tmp_path / "m.keras", network(), ModelGrid((16, 16, 16)), {"note": "test"})
    return tmp_path / "m.keras"


def test_a_model_carries_its_preprocessing(model_file):
    model, grid = load_model(model_file)
    assert grid == ModelGrid((16, 16, 16))
    assert model.input_shape == (None, 16, 16, 16, 2)
    assert read_description(model_file).provenance == {"note": "test"}


def test_a_model_loads_with_keras_alone(model_file):
    """In a clean process, without this package and without custom_objects."""
    import subprocess
    import sys

    code = (
        "import sys, keras; m = keras.saving.load_model(sys.argv[1]); "
        "print(m.count_params(), any(n.startswith('tmtv_tf') for n in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, model_file], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [str(network().count_params()), "False"]


def test_a_network_that_does_not_fit_its_grid_is_refused(tmp_path):
    with pytest.raises(ModelError, match="takes"):
        save_model(tmp_path / "m.keras", network(), ModelGrid((32, 16, 16)))


def test_a_stranger_is_refused(tmp_path):
    network().save(tmp_path / "stranger.keras")
    with pytest.raises(ModelError, match=r"stranger\.keras: holds no tmtv\.json"):
        load_model(tmp_path / "stranger.keras")
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(ModelError, match="not a whole model file"):
        load_model(tmp_path / "text.keras")
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "absent.keras")


def test_code_in_a_model_file_is_not_run(tmp_path):
    """A Lambda layer is refused by Keras's safe mode."""
    inputs = keras.Input((16, 16, 16, 2))
    outputs = keras.layers.Lambda(lambda x: x[..., :1])(inputs)
    model = keras.Model(inputs, outputs)
    save_model(tmp_path / "lambda.keras", model, ModelGrid((16, 16, 16)))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(tmp_path / "lambda.keras")


def test_a_damaged_model_is_refused(tmp_path):
    """One byte of the weights is another: the archive's checksum tells."""
    path = tmp_path / "model.keras"
    save_model(path, network(), ModelGrid((16, 16, 16)))
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    content = bytearray(path.read_bytes())
    content[weights.header_offset + 200 + weights.compress_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a whole model file"):
        load_model(path)


# the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def cases(tmp_path):
    from tmtv_tf.cases.cohort import write_cohort

    folder = tmp_path / "cases"
    for i, name in enumerate(("a", "b")):
        pet = smooth_pet((18, 10, 12), (3.5, 6.0, 5.0))
        write_image(folder / name / "pet.nii.gz", pet)
        if name == "a":
            write_image(folder / name / "ct.nii.gz", pet.with_array(np.full(pet.array.shape, 40, np.int16)))
        (folder / name / "case.json").write_text(json.dumps({"case_id": name, "n": i}))
    write_cohort(
        folder,
        [
            {"case_id": "a", "patient_key": "1", "split": "test"},
            {"case_id": "b", "patient_key": "2", "split": "train"},
        ],
    )
    return folder


def run(*arguments):
    from tmtv_tf.cli import app

    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_predict_writes_a_map_and_goes_on_past_a_bad_case(cases, model_file, tmp_path):
    result = run(cases, "--model", model_file, "--out", tmp_path / "p")
    assert result.exit_code == 1
    assert "Failed: b:" in result.output
    assert "there is no CT (ct.nii.gz), but m.keras was trained on PET and CT" in result.output
    probability = read_image(tmp_path / "p" / "a" / "probability.nii.gz")
    assert probability.geometry.same_grid(read_image(cases / "a" / "pet.nii.gz").geometry)
    assert probability.array.dtype == np.float32
    assert 0 <= probability.array.min() <= probability.array.max() <= 1
    assert not (tmp_path / "p" / "b").exists()


def test_predict_keeps_what_is_finished_and_repeats_what_changed(cases, model_file, tmp_path):
    arguments = (cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    path = tmp_path / "p" / "a" / "probability.nii.gz"
    before = path.stat().st_mtime_ns
    assert "1 of 1 cases were finished already" in run(*arguments).output
    assert path.stat().st_mtime_ns == before
    save_model(model_file, network(), ModelGrid((16, 16, 16)))
    assert run(*arguments).exit_code == 0
    assert path.stat().st_mtime_ns != before


def test_predict_refuses_a_split_that_is_none(cases, model_file, tmp_path):
    result = run(cases, "--model", model_file, "--out", tmp_path / "p", "--split", "tset")
    assert result.exit_code != 0
    assert "train, validation, test" in str(result.exception)


@pytest.mark.parametrize("spoil", ["ct.nii.gz", "pet.nii.gz", "nan"])
def test_no_map_of_another_model_or_image_is_left_where_predicting_fails(cases, model_file, tmp_path, spoil):
    """Else the next step takes it for this model's."""
    arguments = (cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    if spoil == "nan":
        pet = read_image(cases / "a" / "pet.nii.gz")
        pet.array[3, 3, 3] = np.nan
        write_image(cases / "a" / "pet.nii.gz", pet)
    else:
        (cases / "a" / spoil).unlink()
        save_model(model_file, network(), ModelGrid((16, 16, 16)))
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Failed: a:" in result.output
    assert not list((tmp_path / "p" / "a").iterdir())


def test_what_stands_stays_where_the_model_cannot_be_used(cases, model_file, tmp_path):
    arguments = (cases, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments, "--model", model_file).exit_code == 0
    network().save(tmp_path / "stranger.keras")
    assert isinstance(run(*arguments, "--model", tmp_path / "stranger.keras").exception, ModelError)
    assert "finished already" in run(*arguments, "--model", model_file).output


def test_no_map_is_ever_without_its_origin(cases, model_file, tmp_path, monkeypatch):
    """Whichever of the two files cannot be written or removed, a map that stands has its own prediction.json."""
    import tmtv_tf.inference.cases as module

    arguments = (cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    folder = tmp_path / "p" / "a"

    def killed(*_):
        raise OSError(28, "No space left on device", "somewhere")

    for name in ("write_image", "write_json", "remove"):
        assert run(*arguments).exit_code == 0
        save_model(model_file, network(), ModelGrid((16, 16, 16)))
        before = (folder / "probability.nii.gz").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            result = run(*arguments)
        assert "Failed: a: somewhere: No space left on device." in result.output
        if (folder / "probability.nii.gz").exists():
            assert (folder / "probability.nii.gz").read_bytes() == before
            assert (folder / "prediction.json").exists()


def test_a_packaged_network_is_predicted_with_by_its_name(cases, tmp_path):
    """As OpenVINO runs it; the file is named, and that it was trained on synthetic images."""
    pet = smooth_pet((110, 40, 60), (6.0, 6.0, 6.0))
    write_image(cases / "a" / "pet.nii.gz", pet)
    result = run(cases / "a", "--model", "synthetic-pet", "--out", tmp_path / "p")
    assert result.exit_code == 0, result.output
    info = json.loads((tmp_path / "p" / "a" / "prediction.json").read_text())
    assert (info["model"], info["trained_on"]) == ("synthetic-pet.openvino", "synthetic images")
    assert (tmp_path / "p" / "a" / "probability.nii.gz").is_file()


def test_predict_says_what_it_used(cases, model_file, tmp_path):
    run(cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    info = json.loads((tmp_path / "p" / "a" / "prediction.json").read_text())
    assert info["model"] == "m.keras"
    assert sorted(info["inputs"]) == ["ct", "model", "pet"]
    assert sorted(info["software"]) == ["name", "version"]


def test_a_wrong_call_is_refused_before_tensorflow_is_loaded(cases, model_file, tmp_path):
    """One sentence for all cases, in a process that could not load TensorFlow."""
    import subprocess
    import sys

    (tmp_path / "file").touch()
    right = {"cases": cases, "--model": model_file, "--out": tmp_path / "p", "--split": "test"}
    for name, value, says in (
        ("cases", tmp_path / "none", "none: no such folder"),
        ("--model", tmp_path / "none", "none: no such model file"),
        ("--out", tmp_path / "file", "file: cannot be written"),
        ("--out", tmp_path / "file" / "p", "file is not a folder"),
        ("--split", "tset", "must be one of train, validation, test"),
    ):
        call = dict(right)
        call[name] = value
        arguments = [str(call.pop("cases")), *(str(word) for pair in call.items() for word in pair)]
        code = (
            "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
            "from tmtv_tf.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "predict", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_case_folder_in_the_way_is_named(cases, model_file, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").touch()
    result = run(cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    assert result.exit_code == 2
    assert "a/prediction.json: cannot be written" in result.output
    assert "fault of this software" not in result.output


def test_a_model_of_phantoms_says_so_on_a_patient(cases, tmp_path):
    """In prediction.json and on the terminal, once for all cases, also where the map was finished before."""
    model_file = tmp_path / "demo.keras"
    save_model(
        model_file,
        network(1),
        ModelGrid((16, 16, 16), channels=("pet",)),
        trained_on="phantom",
        trained_on_text="demo",
    )
    info = json.loads((cases / "b" / "case.json").read_text())
    (cases / "b" / "case.json").write_text(json.dumps(info | {"phantom": True}))
    for _ in range(2):
        result = run(cases, "--model", model_file, "--out", tmp_path / "p")
        assert result.exit_code == 0
        said = [line for line in result.output.splitlines() if "phantoms only" in line]
        assert len(said) == 1
        assert said[0].startswith(
            "WARNING: demo.keras was trained on computer-made phantoms only: on a patient"
        )
        assert said[0].endswith("(a)")
    patient, phantom = (json.loads((tmp_path / "p" / n / "prediction.json").read_text()) for n in "ab")
    assert (patient["trained_on"], patient["trained_on_text"]) == ("phantom", "demo")
    assert "phantoms only" in patient["warnings"][0]
    assert phantom["warnings"] == []
    (cases / "b" / "case.json").write_text(json.dumps(info))  # it is a patient after all
    run(cases, "--model", model_file, "--out", tmp_path / "p")
    assert "phantoms only" in (tmp_path / "p" / "b" / "prediction.json").read_text()


def test_a_prediction_made_before_models_said_so_is_made_again(cases, model_file, tmp_path):
    arguments = (cases, "--model", model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    path = tmp_path / "p" / "a" / "prediction.json"
    new = json.loads(path.read_text())
    path.write_text(
        json.dumps({k: v for k, v in new.items() if not k.startswith("trained_on")} | {"warnings": []})
    )
    assert run(*arguments).exit_code == 0
    assert json.loads(path.read_text()) == new
    assert new["warnings"] == ["m.keras does not say what it was trained on."]
