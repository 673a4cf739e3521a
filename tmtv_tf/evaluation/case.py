"""Measure one case: prediction against reference, missed lesions, false positives, ceiling, rivals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from petct.boxes import bounding_box
from petct.files import replace_atomically
from petct.image import Image
from postprocess import Config
from tmtv_tf.evaluation.detection import Focus, unmatched_components
from tmtv_tf.evaluation.lesions import (
    AutopetMetrics,
    LesionDetection,
    SurfaceMetrics,
    autopet_metrics,
    lesion_detection,
    surface_metrics,
)
from tmtv_tf.evaluation.methods import MethodRow, ReaderRow, method_rows, reader_rows
from tmtv_tf.evaluation.overlap import confusion, soft_dice
from tmtv_tf.evaluation.reading import CaseFiles, LoadedCase, load
from tmtv_tf.evaluation.rivals import RivalDice, Rivals
from tmtv_tf.evaluation.truths import TMTVPROB_THRESHOLD

NAN = float("nan")

Mask = npt.NDArray[np.bool_]


class VoxelMetrics(TypedDict):
    """See `voxel_metrics`."""

    dice_tmtvprob: float
    dice_tmtvprob_at_least_half: float
    jaccard_tmtvprob: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float


class CaseRow(VoxelMetrics, AutopetMetrics, LesionDetection, SurfaceMetrics, RivalDice):
    """A row of cases.csv: the raw mask against the truth, voxel by voxel and lesion by lesion."""

    case_id: str
    soft_dice_tmtvprob: float
    reference_foci: int
    reference_ml: float
    predicted_ml: float
    missed_foci: int
    missed_ml: float
    predicted_foci: int
    false_positive_foci: int
    false_positive_ml: float
    rois_manual: float
    rois_are_parts: bool
    rois_generated: float
    truth: str


@dataclass(frozen=True)
class CaseEvaluation:
    """What was measured on one case; small enough to travel between processes.

    row : one line of cases.csv. method_rows : lines of case_methods.csv, one per method.
    missed, false_positives : see `detection.unmatched_components`. warnings : those of tmtv.json. reader_rows : see
    `methods.reader_rows`.
    """

    case_id: str
    row: CaseRow
    method_rows: list[MethodRow]
    missed: list[Focus] = field(default_factory=list)
    false_positives: list[Focus] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed_parameters: dict[str, Any] = field(default_factory=dict)
    reader_rows: list[ReaderRow] = field(default_factory=list)


def evaluate_case(
    files: CaseFiles, rivals: Rivals | None = None, pictures: Path | None = None
) -> CaseEvaluation:
    """Read and measure one case, and draw its MIP to `pictures/<case_id>.png`. Raises CaseError as `reading.load`."""
    from tmtv_tf.evaluation.mip import coronal_mip_png

    whole = load(files)
    config = Config.of(whole.parameters)
    case = in_box(whole)
    pet, truth, prediction = case.pet, case.tmtvprob > TMTVPROB_THRESHOLD, case.prediction
    missed, reference_foci = unmatched_components(truth, prediction, pet.array, pet.geometry)
    false_positives, predicted_foci = unmatched_components(prediction, truth, pet.array, pet.geometry)
    row: CaseRow = {
        "case_id": case.case_id,
        **voxel_metrics(prediction, case.tmtvprob, whole.prediction.size - prediction.size),
        "soft_dice_tmtvprob": NAN
        if whole.probability is None
        else _soft_dice_in_box(whole.probability, whole.tmtvprob),
        "reference_foci": reference_foci,
        "reference_ml": np.count_nonzero(truth) * pet.geometry.voxel_ml,
        "predicted_ml": np.count_nonzero(prediction) * pet.geometry.voxel_ml,
        "missed_foci": len(missed),
        "missed_ml": sum(focus.volume_ml for focus in missed),
        "predicted_foci": predicted_foci,
        "false_positive_foci": len(false_positives),
        "false_positive_ml": sum(focus.volume_ml for focus in false_positives),
        "rois_manual": NAN if case.roi_count is None else case.roi_count,
        "rois_are_parts": case.roi_parts,
        "rois_generated": _count(case.labels["41"]) if "41" in case.labels else NAN,
        "truth": case.truth_kind,
        **autopet_metrics(prediction, truth, pet.geometry.voxel_ml),
        **lesion_detection(prediction, truth, pet.array),
        **surface_metrics(prediction, truth, pet.spacing_mm),
    }
    whole_truth = whole.tmtvprob > TMTVPROB_THRESHOLD
    if rivals is not None:
        row |= rivals.dice(whole.pet, whole_truth)
    readers, reader_notes = reader_rows(whole, files.case, config)
    if pictures is not None:
        numbered = whole.labels[numbered_method(whole.labels)]
        picture = coronal_mip_png(whole.pet, whole_truth, whole.prediction, numbered, case.case_id)
        with replace_atomically(pictures / f"{case.case_id}.png") as temporary:
            temporary.write_bytes(picture)
    return CaseEvaluation(
        case.case_id,
        row,
        method_rows(case, truth, config),
        missed,
        false_positives,
        case.notes + reader_notes,
        case.warnings,
        changed_parameters(config),
        readers,
    )


def in_box(case: LoadedCase) -> LoadedCase:
    """The case cut to the box of all that reader or network calls lesion: no other voxel changes a lesion's numbers.

    A box of one voxel where nothing is called so. `probability` is left as it is.
    """
    found = (labels > 0 for labels in case.labels.values())
    box = bounding_box(case.tmtvprob > 0, case.prediction, *found, *case.references.values())
    if box[0].stop == 0:
        box = (slice(0, 1),) * 3

    def cut(array: npt.NDArray) -> npt.NDArray:
        return np.ascontiguousarray(array[box])

    return replace(
        case,
        pet=Image(cut(case.pet.array), case.pet.geometry.part(box)),
        tmtvprob=cut(case.tmtvprob),
        prediction=cut(case.prediction),
        labels={name: cut(labels) for name, labels in case.labels.items()},
        references={name: cut(mask) for name, mask in case.references.items()},
        roi_labels=None if case.roi_labels is None else cut(case.roi_labels),
    )


def numbered_method(methods: Iterable[str]) -> str:
    """The method whose lesion numbers the pictures show: 41 %, where it is there."""
    found = list(methods)
    return "41" if "41" in found else found[0]


def voxel_metrics(prediction: Mask, tmtvprob: npt.NDArray[np.float32], outside: int = 0) -> VoxelMetrics:
    """Hard Dice and its companions against TMTVprob > 0.5; Dice against TMTVprob >= 0.5 under its own name.

    outside : voxels of the image beyond these arrays, where neither is above 0.
    """
    counts = confusion(prediction, tmtvprob > TMTVPROB_THRESHOLD, outside)
    return {
        "dice_tmtvprob": counts.dice,
        "dice_tmtvprob_at_least_half": confusion(prediction, tmtvprob >= TMTVPROB_THRESHOLD).dice,
        "jaccard_tmtvprob": counts.jaccard,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "ppv": counts.ppv,
        "npv": counts.npv,
    }


def changed_parameters(config: Config) -> dict[str, Any]:
    """Parameters that differ from the published ones; those of methods without a reference (liver) left out."""
    published = asdict(Config())
    return {
        key: value
        for key, value in asdict(config).items()
        if published[key] is not None and value != published[key]
    }


def _count(labels: npt.NDArray[np.integer]) -> int:
    """How many labels occur; the highest is no count, since an excluded lesion leaves its number empty."""
    return int(np.unique(labels[labels > 0]).size)


def _soft_dice_in_box(probability: npt.NDArray[np.float32], tmtvprob: npt.NDArray[np.float32]) -> float:
    box = bounding_box(probability > 0, tmtvprob > 0)
    return soft_dice(probability[box], tmtvprob[box])
