"""A cross-validated study: every model in every fold, then predictions, rivals and report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from petct.errors import ParameterError
from petct.files import write_csv
from tmtv_tf.cases.cohort import CohortRow
from tmtv_tf.input.multitask_input import read_truth
from tmtv_tf.phantom.outcome import best_auc
from training.fit import run_fit
from training.folds import make_folds, read_folds, read_outcomes, write_folds
from training.multi_worker import is_multi_worker
from training.multitask import (
    Network,
    check_models,
    fingerprint,
    make_examples,
    predict,
    prepare_inputs,
    training_weights,
    write_probability,
)
from training.run import open_run, trained_on
from training.run_lock import one_training
from training.strategy import check_batch, choose_strategy, describe_devices
from training.study_predictions import (
    COLUMNS,
    PREDICTIONS,
    Study,
    StudyConfig,
    case_measures,
    image_scores,
    oracle_predictions,
    out_of_fold,
    rival_predictions,
    segmentation_metrics,
)


def run_study(
    config: StudyConfig,
    data: Path,
    out: Path,
    *,
    models: Sequence[str] | None = None,
    fold: int | None = None,
    phantom: Path | None = None,
) -> None:
    """Train what is not trained yet, and write predictions and report; those of one fold alone with `fold`.

    Raises
    ------
    CaseError, ParameterError
        Outcomes that contradict themselves, folds that leak or lack events, an unknown model or fold.
    """
    names = list(models or config.models)
    check_models(names)
    if fold is not None and not 1 <= fold <= config.folds:
        raise ParameterError(f"--fold must be 1 to {config.folds}. Received: {fold}.")
    rows = sorted(read_outcomes(data), key=lambda row: row["case_id"])
    folds = open_folds(out / "folds.csv", rows, config)
    strategy = choose_strategy(config.optimizer.gradient_accumulation_steps > 1)
    if is_multi_worker(strategy):
        raise ParameterError("One fold runs on one machine: start each as a job of one task, with --fold.")
    check_batch(config.batch, strategy)
    arrays = prepare_inputs(data, rows, config)
    study = Study(config, data, out, rows, folds, arrays)
    for name in names:
        run_model(study, name, [fold] if fold is not None else range(1, config.folds + 1), strategy)
    write_results(study, names, fold, phantom)


def write_results(study: Study, names: Sequence[str], fold: int | None, phantom: Path | None) -> None:
    """STUDY/predictions.csv and report/ of all folds, or predictions_fold<k>.csv and report_fold<k>/ of one."""
    from training.study_report import write_study_report

    folds = range(1, study.config.folds + 1) if fold is None else [fold]
    measures = case_measures(study)
    tables = [out_of_fold(study, names, folds), rival_predictions(study, measures, folds)]
    reachable = None
    if phantom is not None:
        scores = image_scores(study, phantom)
        reachable = best_auc([scores[r["case_id"]] for r in study.rows if r["efs2y_event"] is not None])
        tables.append(oracle_predictions(study, scores, folds))
    predictions = pd.concat(tables)
    name = PREDICTIONS if fold is None else f"predictions_fold{fold}.csv"
    write_csv(study.out / name, predictions.columns, predictions.itertuples(index=False))
    print(f"Report: {write_study_report(study, predictions, measures, reachable, fold)}")


def open_folds(path: Path, rows: Sequence[CohortRow], config: StudyConfig) -> dict[str, int]:
    """The folds of the file, or new ones, written to it; the same seed gives the same folds on every machine."""
    if path.is_file():
        return read_folds(path, rows, config.folds)
    folds = make_folds(rows, config.folds, config.seed)
    write_folds(path, rows, folds)
    return folds


def run_model(study: Study, name: str, folds: Sequence[int], strategy: tf.distribute.Strategy) -> None:
    """Train and test one model in these folds; its network is compiled once for all of them."""
    missing = [fold for fold in folds if not (study.folder(name, fold) / PREDICTIONS).is_file()]
    if not missing:
        return
    keras.backend.clear_session()
    seen = trained_on(study.data, [row["case_id"] for row in study.rows])
    network = Network(name, study.config, strategy, seen)
    for fold in missing:
        start = time.perf_counter()
        with one_training(study.folder(name, fold)):  # folds may be jobs of their own into one study
            train_fold(study, network, fold, strategy)
            evaluate_fold(study, network, fold)
        minutes = (time.perf_counter() - start) / 60
        print(f"{name}, fold {fold} of {study.config.folds}: {minutes:.1f} minutes.", flush=True)


def train_fold(study: Study, network: Network, fold: int, strategy: tf.distribute.Strategy) -> None:
    """Train to the last epoch, or go on; the paper has no validation set, so no epoch is chosen."""
    config = study.config.model_copy(update={"monitor": "loss"})
    rows = study.part(fold, test=False)
    examples = make_examples(rows, study.arrays, training_weights(rows))
    folder = study.folder(network.name, fold)
    data = fingerprint({"train": [e.arrays for e in examples]}, rows)
    # which models are run, and in which order, does not change this one
    settings = config.model_copy(update={"models": (network.name,)})
    open_run(folder, settings, data, describe_devices(strategy))
    # state.npz is what a run goes on from; the network is written at the end
    run_fit(network.experiment(examples), config, folder, strategy)


def evaluate_fold(study: Study, network: Network, fold: int) -> None:
    """Predict training and test patients with the trained network; predictions.csv says that the fold is done."""
    folder = study.folder(network.name, fold)
    network.save(folder / "last.keras", network.model)
    rows = []
    for part in ("train", "test"):
        members = {row["case_id"]: row for row in study.part(fold, test=part == "test")}
        if part == "train" and "prognosis" not in network.outputs:
            continue  # training patients only serve to choose the threshold
        for arrays, event, lesion in predict(network.model, [study.arrays[case_id] for case_id in members]):
            row = {"case_id": arrays.case_id, "part": part, "probability": event}
            row["efs2y_event"] = members[arrays.case_id]["efs2y_event"]
            if lesion is not None and part == "test":
                path = folder / "probability" / arrays.case_id / "probability.nii.gz"
                write_probability(path, lesion, arrays.crop)
                truth = read_truth(study.data / arrays.case_id, study.config.truth)
                row |= segmentation_metrics(truth, arrays, lesion)
            rows.append(row)
    write_csv(folder / PREDICTIONS, COLUMNS, rows)
    (folder / "state.npz").unlink(missing_ok=True)  # large, and of no use to a finished fold
