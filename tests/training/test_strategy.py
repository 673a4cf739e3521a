"""Several devices train what one would: the losses are per sample, so nothing is doubled."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from little_cohort import write_little_cohort
from multitask_cohort import write_cohort_of_boxes

from petct.errors import ParameterError
from tmtv_tf.models.file import load_model
from training.config import PACKAGED, read_config
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


def assert_same(*runs: Path, amplified: float = 0.0) -> None:
    """The same weights and the same log, to rounding; `amplified` is the share of weights that may differ by more."""
    one, two = (load_model(run / "last.keras")[0].get_weights() for run in runs)
    if amplified:
        differences = np.concatenate([np.abs(a - b).ravel() for a, b in zip(one, two, strict=True)])
        assert np.mean(differences > 1e-5) < amplified
        assert differences.max() < 1e-3  # no more than its steps can carry a weight
    else:
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


def train(devices: int, config: Path, cases: Path, out: Path, *model: str, signal_at: str = "") -> None:
    """Train in a process of its own on that many logical CPUs; stopped, and told so, where `signal_at` says."""
    environment = {**os.environ, **({"SIGNAL_AT": signal_at} if signal_at else {})}
    done = subprocess.run(
        [sys.executable, HERE / "train_on_logical_cpus.py", str(devices), config, cases, out, *model],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (75 if signal_at else 0), done.stderr
    if signal_at:
        assert "Stopped by SIGTERM in epoch 1 after step 2" in done.stderr


def test_two_replicas_that_are_stopped_and_resumed_give_the_weights_of_one(on_one_device, tmp_path):
    """With batch normalisation (over the whole batch) and clipping (of the whole gradient)."""
    (tmp_path / "c.yaml").write_text(BATCH_NORM)
    what = (tmp_path / "c.yaml", on_one_device / "cases")
    train(1, *what, tmp_path / "one")
    train(2, *what, tmp_path / "two", signal_at="TERM 2")
    train(2, *what, tmp_path / "two")
    assert_same(tmp_path / "one", tmp_path / "two")


# The papers' configurations, made small in size alone: their losses, optimizers, schedules, dropout, batch statistics
# and augmentation stay.
SMALL_VNET = {
    "epochs": 3,
    "grid": {"shape": [16, 16, 16], "spacing_mm": [4, 4, 4]},
    "model": {"filters": 4, "convolutions": [1, 1], "bottom_convolutions": 1, "kernel_size": 3},
}
SMALL_MULTITASK = {
    "epochs": 2,
    "batch": 4,
    "width": 0.0625,
    "grid": {"shape": [40, 22, 22], "spacing_mm": [20, 20, 20], "crop": [32, 16, 16], "size": [32, 16, 16]},
    "learning_rate_drop": {"after_epochs": 1},
}


@pytest.mark.parametrize("paper", ["vnet", pytest.param("multitask", marks=pytest.mark.slow)])
def test_the_papers_configurations_give_one_device_s_weights_on_two(paper, tmp_path):
    """Also when the run on two devices was stopped within an epoch, and went on.

    Adam divides a gradient by its own size: one of rounding's size moves a weight as far as any other. So of the
    second paper's 418,520 weights 4 to 508, by the kind of CPU, differ by more than 1e-5, where a step is 1e-4;
    gradients of other images would move nearly all of them. The stopped run is the undisturbed one on two devices.
    """
    config = yaml.safe_load((PACKAGED / f"{paper}_paper.yaml").read_text())
    for key, value in (SMALL_VNET if paper == "vnet" else SMALL_MULTITASK).items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    if paper == "vnet":
        cases, model = write_little_cohort(tmp_path / "cases", 12), ()
    else:
        cases, model = write_cohort_of_boxes(tmp_path / "cases", without_truth=(0,)), ("multitask_unet",)
    what = (tmp_path / "c.yaml", cases)
    train(1, *what, tmp_path / "one", *model)
    train(2, *what, tmp_path / "two", *model, signal_at="TERM 2")
    train(2, *what, tmp_path / "two", *model)
    assert_same(tmp_path / "one", tmp_path / "two", amplified=0.0 if paper == "vnet" else 0.01)


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


def test_bfloat16_without_the_hardware_for_it_warns(tmp_path, monkeypatch, caplog):
    import training.fit

    write_little_cohort(tmp_path / "cases", 4)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("epochs: 3", "epochs: 1") + "precision: mixed_bfloat16\n")
    for number, there in enumerate((True, False)):
        monkeypatch.setattr(training.fit, "computes_in_bfloat16", lambda there=there: there)
        run(read_config(tmp_path / "c.yaml", Config), tmp_path / "cases", tmp_path / f"run{number}")
        assert ("mixed_bfloat16, which this CPU does not compute" in caplog.text) is not there


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
