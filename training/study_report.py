"""From a finished study to its report: chooses patients, looks inside the trained networks, calls the writer."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from petct.image import read_image
from tmtv_tf.cases.case import load_case
from tmtv_tf.evaluation.prognosis import liu2022
from tmtv_tf.evaluation.prognosis.study_report import write_study_report as write_report
from tmtv_tf.evaluation.prognosis.study_tables import SEGMENTATION, name_of
from tmtv_tf.evaluation.prognosis.study_views import FeatureView, feature_figure, rendering_figure
from tmtv_tf.input.grid import BODY_SUV
from tmtv_tf.input.multitask_input import resized_geometry
from training.run import software
from training.study_predictions import Study, cohort_frame

# The decoder's features, full resolution first; the last is the bottom.
FEATURE_LAYERS = ("decoder_1_2_relu", "decoder_2_2_relu", "decoder_3_2_relu", "encoder_4_2_relu")
RENDERED = ("segmentation_unet", "multitask_unet_plain", "zhou_vnet", "multitask_unet")


def write_study_report(
    study: Study,
    predictions: pd.DataFrame,
    measures: pd.DataFrame,
    reachable_auc: float | None,
    fold: int | None = None,
) -> Path:
    """Write STUDY/report, or STUDY/report_fold<k> of one fold; returns its page.

    Parameters
    ----------
    reachable_auc : the best AUC that phantoms allow.
    fold : the only one that `predictions` are of. Of all folds, one drawn from the seed has a Table 4 of its own.
    """
    pictures = {}
    method = predictions[(predictions["model"] == liu2022.METHOD) & predictions["dice"].notna()]
    if len(method):
        pictures["features"] = feature_figure([feature_view(study, row) for row in median_cases(method)])
        pictures["renderings"] = renderings(study, predictions, method)
    return write_report(
        study.out / ("report" if fold is None else f"report_fold{fold}"),
        predictions,
        cohort_frame(study.rows),
        ceilings={name: float(measures[f"{name}_ceiling"].mean()) for name in SEGMENTATION},
        reachable_auc=reachable_auc,
        volumes=None if fold else volumes_of(study, measures),
        pictures=pictures,
        facts={
            "phantom": all(load_case(study.data / row["case_id"]).is_phantom for row in study.rows),
            "cases": len(study.rows),
            "folds": study.config.folds,
            "only_fold": fold,
            "ablation_fold": None if fold else random_fold(study.config.seed, study.config.folds),
            "settings": study.config.model_dump(mode="json"),
            "software": software(),
        },
    )


def volumes_of(study: Study, measures: pd.DataFrame) -> pd.DataFrame:
    """The readers' volumes of every case with its outcome and fold, for the cut-offs."""
    cohort = cohort_frame(study.rows)
    return cohort.assign(fold=cohort["case_id"].map(study.folds)).merge(measures, on="case_id")


def random_fold(seed: int, folds: int) -> int:
    """The fold of the paper's ablation: drawn once, before anything is known of it."""
    return int(np.random.default_rng([seed, folds]).integers(1, folds + 1))


def median_cases(method: pd.DataFrame) -> list:
    """Of patients with an event and without (or of all), the one of median Dice."""
    groups = [method[method["efs2y_event"] == label] for label in (1, 0)]
    return [_at_quantile(group, 0.5) for group in groups if len(group)] or [_at_quantile(method, 0.5)]


def feature_view(study: Study, row) -> FeatureView:
    """Input, mean features per resolution, probability and truth of one test patient, by the network of his fold."""
    arrays = study.arrays[row.case_id]
    path = study.folder(liu2022.METHOD, int(row.fold)) / "last.keras"
    network = keras.saving.load_model(path, compile=False)
    layers = [network.get_layer(name).output for name in FEATURE_LAYERS]
    probe = keras.Model(network.input, [*layers, network.output["segmentation_1"]])
    *features, segmentation = probe.predict_on_batch(arrays.read_image()[None])
    truth = {1: "event", 0: "no event"}.get(row.efs2y_event, "outcome unknown")
    return FeatureView(
        title=f"{row.case_id}: {truth}, predicted probability {row.probability:.3f}, Dice {row.dice:.3f}",
        image=arrays.read_image()[..., 0],
        features=[np.asarray(f)[0].mean(axis=-1) for f in features],
        probability=np.asarray(segmentation)[0, ..., 1],
        truth=arrays.read_truth() if arrays.has_truth else None,
        spacing_mm=resized_geometry(arrays.crop, arrays.grid.size).spacing_mm,
    )


def renderings(study: Study, predictions: pd.DataFrame, method: pd.DataFrame) -> bytes:
    """Surfaces of truth and predictions for patients of low, median and high Dice."""
    chosen = {row.case_id: row for row in (_at_quantile(method, q) for q in (0.1, 0.5, 0.9))}
    models = [m for m in RENDERED if m in set(predictions["model"])]
    cases, bodies = [], []
    for case_id, row in chosen.items():
        arrays = study.arrays[case_id]
        masks: dict[str, np.ndarray | None] = {"truth": arrays.read_truth()}
        for model in models:
            path = study.folder(model, int(row.fold)) / "probability" / case_id / "probability.nii.gz"
            masks[name_of(model)] = read_image(path).array > 0.5
        cases.append((f"{case_id}: Dice {row.dice:.3f}", masks))
        low, high = arrays.grid.window_suv
        bodies.append(arrays.read_image()[..., 0] * (high - low) + low > BODY_SUV)
    spacing_mm = resized_geometry(arrays.crop, arrays.grid.size).spacing_mm
    return rendering_figure(cases, bodies, spacing_mm)


def _at_quantile(rows: pd.DataFrame, quantile: float):
    ordered = list(rows.sort_values(["dice", "case_id"]).itertuples())
    return ordered[round(quantile * (len(ordered) - 1))]
