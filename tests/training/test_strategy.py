"""Several devices train what one would: the losses are per sample, so nothing is doubled."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from little_cohort import write_little_cohort

from petct.errors import ParameterError
from tmtv_tf.models.file import load_model
from training.config import read_config
from training.train_vnet import Config, run

HERE = Path(__file__).parent
# Validation: 3 cases in batches of 2, so that the last batch leaves one replica without a case.
CONFIG = """
epochs: 3
batch: 2
grid: {shape: [16, 16, 16], spacing_mm: [4, 4, 4]}
model: {filters: 4, convolutions: [1, 1], bottom_convolutions: 1, kernel_size: 3, dropout: 0.0}
optimizer: {name: sgd, learning_rate: 0.05}
augmentation: {mode: online}
"""
ONLINE = "augmentation:\n  mode: online\n"


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory) -> Path:
    """A cohort, and the run of one device on it."""
    folder = tmp_path_factory.mktemp("one")
    write_little_cohort(folder / "cases", 12)
    (folder / "c.yaml").write_text(CONFIG)
    run(read_config(folder / "c.yaml", Config), folder / "cases", folder / "run")
    return folder


@pytest.mark.parametrize("where", ["", "  on_accelerator: true\n"])
def test_two_replicas_give_the_weights_of_one(on_one_device, tmp_path, where):
    """Also when each replica augments its own share of the batch inside the training step."""
    (tmp_path / "c.yaml").write_text(CONFIG.replace("augmentation: {mode: online}\n", f"{ONLINE}{where}"))
    script = HERE / "train_on_logical_cpus.py"
    subprocess.run(
        [sys.executable, script, "2", tmp_path / "c.yaml", on_one_device / "cases", tmp_path / "run"],
        check=True,
        capture_output=True,
    )
    assert_same(on_one_device / "run", tmp_path / "run")


def assert_same(*runs: Path) -> None:
    """The same weights and the same log, to rounding."""
    one, two = (load_model(run / "last.keras")[0].get_weights() for run in runs)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    logs = [list(csv.DictReader((run / "log.csv").read_text().splitlines())) for run in runs]
    for a, b in zip(*logs, strict=True):
        assert [float(v) for v in a.values()] == pytest.approx([float(v) for v in b.values()], abs=1e-5)


def test_accumulated_gradients_are_those_of_the_larger_batch(tmp_path):
    """Batches of one, two before each update, are batches of two: the same weights to rounding. Six cases train."""
    on_six = write_little_cohort(tmp_path / "cases", 8)
    for name, batch, steps in (("batch", 2, 1), ("accumulated", 1, 2)):
        config = CONFIG.replace("batch: 2", f"batch: {batch}").replace(
            "learning_rate: 0.05}", f"learning_rate: 0.05, gradient_accumulation_steps: {steps}}}"
        )
        (tmp_path / "c.yaml").write_text(config)
        run(read_config(tmp_path / "c.yaml", Config), on_six, tmp_path / name)
    one, two = (load_model(tmp_path / n / "last.keras")[0].get_weights() for n in ("batch", "accumulated"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


BATCH_NORM = CONFIG.replace("dropout: 0.0}", "dropout: 0.0, normalization: batch}").replace(
    "learning_rate: 0.05}", "learning_rate: 0.05, clip_norm: 0.01}"
)


def test_two_replicas_that_are_stopped_and_resumed_give_the_weights_of_one(on_one_device, tmp_path):
    """With batch normalisation (over the whole batch) and clipping (of the whole gradient)."""
    (tmp_path / "c.yaml").write_text(BATCH_NORM)
    runs = [tmp_path / "one", tmp_path / "two"]
    command = [tmp_path / "c.yaml", on_one_device / "cases"]
    script = [sys.executable, HERE / "train_on_logical_cpus.py"]
    subprocess.run([*script, "1", *command, runs[0]], check=True, capture_output=True)
    environment = {**os.environ, "SIGNAL_AT": "TERM 2"}
    stopped = subprocess.run(
        [*script, "2", *command, runs[1]], env=environment, capture_output=True, text=True
    )
    assert (stopped.returncode, "Stopped by SIGTERM in epoch 1 after step 2" in stopped.stderr) == (75, True)
    subprocess.run([*script, "2", *command, runs[1]], check=True, capture_output=True)
    assert_same(*runs)


def test_two_replicas_with_one_validation_case(tmp_path):
    """The second replica never has a case; the first epoch's validation was lost to that."""
    cases = write_little_cohort(tmp_path / "cases", 4)
    (tmp_path / "c.yaml").write_text(CONFIG)
    run(read_config(tmp_path / "c.yaml", Config), cases, tmp_path / "one")
    script = HERE / "train_on_logical_cpus.py"
    subprocess.run(
        [sys.executable, script, "2", tmp_path / "c.yaml", cases, tmp_path / "two"],
        check=True,
        capture_output=True,
    )
    assert_same(tmp_path / "one", tmp_path / "two")


def test_validation_that_oneDNN_cannot_run_is_refused(monkeypatch):
    from training.strategy import check_validation

    class TwoReplicas:
        num_replicas_in_sync = 2

    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    check_validation(4, 4, TwoReplicas())
    check_validation(7, 4, TwoReplicas())
    with pytest.raises(ParameterError, match="6 validation cases in batches of 4 leave one of the 2 CPU"):
        check_validation(6, 4, TwoReplicas())


def test_gradients_are_accumulated_on_one_device_only(monkeypatch):
    from training.strategy import choose_strategy

    assert choose_strategy(accumulate_gradients=True).num_replicas_in_sync == 1
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    with pytest.raises(ParameterError, match="one device only"):
        choose_strategy(accumulate_gradients=True)


def test_a_batch_that_the_devices_cannot_share_is_refused():
    from training.strategy import check_batch

    class TwoReplicas:
        num_replicas_in_sync = 2

    check_batch(4, TwoReplicas())
    with pytest.raises(ParameterError, match="batch: 3 is not divisible by the 2 devices"):
        check_batch(3, TwoReplicas())
