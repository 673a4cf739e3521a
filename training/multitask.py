"""What training and cross-validating the networks of Liu et al. have in common: configuration, data, network."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, field_validator

from petct.errors import ParameterError
from petct.image import Geometry, Image, write_image
from petct.parallel import progress
from tmtv_tf.cases.case import load_case
from tmtv_tf.cases.cohort import CohortRow
from tmtv_tf.input.augmentation import Augmentation, Liu2022Augmentation
from tmtv_tf.input.dataset import steps_per_epoch
from tmtv_tf.input.multitask_dataset import Example, image_batches, training_batches, validation_batches
from tmtv_tf.input.multitask_input import MultitaskArrays, MultitaskGrid, multitask_arrays, resized_geometry
from tmtv_tf.models.file import save_model
from tmtv_tf.models.multitask_losses import LAMBDA, class_weights, multitask_losses, prognosis_weights
from tmtv_tf.models.multitask_metrics import EventAUC, LesionDice
from tmtv_tf.models.study import STUDY_MODELS, build_model
from training.config import FitConfig, LearningRateDrop, OptimizerConfig
from training.fit import Experiment, compile_model, dtype_policy
from training.state import variables_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MultitaskAugmentationConfig(Liu2022Augmentation):
    """The paper's amounts; mode "online": a new draw for every image in every epoch, or "none"."""

    mode: Literal["none", "online"] = "online"


class MultitaskFitConfig(FitConfig):
    """What all nine models share; the defaults are the paper's.

    truth : what the lesions are: inside the readers' `outlines` (the paper's), or `tmtvprob` > 0.5.
    width : multiplies every channel count of the networks.
    lambda_ : of equation 6, the share of the segmentation in the loss.
    """

    epochs: int = Field(200, ge=1)
    batch: int = Field(12, ge=1)
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", learning_rate=1e-4)
    learning_rate_drop: LearningRateDrop | None = LearningRateDrop(after_epochs=100, factor=0.1)
    grid: MultitaskGrid = MultitaskGrid()
    truth: Literal["outlines", "tmtvprob"] = "outlines"
    width: float = Field(1.0, gt=0)
    lambda_: float = Field(LAMBDA, ge=0, le=1)
    augmentation: MultitaskAugmentationConfig = MultitaskAugmentationConfig()

    @property
    def drawn(self) -> Augmentation | None:
        """What is drawn anew in each epoch; None for nothing."""
        return self.augmentation if self.augmentation.mode == "online" else None

    @field_validator("augmentation", mode="before")
    @classmethod
    def _one_angle_for_all_axes(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("rotation_degrees"), int | float):
            return {**value, "rotation_degrees": [value["rotation_degrees"]] * 3}
        return value


class Network:
    """One of the study's models, built and compiled once, and set back to its first weights for every run.

    Attributes
    ----------
    outputs : names of the network's outputs.
    trained_on : what it is trained on, for its file (`tmtv_tf.models.file.TRAINED_ON`).
    """

    def __init__(
        self, name: str, config: MultitaskFitConfig, strategy: tf.distribute.Strategy, trained_on: str
    ):
        self.name, self.config, self.trained_on = name, config, trained_on
        keras.utils.set_random_seed(config.seed)
        with strategy.scope(), dtype_policy(config.precision):
            self.model = self._build()
            self.outputs = list(self.model.output)
            losses, loss_weights = multitask_losses(self.outputs, config.lambda_)
            watched = {"segmentation_1": LesionDice(name="dice"), "prognosis": EventAUC(name="auc")}
            options = {
                "loss": losses,
                "loss_weights": loss_weights,
                "weighted_metrics": {name: [watched[name]] for name in losses if name in watched},
            }
            compile_model(self.model, config, options)
        self._first = [np.array(v.numpy()) for v in variables_of(self.model)]
        self._plain: keras.Model | None = None

    def fresh(self) -> keras.Model:
        """The network as it was at the beginning, optimizer included; its compiled graph is kept."""
        for variable, value in zip(variables_of(self.model), self._first, strict=True):
            variable.assign(value)
        return self.model

    def experiment(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example] = (),
        worker: tuple[int, int] = (0, 1),
    ) -> Experiment:
        """What is trained. Without validation no epoch is chosen, and no network is written on the way.

        worker : (index, number) of this process among those of its job
        """
        config = self.config
        return Experiment(
            build=self.fresh,
            compile_options=dict,
            training_data=lambda epoch, step: training_batches(
                examples,
                self.outputs,
                batch=config.batch,
                seed=config.seed,
                epochs=config.epochs,
                first_epoch=epoch,
                first_step=step,
                augmentation=config.drawn,
                worker=worker,
            ),
            steps_per_epoch=steps_per_epoch(len(examples), config.batch),
            validation_data=validation_batches(validation, self.outputs, batch=config.batch)
            if validation
            else None,
            save=self.save if validation else lambda path, model: None,
        )

    def save(self, path: Path, model: keras.Model) -> None:
        """Write the network in float32, not compiled: it loads without this package."""
        if self._plain is None:
            with dtype_policy("float32"):
                self._plain = self._build()
        self._plain.set_weights(model.get_weights())
        provenance = {"model": self.name, "config": self.config.model_dump(mode="json")}
        save_model(
            path,
            self._plain,
            self.config.grid,
            provenance,
            trained_on=self.trained_on,
            trained_on_text=self.config.trained_on,
        )

    def _build(self) -> keras.Model:
        return build_model(self.name, self.config.grid.input_shape, width=self.config.width)


def check_models(names: Sequence[str]) -> None:
    """Refuse a name that is not one of STUDY_MODELS."""
    for name in names:
        if name not in STUDY_MODELS:
            raise ParameterError(f"Unknown model {name!r}. Expected: {', '.join(STUDY_MODELS)}.")


def prepare_inputs(
    cases: Path, rows: Sequence[CohortRow], config: MultitaskFitConfig
) -> dict[str, MultitaskArrays]:
    """The arrays of every case by case id, written where they are missing; warns of lesions cut by the crop."""
    arrays, grid = {}, config.grid
    with progress("network inputs", len(rows)) as advance:
        for row in rows:
            case_id = row["case_id"]
            arrays[case_id] = multitask_arrays(load_case(cases / case_id).folder, grid, config.truth)
            report = arrays[case_id].report
            if report is not None and report.warning:
                log.warning("Case %s: %s", case_id, report.warning)
            advance(1)
    return arrays


def make_examples(
    rows: Sequence[CohortRow], arrays: dict[str, MultitaskArrays], weights: tuple[float, float]
) -> list[Example]:
    """What is trained on: a case without contours has no segmentation loss, one without outcome no prognosis's.

    Parameters
    ----------
    weights : w_p, w_n of equation 3.
    """
    events = [event_of(row) for row in rows]
    prognosis = prognosis_weights(events, *weights)
    return [
        Example(arrays[row["case_id"]], event, float(weight))
        for row, event, weight in zip(rows, events, prognosis, strict=True)
    ]


def training_weights(rows: Sequence[CohortRow]) -> tuple[float, float]:
    """w_p and w_n of equation 3, from the patients that are trained on."""
    return class_weights([event_of(row) for row in rows])


def event_of(row: CohortRow) -> float:
    """1 event within two years, 0 none, NaN unknown."""
    return math.nan if row.get("efs2y_event") is None else float(row["efs2y_event"])


def fingerprint(arrays: dict[str, Sequence[MultitaskArrays]], rows: Sequence[CohortRow]) -> dict[str, Any]:
    """Which cases, in which part, made from which files, with which outcomes: ids and one SHA-256."""
    outcome = {row["case_id"]: row.get("efs2y_event") for row in rows}
    content = {
        part: {
            a.case_id: [json.loads((a.folder / "input.json").read_text())["sources"], outcome.get(a.case_id)]
            for a in members
        }
        for part, members in arrays.items()
    }
    text = json.dumps(content, sort_keys=True)
    return {
        "cases": {part: sorted(members) for part, members in content.items()},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def predict(model: keras.Model, arrays: Sequence[MultitaskArrays]):
    """Yield, case by case, (arrays, probability of an event or NaN, lesion probability (Z, Y, X) or None)."""
    for case, image in zip(arrays, image_batches(arrays, batch=1), strict=True):
        outputs = model.predict_on_batch(image)
        event = float(outputs["prognosis"][0, 1]) if "prognosis" in outputs else math.nan
        lesion = outputs["segmentation_1"][0, ..., 1] if "segmentation_1" in outputs else None
        yield case, event, lesion


def write_probability(path: Path, probability: np.ndarray, crop: Geometry) -> None:
    """Write a lesion probability on the network's own grid, whose geometry puts it in the right place."""
    shape = (probability.shape[0], probability.shape[1], probability.shape[2])
    write_image(path, Image(probability.astype(np.float32), resized_geometry(crop, shape)))
