"""Training on worlds: views of a sample, the stream of a resumed run, and a run that learns and goes on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.phantom.worlds.pool import write_sample
from tmtv_tf.phantom.worlds.sample import Sample
from training.worlds_data import Moves, cut_field_of_view, draw_view, example, source_of, training_stream

GRID = ModelGrid(shape=(16, 16, 16), spacing_mm=(8.0, 8.0, 8.0), pet_window_suv=(0.0, 20.0))
STILL = Moves((1.0, 1.0), (1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), False, 0.0)
WILD = Moves((0.75, 1.3), (0.9, 1.2), (12.0, 8.0, 14.0), (30.0, 40.0, 50.0), True, 0.05)


def _sample(seed=0, z=30) -> Sample:
    rng = np.random.default_rng(seed)
    suv = rng.uniform(0.5, 1.5, (z, 24, 28)).astype(np.float32)
    truth = np.zeros(suv.shape, np.float32)
    truth[20:26, 8:12, 4:10] = 1
    suv[truth > 0] = 10
    return Sample(suv, suv * 40, truth, truth.astype(np.uint8), np.zeros(suv.shape, bool))


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


def test_a_resumed_stream_goes_on_where_the_first_would_have_been(tmp_path):
    for number in range(3):
        write_sample(tmp_path / "painter" / f"{number:05d}.npz", _sample(number))
    options = {"seed": 5, "epochs": 2, "steps": 3}
    whole = [x.numpy() for x, _ in training_stream(tmp_path, ["painter"], GRID, WILD, **options)]
    rest = [
        x.numpy()
        for x, _ in training_stream(tmp_path, ["painter"], GRID, WILD, first_epoch=0, first_step=2, **options)
    ]
    assert len(whole) == 6
    np.testing.assert_array_equal(np.stack(whole[2:]), np.stack(rest))
    with pytest.raises(ParameterError, match="no sample of the world 'male'"):
        training_stream(tmp_path, ["male"], GRID, WILD, **options)


def test_a_run_learns_goes_on_and_can_start_from_its_own_weights(tmp_path):
    from training.train_worlds import Config, run

    for number in range(2):
        write_sample(tmp_path / "pool" / "painter" / f"{number:05d}.npz", _sample(number))
    settings = {
        "epochs": 2,
        "steps": 6,
        "worlds": ["painter"],
        "grid": {"shape": [16, 16, 16], "spacing_mm": [8, 8, 8], "channels": ["pet"]},
        "model": {"architecture": "compact", "filters": [4, 8]},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
    }
    out = tmp_path / "run"
    run(Config.model_validate({**settings, "epochs": 1}), tmp_path / "pool", out)
    run(Config.model_validate(settings), tmp_path / "pool", out)
    log = (out / "log.csv").read_text().splitlines()
    assert len(log) == 3
    losses = [float(line.split(",")[log[0].split(",").index("loss")]) for line in log[1:]]
    assert losses[1] < losses[0]
    network = {**settings["model"], "initial_weights": str(out / "last.keras")}
    start = Config.model_validate({**settings, "epochs": 1, "model": network})
    run(start, tmp_path / "pool", tmp_path / "second")
    again = (tmp_path / "second" / "log.csv").read_text().splitlines()
    assert float(again[1].split(",")[again[0].split(",").index("loss")]) < losses[0]


def test_a_stopped_run_ends_and_goes_on(tmp_path):
    """SIGTERM in the middle of an epoch: the process ends with 75, and the same command finishes the run."""
    for number in range(2):
        write_sample(tmp_path / "pool" / "painter" / f"{number:05d}.npz", _sample(number))
    (tmp_path / "c.yaml").write_text(
        "{epochs: 1, steps: 3000, worlds: [painter], grid: {shape: [16, 16, 16], spacing_mm: [8, 8, 8]},"
        " model: {architecture: compact, filters: [4, 8]}, optimizer: {name: adam}}"
    )
    command = [sys.executable, "-m", "training.train_worlds", "--config", tmp_path / "c.yaml"]
    command += ["--pool", tmp_path / "pool", "--out", tmp_path / "run"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    while not (tmp_path / "run" / "tensorboard").exists() and process.poll() is None:
        time.sleep(0.5)
    time.sleep(3)
    process.terminate()
    assert process.wait(timeout=60) == 75
    assert (tmp_path / "run" / "state.npz").is_file()
