"""The study on a tiny cohort: independent folds, nothing done twice, report, refusals, no leakage."""

import csv

import numpy as np
import pandas as pd
import pytest
from multitask_cohort import write_cohort_of_boxes
from typer.testing import CliRunner

from petct.errors import ParameterError, TmtvError
from petct.files import write_json
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.evaluation.prognosis.classification import auc
from tmtv_tf.input.multitask_input import MultitaskGrid
from training.config import OptimizerConfig, read_config
from training.cross_validate import app
from training.multitask import MultitaskAugmentationConfig
from training.study import run_study
from training.study_predictions import StudyConfig

CONFIG = StudyConfig(
    epochs=3,
    batch=4,
    folds=2,
    width=0.0625,
    models=("encoder_classifier", "segmentation_unet"),
    grid=MultitaskGrid(
        shape=(40, 22, 22), spacing_mm=(20.0, 20.0, 20.0), crop=(32, 16, 16), size=(32, 16, 16)
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=0.003),
    augmentation=MultitaskAugmentationConfig(mode="none"),
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return write_cohort_of_boxes(
        tmp_path_factory.mktemp("cases"), n=16, without_truth=(0,), without_outcome=(1,)
    )


@pytest.fixture(scope="module")
def study(cases, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    run_study(CONFIG, cases, out)
    return out


def test_every_patient_is_tested_once_by_every_model(study):
    table = pd.read_csv(study / "predictions.csv")
    counts = table[table["model"].isin(CONFIG.models)].groupby("model")["case_id"].agg(["size", "nunique"])
    assert (counts == 16).all(axis=None)
    classifier = table[table["model"] == "encoder_classifier"]
    assert classifier["probability"].between(0, 1).all()
    assert classifier["efs2y_event"].isna().sum() == 1
    segmenter = table[table["model"] == "segmentation_unet"]
    assert segmenter["dice"].notna().sum() == 15
    assert segmenter["probability"].isna().all()
    assert set(table["model"]) == {*CONFIG.models, "tmtv", "logistic", "cox", "pet_model"}
    assert {path.name for path in (study / "report").glob("*.csv")} >= {
        "table3_main.csv",
        "table4_ablation.csv",
    }
    assert "Table 3" in (study / "report" / "index.html").read_text()


def test_a_fold_alone_gives_what_it_gives_among_others(study, cases, tmp_path):
    run_study(CONFIG, cases, tmp_path, models=["encoder_classifier"], fold=2)
    alone, among = (
        pd.read_csv(out / "encoder_classifier" / "fold2" / "predictions.csv") for out in (tmp_path, study)
    )
    assert (tmp_path / "folds.csv").read_text() == (study / "folds.csv").read_text()
    pd.testing.assert_frame_equal(alone, among, atol=1e-5)
    assert not (tmp_path / "report").exists()
    page = (tmp_path / "report_fold2" / "index.html").read_text()
    assert "fold 2 alone" in page
    table = pd.read_csv(tmp_path / "predictions_fold2.csv")
    assert set(table["fold"]) == {2}
    assert sorted(table.loc[table["model"] == "encoder_classifier", "case_id"]) == sorted(
        among.loc[among["part"] == "test", "case_id"]
    )


def test_gradients_can_be_accumulated(cases, tmp_path):
    """Keras cannot do it under MirroredStrategy, one device or not."""
    optimizer = OptimizerConfig(name="adam", learning_rate=0.003, gradient_accumulation_steps=2)
    config = CONFIG.model_copy(update={"epochs": 1, "optimizer": optimizer})
    run_study(config, cases, tmp_path, models=["encoder_classifier"], fold=1)
    assert (tmp_path / "encoder_classifier" / "fold1" / "predictions.csv").is_file()


def test_what_is_done_is_not_done_again(study, cases):
    network = study / "encoder_classifier" / "fold1" / "last.keras"
    before = network.stat().st_mtime_ns
    run_study(CONFIG, cases, study)
    assert network.stat().st_mtime_ns == before


def test_refusals(study, cases, tmp_path):
    with pytest.raises(ParameterError, match="--fold must be 1 to 2"):
        run_study(CONFIG, cases, tmp_path, fold=3)
    with pytest.raises(ParameterError, match="Unknown model 'unet'"):
        run_study(CONFIG, cases, tmp_path, models=["unet"])
    with pytest.raises(TmtvError, match="phantom.json: no such file"):
        run_study(CONFIG, cases, study, phantom=tmp_path)


def test_the_phantoms_true_risk_stands_beside(study, cases, tmp_path):
    for i, row in enumerate(read_cohort(cases)):
        score = 1.0 * (i % 2) + 0.01 * i
        write_json(tmp_path / "truth" / row["case_id"] / "phantom.json", {"image_score": score})
    run_study(CONFIG, cases, study, phantom=tmp_path)
    table = pd.read_csv(study / "report" / "share_of_best.csv").set_index("model")
    assert table.loc["true_risk", "auc"] == 1
    assert "expected to reach" in (study / "report" / "index.html").read_text()


def test_small_study_configuration_is_valid():
    small = read_config("training/configs/study_small.yaml", StudyConfig)
    assert max(small.grid.size) <= 32
    assert len(small.models) == 9
    assert read_config("training/configs/multitask_paper.yaml", StudyConfig) == StudyConfig()


def test_help_teaches():
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert "SLURM_ARRAY_TASK_ID" in text
    assert "five folds" in text


@pytest.mark.slow
def test_shuffled_labels_leave_nothing_to_learn(tmp_path):
    """The boxes of patients with an event are fuller: found with true labels, not with shuffled ones."""
    cases = write_cohort_of_boxes(tmp_path / "cases", n=40)
    config = CONFIG.model_copy(update={"epochs": 6, "models": ("encoder_classifier",)})
    areas = []
    for name in ("true", "shuffled"):
        if name == "shuffled":
            with open(cases / "cohort.csv", newline="") as file:
                header, *rows = csv.reader(file)
            order = np.random.default_rng(3).permutation(len(rows))
            rows = [row[:3] + rows[i][3:] for row, i in zip(rows, order, strict=True)]
            with open(cases / "cohort.csv", "w", newline="") as file:
                csv.writer(file).writerows([header, *rows])
        for fold in (1, 2):
            run_study(config, cases, tmp_path / name, fold=fold)
        tested = pd.concat(
            pd.read_csv(tmp_path / name / "encoder_classifier" / f"fold{k}" / "predictions.csv")
            for k in (1, 2)
        ).query("part == 'test'")
        areas.append(auc(tested["efs2y_event"], tested["probability"]))
    assert areas[0] > 0.9
    assert abs(areas[1] - 0.5) < 0.25
