"""`tmtv predict`: which maps are written, kept, made again or taken away, and what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from predict_files import network, smooth_pet
from typer.testing import CliRunner

from petct.errors import ModelError
from petct.image import read_image, write_image
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.file import save_model


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


def test_predict_writes_a_map_and_goes_on_past_a_bad_case(cases, small_model_file, tmp_path):
    result = run(cases, "--model", small_model_file, "--out", tmp_path / "p")
    assert result.exit_code == 1
    assert "Failed: b:" in result.output
    assert "there is no CT (ct.nii.gz), but m.keras was trained on PET and CT" in result.output
    probability = read_image(tmp_path / "p" / "a" / "probability.nii.gz")
    assert probability.geometry.same_grid(read_image(cases / "a" / "pet.nii.gz").geometry)
    assert probability.array.dtype == np.float32
    assert 0 <= probability.array.min() <= probability.array.max() <= 1
    assert not (tmp_path / "p" / "b").exists()


def test_predict_keeps_what_is_finished_and_repeats_what_changed(cases, small_model_file, tmp_path):
    arguments = (cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    path = tmp_path / "p" / "a" / "probability.nii.gz"
    before = path.stat().st_mtime_ns
    assert "1 of 1 cases were finished already" in run(*arguments).output
    assert path.stat().st_mtime_ns == before
    save_model(small_model_file, network(), ModelGrid((16, 16, 16)))
    assert run(*arguments).exit_code == 0
    assert path.stat().st_mtime_ns != before


def test_predict_refuses_a_split_that_is_none(cases, small_model_file, tmp_path):
    result = run(cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "tset")
    assert result.exit_code != 0
    assert "train, validation, test" in str(result.exception)


@pytest.mark.parametrize("spoil", ["ct.nii.gz", "pet.nii.gz", "nan"])
def test_no_map_of_another_model_or_image_is_left_where_predicting_fails(
    cases, small_model_file, tmp_path, spoil
):
    """Else the next step takes it for this model's."""
    arguments = (cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    if spoil == "nan":
        pet = read_image(cases / "a" / "pet.nii.gz")
        pet.array[3, 3, 3] = np.nan
        write_image(cases / "a" / "pet.nii.gz", pet)
    else:
        (cases / "a" / spoil).unlink()
        save_model(small_model_file, network(), ModelGrid((16, 16, 16)))
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Failed: a:" in result.output
    assert not list((tmp_path / "p" / "a").iterdir())


def test_what_stands_stays_where_the_model_cannot_be_used(cases, small_model_file, tmp_path):
    arguments = (cases, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments, "--model", small_model_file).exit_code == 0
    network().save(tmp_path / "stranger.keras")
    assert isinstance(run(*arguments, "--model", tmp_path / "stranger.keras").exception, ModelError)
    assert "finished already" in run(*arguments, "--model", small_model_file).output


def test_no_map_is_ever_without_its_origin(cases, small_model_file, tmp_path, monkeypatch):
    """Whichever of the two files cannot be written or removed, a map that stands has its own prediction.json."""
    import tmtv_tf.inference.cases as module

    arguments = (cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    folder = tmp_path / "p" / "a"

    def killed(*_):
        raise OSError(28, "No space left on device", "somewhere")

    for name in ("write_image", "write_json", "remove"):
        assert run(*arguments).exit_code == 0
        save_model(small_model_file, network(), ModelGrid((16, 16, 16)))
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


def test_predict_says_what_it_used(cases, small_model_file, tmp_path):
    run(cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    info = json.loads((tmp_path / "p" / "a" / "prediction.json").read_text())
    assert info["model"] == "m.keras"
    assert sorted(info["inputs"]) == ["ct", "model", "pet"]
    assert sorted(info["software"]) == ["name", "version"]


def test_a_wrong_call_is_refused_before_tensorflow_is_loaded(cases, small_model_file, tmp_path):
    """One sentence for all cases, in a process that could not load TensorFlow."""
    import subprocess
    import sys

    (tmp_path / "file").touch()
    right = {"cases": cases, "--model": small_model_file, "--out": tmp_path / "p", "--split": "test"}
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


def test_a_case_folder_in_the_way_is_named(cases, small_model_file, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").touch()
    result = run(cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    assert result.exit_code == 2
    assert "a/prediction.json: cannot be written" in result.output
    assert "fault of this software" not in result.output


def test_a_model_of_phantoms_says_so_on_a_patient(cases, tmp_path):
    """In prediction.json and on the terminal, once for all cases, also where the map was finished before."""
    small_model_file = tmp_path / "demo.keras"
    save_model(
        small_model_file,
        network(1),
        ModelGrid((16, 16, 16), channels=("pet",)),
        trained_on="phantom",
        trained_on_text="demo",
    )
    info = json.loads((cases / "b" / "case.json").read_text())
    (cases / "b" / "case.json").write_text(json.dumps(info | {"phantom": True}))
    for _ in range(2):
        result = run(cases, "--model", small_model_file, "--out", tmp_path / "p")
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
    run(cases, "--model", small_model_file, "--out", tmp_path / "p")
    assert "phantoms only" in (tmp_path / "p" / "b" / "prediction.json").read_text()


def test_a_prediction_made_before_models_said_so_is_made_again(cases, small_model_file, tmp_path):
    arguments = (cases, "--model", small_model_file, "--out", tmp_path / "p", "--split", "test")
    assert run(*arguments).exit_code == 0
    path = tmp_path / "p" / "a" / "prediction.json"
    new = json.loads(path.read_text())
    path.write_text(
        json.dumps({k: v for k, v in new.items() if not k.startswith("trained_on")} | {"warnings": []})
    )
    assert run(*arguments).exit_code == 0
    assert json.loads(path.read_text()) == new
    assert new["warnings"] == ["m.keras does not say what it was trained on."]
