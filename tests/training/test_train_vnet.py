"""Training end to end on a little cohort: files, resuming after any end, refusals."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from little_cohort import write_config, write_little_cohort

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import read_json, write_json
from tmtv_tf.models.file import load_model, read_description
from training.config import read_config
from training.train_vnet import Config, run

EPOCHS = 6


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_little_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def undisturbed(cohort, tmp_path_factory):
    """A run from its first to its last epoch."""
    out = tmp_path_factory.mktemp("undisturbed")
    config = write_config(out.parent / "little.yaml", EPOCHS)
    run(read_config(config, Config), cohort, out)
    return out


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "log.csv") as file:
        return list(csv.DictReader(file))


def weights(path: Path) -> list[np.ndarray]:
    return load_model(path)[0].get_weights()


def test_a_run_leaves_what_it_promises(undisturbed):
    log = rows(undisturbed)
    assert [row["epoch"] for row in log] == [str(e + 1) for e in range(EPOCHS)]
    assert {"loss", "dice", "val_loss", "val_dice", "learning_rate"} <= log[0].keys()
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    for path in (undisturbed / "tensorboard").rglob("events*"):
        assert socket.gethostname() not in path.name
        assert socket.gethostname().encode() not in path.read_bytes()
    info = read_json(undisturbed / "run.json")
    assert info["config"]["optimizer"]["learning_rate"] == 0.01
    assert len(info["data"]["cases"]["train"]) == 6
    assert info["starts"][0]["software"]["keras"]
    assert info["starts"][0]["devices"]
    assert info["training_hours"] > 0
    for name in ("best.keras", "last.keras"):
        model, grid = load_model(undisturbed / name)
        assert grid.input_shape == (16, 16, 16, 2) == model.input_shape[1:]
        assert read_description(undisturbed / name).trained_on == "patients"
        assert read_description(undisturbed / name).has_checksum


def test_pictures_show_pet_truth_and_the_network_s_answer(cohort, undisturbed):
    """Read back from TensorBoard's file: one picture an epoch; the last shows what last.keras says."""
    import tensorflow as tf

    from tmtv_tf.input.arrays import model_arrays, read_model_arrays

    pictures = {}
    for path in (undisturbed / "tensorboard" / "pictures").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                picture = tf.io.decode_png(value.tensor.string_val[2])
                pictures[event.step] = picture.numpy()[..., 0] / 255
    assert sorted(pictures) == list(range(EPOCHS))
    model, grid = load_model(undisturbed / "last.keras")
    image, truth = read_model_arrays(model_arrays(cohort / "case3", grid))  # the first validation case
    parts = [image[..., 0] / 0.4, truth[..., 0], np.asarray(model(image[None]))[0, ..., 0]]
    expected = np.concatenate([1 - np.clip(part.max(axis=1), 0, 1)[::-1] for part in parts], axis=1)
    np.testing.assert_allclose(pictures[EPOCHS - 1], expected, atol=1 / 255)


def test_a_model_knows_whether_it_saw_phantoms(tmp_path):
    from petct.files import write_json
    from training.run import trained_on

    for case_id, phantom in (("a", True), ("b", False), ("c", None)):
        write_json(tmp_path / case_id / "case.json", {"phantom": phantom})
    assert trained_on(tmp_path, ["a"]) == "phantom"
    assert trained_on(tmp_path, ["b", "c"]) == "patients"
    assert trained_on(tmp_path, ["a", "b"]) == "phantom and patients"


def test_killed_and_terminated_it_ends_as_if_undisturbed(cohort, undisturbed, tmp_path):
    """SIGKILL after the first epoch, SIGTERM some steps later, then to the end: the same log, the same weights."""
    config, out = write_config(tmp_path / "c.yaml", EPOCHS), tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "training.train_vnet",
        "--config",
        config,
        "--data",
        cohort,
        "--out",
        out,
    ]

    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: (out / "log.csv").exists() and len(rows(out)) >= 1, first)
    first.kill()
    first.wait()
    done = len(rows(out))
    assert done < EPOCHS

    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(rows(out)) > done or done == EPOCHS - 1, second)
    second.send_signal(signal.SIGTERM)
    _, message = second.communicate(timeout=120)
    assert second.returncode in (75, 0)  # 0: it had just finished
    if second.returncode == 75:
        assert "Stopped by SIGTERM" in message
        assert "all is saved" in message
        assert "Traceback" not in message

    run(read_config(config, Config), cohort, out)
    assert rows(out) == rows(undisturbed)
    for name in ("best.keras", "last.keras"):
        for a, b in zip(weights(undisturbed / name), weights(out / name), strict=True):
            np.testing.assert_array_equal(a, b)


def test_terminated_at_any_step_it_ends_as_if_undisturbed(cohort, tmp_path, monkeypatch):
    """Steps 1 to 3 are the first epoch, 4 to 6 the second. At the last step of an epoch it is finished first."""
    from training.callbacks import StopOnNaN
    from training.stopping import TrainingStopped

    config = read_config(write_config(tmp_path / "c.yaml", 2), Config)
    run(config, cohort, tmp_path / "undisturbed")
    check, out, done = StopOnNaN.on_train_batch_end, tmp_path / "run", []

    def check_and_terminate(callback, batch, logs=None):
        check(callback, batch, logs)
        done.append(batch)
        if len(done) in (1, 3, 5, 6):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(StopOnNaN, "on_train_batch_end", check_and_terminate)
    for steps, where in (
        (1, "epoch 1 after step 1"),
        (4, "epoch 2 after step 1"),
        (5, "epoch 2 after step 2"),
    ):
        with pytest.raises(TrainingStopped, match=f"Stopped by SIGTERM in {where}; all is saved"):
            run(config, cohort, out)
        assert len(done) == steps
    run(config, cohort, out)
    assert len(done) == 6
    assert rows(out) == rows(tmp_path / "undisturbed")
    for a, b in zip(
        weights(tmp_path / "undisturbed" / "last.keras"), weights(out / "last.keras"), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_terminated_while_validating_it_stops_after_that(cohort, undisturbed, tmp_path, monkeypatch):
    from training.callbacks import StopOnNaN
    from training.stopping import TrainingStopped

    config = read_config(undisturbed.parent / "little.yaml", Config)
    with monkeypatch.context() as patch:
        patch.setattr(StopOnNaN, "on_test_begin", lambda *_: signal.raise_signal(signal.SIGTERM))
        for epoch in (1, 2):
            with pytest.raises(
                TrainingStopped, match=f"Stopped by SIGTERM after epoch {epoch}; all is saved"
            ):
                run(config, cohort, tmp_path)
            assert len(rows(tmp_path)) == epoch
    run(config, cohort, tmp_path)
    assert rows(tmp_path) == rows(undisturbed)


def test_terminated_before_a_step_it_says_so():
    """In a process of its own: the handlers are the process's."""
    code = (
        "import signal, typer; from petct.console import run_app; from training import stopping\n"
        "stopping.stop_at_once_when_asked(); app = typer.Typer(); "
        "app.command('stop')(lambda: signal.raise_signal(signal.SIGTERM)); run_app(app, [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, "Stopped by SIGTERM before a training step" in done.stderr) == (75, True)


def test_a_run_of_an_earlier_version_goes_on(cohort, undisturbed, tmp_path):
    """A key that is new in the configuration has its default there; a value that differs is still refused."""
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    info = read_json(out / "run.json")
    assert info["config"]["model"].pop("initial_probability") == 0.5
    write_json(out / "run.json", info)
    run(read_config(undisturbed.parent / "little.yaml", Config), cohort, out)
    info["config"]["model"]["initial_probability"] = 0.1
    write_json(out / "run.json", info)
    with pytest.raises(ParameterError, match="model.initial_probability: 0.1 there, 0.5 here"):
        run(read_config(undisturbed.parent / "little.yaml", Config), cohort, out)


def test_what_was_refused_before_a_step_does_not_block_the_folder(cohort, tmp_path):
    """A network that cannot be built is refused before anything is written; a NaN before an epoch leaves no state."""
    config = write_config(tmp_path / "c.yaml", 1)
    good = config.read_text()
    for wrong, message in (
        (good.replace("shape: [16, 16, 16]", "shape: [18, 16, 16]"), "divisible by 4"),
        (good.replace("{mode: online}", "{mode: online, scaling: [1.1, 0.9]}"), "smallest <= largest"),
        (good.replace("dropout: 0.2}", "dropout: 0.2, normalization: group}") + "packed: true\n", "pack"),
    ):
        config.write_text(wrong)
        with pytest.raises(ParameterError, match=message):
            run(read_config(config, Config), cohort, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        assert not list(cohort.glob("*/model_grid/18x*"))
    config.write_text(good.replace("learning_rate: 0.01", "learning_rate: 1.0e+30"))
    with pytest.raises(TmtvError, match="in a new --out"):
        run(read_config(config, Config), cohort, tmp_path / "run")
    config.write_text(good)
    run(read_config(config, Config), cohort, tmp_path / "run")
    assert len(rows(tmp_path / "run")) == 1


def test_the_best_epoch_by_dice_is_that_of_the_highest(cohort, tmp_path):
    config = write_config(tmp_path / "c.yaml", EPOCHS, "monitor: val_dice\n")
    run(read_config(config, Config), cohort, tmp_path / "run")
    progress = json.loads(str(np.load(tmp_path / "run" / "state.npz")["progress"]))
    values = [float(row["val_dice"]) for row in rows(tmp_path / "run")]
    assert progress["best"] == max(values) > min(values)


def test_another_configuration_never_overwrites_models(cohort, undisturbed, tmp_path):
    """Also where the state, which is large, was deleted after the training."""
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    (out / "state.npz").unlink()
    config = write_config(tmp_path / "c.yaml", EPOCHS, "monitor: val_dice\n")
    with pytest.raises(ParameterError, match="monitor: val_loss there, val_dice here"):
        run(read_config(config, Config), cohort, out)
    (out / "run.json").write_text("{}")
    with pytest.raises(ParameterError, match=r"holds models but no run\.json"):
        run(read_config(config, Config), cohort, out)


def test_the_last_line_and_a_full_memory_are_sentences(tmp_path):
    import tensorflow as tf

    from training.fit import conclusion, memory_explained
    from training.state import Progress

    config = read_config(write_config(tmp_path / "c.yaml", 1), Config)
    assert conclusion(Progress(epoch=2, best=0.25), config, tmp_path).startswith(
        "Best val_loss 0.2500 after 2"
    )
    assert "val_loss was never a number" in conclusion(Progress(epoch=2), config, tmp_path)
    with (
        pytest.raises(TmtvError, match="does not suffice for batch 2 in float32.*OOM when allocating"),
        memory_explained(config),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


def test_arrays_that_were_cut_short_are_written_again(cohort, tmp_path):
    from tmtv_tf.input.arrays import model_arrays, write_model_arrays

    grid = read_config(write_config(tmp_path / "c.yaml", 1), Config).grid.grid()
    arrays = model_arrays(cohort / "case0", grid)
    write_model_arrays(cohort / "case0", grid)
    whole = arrays.image.read_bytes()
    arrays.image.write_bytes(whole[:100])
    write_model_arrays(cohort / "case0", grid)
    assert arrays.image.read_bytes() == whole


def test_a_damaged_state_is_refused(cohort, tmp_path):
    from petct.errors import ModelError

    config = write_config(tmp_path / "c.yaml", 1)
    run(read_config(config, Config), cohort, tmp_path / "run")
    state = tmp_path / "run" / "state.npz"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ModelError, match="state.npz: not readable as the state of a training run"):
        run(read_config(config, Config), cohort, tmp_path / "run")


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("the training process ended before it was stopped")
        time.sleep(0.02)


def test_packed_training_is_plain_training(cohort, tmp_path):
    """One epoch each way, without dropout (whose draws differ): the same weights to float rounding."""
    trained = []
    for packed in ("false", "true"):
        config = write_config(tmp_path / f"{packed}.yaml", 1, f"packed: {packed}\n")
        config.write_text(config.read_text().replace("dropout: 0.2", "dropout: 0.0"))
        run(read_config(config, Config), cohort, tmp_path / packed)
        trained.append(weights(tmp_path / packed / "last.keras"))
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_a_finished_run_is_not_run_again(cohort, undisturbed):
    before = (undisturbed / "last.keras").stat().st_mtime_ns
    run(read_config(undisturbed.parent / "little.yaml", Config), cohort, undisturbed)
    assert (undisturbed / "last.keras").stat().st_mtime_ns == before


def test_another_configuration_in_the_same_folder_is_refused(cohort, undisturbed, tmp_path):
    config = write_config(tmp_path / "c.yaml", EPOCHS, "precision: mixed_bfloat16\n")
    with pytest.raises(ParameterError, match="another configuration .precision: float32 there"):
        run(read_config(config, Config), cohort, undisturbed)


def test_a_case_without_a_split_is_refused(tmp_path):
    from tmtv_tf.cases.cohort import read_cohort, write_cohort

    write_little_cohort(tmp_path / "cases", 4)
    cohort_rows = read_cohort(tmp_path / "cases")
    cohort_rows[1]["split"] = None
    write_cohort(tmp_path / "cases", cohort_rows)
    config = write_config(tmp_path / "c.yaml", 1)
    with pytest.raises(CaseError, match="1 cases have no split .the first: case1."):
        run(read_config(config, Config), tmp_path / "cases", tmp_path / "run")


def test_a_loss_that_is_no_number_stops_with_an_explanation(cohort, tmp_path):
    from training.callbacks import TrainingError

    config = read_config(write_config(tmp_path / "c.yaml", 2), Config)
    config = config.model_copy(
        update={"optimizer": config.optimizer.model_copy(update={"name": "sgd", "learning_rate": 1e30})}
    )
    with pytest.raises(TrainingError, match="The loss became nan in epoch 1 at step .* lower learning rate"):
        run(config, cohort, tmp_path / "run")
    assert not (tmp_path / "run" / "best.keras").exists()


def test_an_update_that_ruins_the_weights_in_the_last_step_is_not_kept(cohort, tmp_path, monkeypatch):
    """No loss has met these weights yet: the state of the epoch before stays."""
    from training.callbacks import StopOnNaN, TrainingError

    check = StopOnNaN.on_train_batch_end

    def check_and_ruin(callback, batch, logs=None):
        check(callback, batch, logs)
        if callback.epoch == 1 and batch == 2:
            callback.model.trainable_variables[0].assign(callback.model.trainable_variables[0] * np.nan)

    monkeypatch.setattr(StopOnNaN, "on_train_batch_end", check_and_ruin)
    config = read_config(write_config(tmp_path / "c.yaml", 3), Config)
    with pytest.raises(TrainingError, match="became nan in epoch 2 at its"):
        run(config, cohort, tmp_path / "run")
    assert len(rows(tmp_path / "run")) == 1
    assert all(np.isfinite(w).all() for w in weights(tmp_path / "run" / "last.keras"))


def test_a_wrong_option_of_the_loss_is_refused_before_anything_is_prepared(tmp_path):
    config = write_config(tmp_path / "c.yaml", 1, "loss: {kind: tversky, options: {gamma: 2}}\n")
    write_little_cohort(tmp_path / "cases", 4)
    with pytest.raises(ParameterError, match="tversky has no gamma, only alpha, beta, smooth"):
        run(read_config(config, Config), tmp_path / "cases", tmp_path / "run")
    assert not list((tmp_path / "cases").glob("*/model_grid"))


def test_float32_is_float32_and_tf32_is_asked_for(cohort, tmp_path):
    """On NVIDIA cards TensorFlow computes "float32" in TF32 unless it is told not to."""
    import tensorflow as tf

    for precision in ("float32", "tf32"):
        config = write_config(tmp_path / f"{precision}.yaml", 1, f"precision: {precision}\n")
        run(read_config(config, Config), cohort, tmp_path / precision)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == (precision == "tf32")


def test_more_epochs_go_on_unless_the_schedule_depends_on_them(cohort, tmp_path):
    for name, extra in (("plateau", ""), ("cosine", "cosine_decay: true\n")):
        for epochs in (1, 2):
            config = write_config(tmp_path / "c.yaml", epochs, extra)
            if extra:
                config.write_text(
                    config.read_text().replace("reduce_on_plateau: {patience: 1, factor: 0.5}\n", "")
                )
            if extra and epochs == 2:
                with pytest.raises(ParameterError, match="another configuration .epochs: 1 there, 2"):
                    run(read_config(config, Config), cohort, tmp_path / name)
            else:
                run(read_config(config, Config), cohort, tmp_path / name)
                assert len(rows(tmp_path / name)) == epochs


@pytest.mark.parametrize("extra", ["precision: mixed_bfloat16\n", "precision: mixed_float16\n"])
def test_the_command_says_what_it_does(cohort, tmp_path, extra):
    config = write_config(tmp_path / "c.yaml", 1, extra)
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "training.train_vnet",
            "--config",
            config,
            "--data",
            cohort,
            "--out",
            tmp_path / "r",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    assert "V-Net on CPU" in result.stdout
    assert "6 training cases (6 images), 2 validation cases, batch 2" in result.stdout
    assert all(
        layer.dtype_policy.name == "float32" for layer in load_model(tmp_path / "r" / "best.keras")[0].layers
    )
