"""Training the multitask networks: data, masks, what is learnt, and going on after an interruption."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from multitask_cohort import write_cohort_of_boxes
from typer.testing import CliRunner

from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.input.multitask_dataset import stage_truth, training_batches, validation_batches
from tmtv_tf.input.multitask_input import MultitaskGrid
from training.config import LearningRateDrop, OptimizerConfig, read_config
from training.multitask import (
    MultitaskFitConfig,
    Network,
    make_examples,
    predict,
    prepare_inputs,
)
from training.train_multitask import app, run

GRID = MultitaskGrid(shape=(40, 22, 22), spacing_mm=(20.0, 20.0, 20.0), crop=(32, 16, 16), size=(32, 16, 16))
CONFIG = MultitaskFitConfig(
    epochs=2,
    batch=4,
    width=0.0625,
    grid=GRID,
    optimizer=OptimizerConfig(name="adam", learning_rate=0.003),
    learning_rate_drop=LearningRateDrop(after_epochs=1, factor=0.1),
)
OUTPUTS = ["segmentation_1", "segmentation_2", "segmentation_3", "segmentation_4", "prognosis"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return write_cohort_of_boxes(tmp_path_factory.mktemp("cases"), without_truth=(0,), without_outcome=(1,))


@pytest.fixture(scope="module")
def examples(cases):
    rows = read_cohort(cases)
    return make_examples(rows, prepare_inputs(cases, rows, MultitaskFitConfig(grid=GRID)), (0.7, 0.3))


def test_the_papers_configuration_is_the_default():
    paper = read_config("training/configs/multitask_paper.yaml", MultitaskFitConfig)
    assert paper == MultitaskFitConfig()
    assert (paper.epochs, paper.batch, paper.optimizer.learning_rate) == (200, 12, 1e-4)
    assert paper.learning_rate_drop == LearningRateDrop(after_epochs=100, factor=0.1)


def test_coarse_truth_is_the_voxel_at_the_centre_of_each_block():
    truth = np.arange(16 * 8 * 8).reshape(16, 8, 8, 1)
    coarse = stage_truth(truth)
    np.testing.assert_array_equal(coarse["segmentation_1"], truth)
    assert coarse["segmentation_4"].shape == (2, 1, 1, 1)
    assert coarse["segmentation_2"][3, 2, 1, 0] == truth[7, 5, 3, 0]
    assert coarse["segmentation_4"][1, 0, 0, 0] == truth[12, 4, 4, 0]


def test_batches_carry_targets_and_masks(examples):
    image, targets, weights = next(iter(validation_batches(examples, OUTPUTS, batch=20)))
    assert image.shape == (20, 32, 16, 16, 1)
    assert sorted(targets) == sorted(weights) == sorted(OUTPUTS)
    assert targets["segmentation_3"].shape == (20, 8, 4, 4, 1)
    np.testing.assert_array_equal(weights["segmentation_2"], [0] + [1] * 19)
    np.testing.assert_allclose(weights["prognosis"], [0.3, 0.0] + [0.3, 0.7] * 9)
    np.testing.assert_array_equal(targets["prognosis"][2:6, 0], [0, 1, 0, 1])


def test_augmentation_depends_on_seed_epoch_and_case_alone(examples):
    options = {"batch": 4, "seed": 5, "epochs": 3}
    everything = list(training_batches(examples, OUTPUTS, **options))
    later = list(training_batches(examples, OUTPUTS, **options, first_epoch=2, first_step=1))
    assert len(everything) == 15
    assert len(later) == 4
    for one, two in zip(everything[11:], later, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, two)
    truth = everything[0][1]["segmentation_1"].numpy()
    assert set(np.unique(truth)) <= {0.0, 1.0}


def test_a_fresh_network_is_the_same_again_and_is_traced_once(examples):
    network = Network("encoder_classifier", CONFIG, tf.distribute.get_strategy(), "patients")
    traces, step = [], network.model.train_step
    network.model.train_step = lambda data: traces.append(1) or step(data)
    losses = []
    for _ in range(2):
        data = training_batches(examples[:8], network.outputs, batch=4, seed=0, epochs=1)
        losses.append(network.fresh().fit(data, verbose=0).history["loss"][0])
        if len(losses) == 1:
            first = len(traces)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert len(traces) == first


def test_learning_rate_drops_once(cases, tmp_path):
    """At the start of epoch `after_epochs`, counted from 0."""
    config = CONFIG.model_copy(update={"epochs": 3})
    run(config, "encoder_classifier", cases, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([0.003, 0.0003, 0.0003])


@pytest.mark.slow
def test_four_cases_are_learnt_by_heart(examples):
    config = CONFIG.model_copy(update={"width": 0.25})
    network = Network("multitask_unet", config, tf.distribute.get_strategy(), "patients")
    data = training_batches(examples[2:6], network.outputs, batch=4, seed=0, epochs=60, augmentation=None)
    history = network.fresh().fit(data, steps_per_epoch=10, epochs=6, verbose=0).history
    assert history["segmentation_1_dice"][-1] > 0.7
    assert history["prognosis_auc"][-1] == 1
    assert history["loss"][-1] < history["loss"][0] / 2


def test_resumed_training_ends_where_an_uninterrupted_one_does(cases, tmp_path):
    run(CONFIG, "encoder_classifier", cases, tmp_path / "whole")
    run(CONFIG.model_copy(update={"epochs": 1}), "encoder_classifier", cases, tmp_path / "parts")
    run(CONFIG, "encoder_classifier", cases, tmp_path / "parts")
    one, two = (keras.models.load_model(tmp_path / name / "last.keras") for name in ("whole", "parts"))
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    header = (tmp_path / "whole" / "log.csv").read_text().splitlines()[0]
    assert {"auc", "val_auc", "learning_rate"} <= set(header.split(","))


def test_two_replicas_learn_what_one_does(cases, tmp_path):
    """With a network that normalises each image by itself, and has dropout."""
    config = CONFIG.model_copy(
        update={"epochs": 1, "optimizer": OptimizerConfig(name="sgd", learning_rate=0.01)}
    )
    run(config, "zhou_vnet", cases, tmp_path / "one")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    script = Path(__file__).parent / "train_on_logical_cpus.py"
    command = [sys.executable, script, "2", tmp_path / "c.yaml", cases, tmp_path / "two", "zhou_vnet"]
    # No batch leaves a replica empty here, so that oneDNN, several times faster, can stay on.
    environment = {**os.environ, "WITH_ONEDNN": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    one, two = (keras.models.load_model(tmp_path / n / "last.keras").get_weights() for n in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_gradients_can_be_accumulated(cases, tmp_path):
    """Keras cannot do it under MirroredStrategy, one device or not. Six batches of two make three updates."""
    optimizer = OptimizerConfig(name="adam", learning_rate=0.003, gradient_accumulation_steps=2)
    run(
        CONFIG.model_copy(update={"epochs": 1, "batch": 2, "optimizer": optimizer}),
        "encoder_classifier",
        cases,
        tmp_path,
    )
    after = keras.models.load_model(tmp_path / "last.keras").get_weights()
    before = Network("encoder_classifier", CONFIG, tf.distribute.get_strategy(), "patients").fresh()
    moved = max(np.abs(a - b).max() for a, b in zip(after, before.get_weights(), strict=True))
    assert moved > 0.003


def test_mixed_precision_trains_and_saves_a_float32_network(cases, tmp_path):
    for precision in ("float32", "mixed_bfloat16"):
        config = CONFIG.model_copy(update={"precision": precision})
        run(config, "multitask_unet", cases, tmp_path / precision)
    model = keras.models.load_model(tmp_path / "mixed_bfloat16" / "last.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    logs = [list(csv.DictReader((tmp_path / p / "log.csv").open())) for p in ("float32", "mixed_bfloat16")]
    for exact, rounded in zip(*logs, strict=True):
        assert float(rounded["loss"]) == pytest.approx(float(exact["loss"]), rel=0.1)


def test_prediction_names_event_and_lesion(cases, examples):
    network = Network("encoder_classifier", CONFIG, tf.distribute.get_strategy(), "patients")
    arrays = [e.arrays for e in examples[:2]]
    for case, event, lesion in predict(network.model, arrays):
        assert case in arrays
        assert 0 <= event <= 1
        assert lesion is None


def test_command_refuses_an_unknown_model(cases, tmp_path):
    options = [
        "--config",
        "training/configs/multitask_paper.yaml",
        "--data",
        str(cases),
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(app, [*options, "--model", "unet"])
    assert "Unknown model 'unet'" in str(result.exception)


def test_without_augmentation_the_image_is_untouched(examples):
    assert MultitaskFitConfig(augmentation={"mode": "none"}).drawn is None
    rows = list(training_batches(examples[:4], ["prognosis"], batch=4, seed=0, epochs=1, augmentation=None))
    images = np.sort([image.sum() for image in rows[0][0].numpy()])
    np.testing.assert_allclose(
        images, np.sort([e.arrays.read_image().sum() for e in examples[:4]]), rtol=1e-5
    )
