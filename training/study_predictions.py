"""What a study consists of, and its predictions: out of fold, of the simple rivals, and of the phantoms' true risk."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from petct.errors import CaseError
from petct.files import read_json, write_csv
from petct.image import Image
from petct.parallel import progress
from petct.text import one_line
from tmtv_tf.cases.case import load_case
from tmtv_tf.cases.cohort import EVENTS, MONTHS, CohortRow
from tmtv_tf.cases.table import read_table
from tmtv_tf.evaluation.overlap import confusion
from tmtv_tf.evaluation.prognosis.classification import youden_threshold
from tmtv_tf.evaluation.prognosis.clinical_pet import PET_MODEL
from tmtv_tf.evaluation.prognosis.prognosis_rivals import (
    MEASURES,
    cox_scores,
    impi_scores,
    logistic_scores,
    measure,
)
from tmtv_tf.evaluation.prognosis.study_tables import NETWORK_GRID, ORACLE, SEGMENTATION
from tmtv_tf.input.multitask_input import MultitaskArrays, probability_on_pet, read_truth
from tmtv_tf.models.study import STUDY_MODELS
from tmtv_tf.phantom.outcome import event_probability
from training.multitask import MultitaskFitConfig

PREDICTIONS = "predictions.csv"
COLUMNS = (
    "case_id",
    "part",
    "efs2y_event",
    "probability",
    *SEGMENTATION,
    *(f"{name}{NETWORK_GRID}" for name in SEGMENTATION),
)


class StudyConfig(MultitaskFitConfig):
    """A study: the networks' configuration, which models, how many folds."""

    models: tuple[str, ...] = tuple(STUDY_MODELS)
    folds: int = Field(5, ge=2)


@dataclass(frozen=True)
class Study:
    """What every fold of every model needs."""

    config: StudyConfig
    data: Path
    out: Path
    rows: list[CohortRow]
    folds: dict[str, int]
    arrays: dict[str, MultitaskArrays]

    def part(self, fold: int, *, test: bool) -> list[CohortRow]:
        """The rows that are tested in this fold, or trained on."""
        return [row for row in self.rows if (self.folds[row["case_id"]] == fold) == test]

    def folder(self, model: str, fold: int) -> Path:
        return self.out / model / f"fold{fold}"


def segmentation_metrics(
    truth: Image | None, arrays: MultitaskArrays, lesion: np.ndarray
) -> dict[str, float]:
    """Dice, precision and recall of probability > 0.5 on the PET grid, and `..._network_grid`; empty without truth.

    Parameters
    ----------
    truth : the readers' lesions on the PET grid (`tmtv_tf.input.multitask_input.read_truth`), of the kind of `arrays`.
    lesion : (Z, Y, X) the network's probability on its own grid, where the paper seems to have measured.
    """
    if truth is None:
        return {}
    native = confusion(probability_on_pet(lesion, arrays.crop, truth.geometry) > 0.5, truth.array)
    own = confusion(lesion > 0.5, arrays.read_truth())
    return {
        f"{name}{suffix}": value
        for suffix, counts in (("", native), (NETWORK_GRID, own))
        for name, value in zip(SEGMENTATION, (counts.dice, counts.ppv, counts.sensitivity), strict=True)
    }


def out_of_fold(study: Study, names: Sequence[str], folds: Iterable[int]) -> pd.DataFrame:
    """Test rows of every model in these folds, with the threshold from that fold's training rows.

    Raises
    ------
    CaseError
        A fold is not finished, or its table is of other cases.
    """
    tables = []
    for name in names:
        for fold in folds:
            path = study.folder(name, fold) / PREDICTIONS
            if not path.is_file():
                raise CaseError(f"{path}: missing; fold {fold} of {name} is not finished.")
            table = _read_predictions(path, {row["case_id"] for row in study.rows})
            tables.append(
                _with_threshold(table[table["part"] == "test"], table[table["part"] == "train"], name, fold)
            )
    return pd.concat(tables, ignore_index=True)


def _read_predictions(path: Path, known: Collection[str]) -> pd.DataFrame:
    """`predictions.csv` of a fold; its case ids become paths, so each must be one of the cohort, which are checked."""
    read_table(path, "case_id", "part", "efs2y_event", "probability")  # refuses what is no such table
    table = pd.read_csv(path, dtype={"case_id": str})
    for case_id in table["case_id"]:
        if case_id not in known:
            raise CaseError(
                f"{path}: the case {one_line(case_id)} is not in the cohort; run this fold again."
            )
    return table


def case_measures(study: Study) -> pd.DataFrame:
    """Per case: TMTV, Dmax, SUVmax of the reader's lesions, and the best that the grid allows, `..._ceiling`."""
    path = study.out / "measures.csv"
    if path.is_file():
        known = pd.read_csv(path, dtype={"case_id": str})
        complete = {*PET_MODEL, *(f"{name}_ceiling" for name in SEGMENTATION)} <= set(known)
        if complete and sorted(known["case_id"]) == [row["case_id"] for row in study.rows]:
            return known
    rows = []
    with progress("measures", len(study.rows)) as advance:
        for row in study.rows:
            case, arrays = load_case(study.data / row["case_id"]), study.arrays[row["case_id"]]
            truth = read_truth(case.folder, study.config.truth)
            best = segmentation_metrics(truth, arrays, arrays.read_truth().astype(np.float32))
            ceiling = {f"{name}_ceiling": best.get(name, math.nan) for name in SEGMENTATION}
            rows.append({"case_id": case.case_id, **measure(case), **ceiling})
            advance(1)
    table = pd.DataFrame(rows)
    write_csv(path, table.columns, table.itertuples(index=False))
    return table


def rival_predictions(study: Study, measures: pd.DataFrame, folds: Iterable[int]) -> pd.DataFrame:
    """What needs no network, in these folds: regressions on TMTV, Dmax, SUVmax, the PET model, IMPI's form."""
    cohort = cohort_frame(study.rows).merge(measures, on="case_id")
    rivals = {
        "tmtv": lambda train, test: logistic_scores(train, test, ["tmtv_ml"]),
        "logistic": logistic_scores,
        "cox": cox_scores,
        "pet_model": lambda train, test: logistic_scores(train, test, PET_MODEL),
        "impi": impi_scores,
    }
    tables = []
    for name, scores in rivals.items():
        for fold in folds:
            tested = cohort["case_id"].map(study.folds) == fold
            train, test = cohort[~tested].copy(), cohort[tested].copy()
            if train.dropna(subset=["efs2y_event", *MEASURES]).empty:
                continue
            both = [part.assign(probability=scores(train, part)) for part in (train, test)]
            tables.append(_with_threshold(both[1], both[0], name, fold))
    kept = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["probability"])
    return kept.dropna(subset=["probability"])


def image_scores(study: Study, phantom: Path) -> dict[str, float]:
    """What the image of each phantom tells of its outcome, from the folder that `tmtv phantom` wrote.

    Raises
    ------
    CaseError
        A case of the cohort is not a phantom of that folder.
    """
    scores = {}
    for row in study.rows:
        truth = read_json(phantom / "truth" / row["case_id"] / "phantom.json")
        if "image_score" not in truth:
            raise CaseError(f"{phantom}: case {row['case_id']} has no image_score; make the phantoms again.")
        scores[row["case_id"]] = float(truth["image_score"])
    return scores


def oracle_predictions(study: Study, scores: dict[str, float], folds: Iterable[int]) -> pd.DataFrame:
    """The true chance of an event given the image, as if it were a model: none is better, but by luck."""
    table = cohort_frame(study.rows)
    table["probability"] = event_probability(table["case_id"].map(scores).to_numpy(float))
    table["fold"] = table["case_id"].map(study.folds)
    parts = [_with_threshold(table[table["fold"] == k], table[table["fold"] != k], ORACLE, k) for k in folds]
    return pd.concat(parts, ignore_index=True)


def cohort_frame(rows: Sequence[CohortRow]) -> pd.DataFrame:
    """cohort.csv as a data frame; missing numbers are NaN."""
    table = pd.DataFrame(list(rows))
    numbers = [*EVENTS, *MONTHS, "age_years"]
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})


def _with_threshold(test: pd.DataFrame, train: pd.DataFrame, model: str, fold: int) -> pd.DataFrame:
    known = train.dropna(subset=["efs2y_event", "probability"])
    threshold = youden_threshold(known["efs2y_event"], known["probability"]) if len(known) else math.nan
    columns: dict[str, Any] = {"model": model, "fold": fold, "threshold": threshold}
    wanted = ["model", "fold", "case_id", "efs2y_event", "probability", "threshold", *COLUMNS[4:]]
    return test.assign(**columns).reindex(columns=wanted)
