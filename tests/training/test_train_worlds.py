"""Training on worlds: views of a sample, the stream of a resumed run, and a run that learns and goes on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from world_samples import GRID, WILD, _sample

from petct.errors import ParameterError
from tmtv_tf.phantom.worlds.pool import write_sample
from training.worlds_data import training_stream


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
