"""Measure one case: prediction against reference, missed lesions, false positives, ceiling, rivals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from postprocess import Config, segment
from tmtv_tf.evaluation.detection import Focus, unmatched_components
from tmtv_tf.evaluation.overlap import bounding_box, confusion, soft_dice
from tmtv_tf.evaluation.reading import RAW, CaseFiles, LoadedCase, load

if TYPE_CHECKING:
    from tmtv_tf.evaluation.rivals import Rivals

NAN = float("nan")
TMTVPROB_THRESHOLD = 0.5  # strict: a voxel of the reference was in at least three of the four masks

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CaseEvaluation:
    """What was measured on one case; small enough to travel between processes.

    row : one line of cases.csv. method_rows : lines of case_methods.csv, one per method.
    missed, false_positives : see `detection.unmatched_components`. picture : PNG of the coronal MIP. warnings : those
    of tmtv.json.
    """

    case_id: str
    row: dict[str, Any]
    method_rows: list[dict[str, Any]]
    missed: list[Focus] = field(default_factory=list)
    false_positives: list[Focus] = field(default_factory=list)
    picture: bytes = b""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed_parameters: dict[str, Any] = field(default_factory=dict)


def evaluate_case(files: CaseFiles, rivals: Rivals | None = None) -> CaseEvaluation:
    """Read and measure one case, and draw its MIP. Raises CaseError as `reading.load` does."""
    from tmtv_tf.evaluation.mip import coronal_mip_png

    case = load(files)
    pet, truth, prediction = case.pet, case.tmtvprob > TMTVPROB_THRESHOLD, case.prediction
    missed, reference_foci = unmatched_components(truth, prediction, pet.array, pet.geometry)
    false_positives, predicted_foci = unmatched_components(prediction, truth, pet.array, pet.geometry)
    row = {
        "case_id": case.case_id,
        **voxel_metrics(prediction, case.tmtvprob),
        "soft_dice_tmtvprob": NAN
        if case.probability is None
        else _soft_dice_in_box(case.probability, case.tmtvprob),
        "reference_foci": reference_foci,
        "reference_ml": np.count_nonzero(truth) * pet.geometry.voxel_ml,
        "missed_foci": len(missed),
        "missed_ml": sum(focus.volume_ml for focus in missed),
        "predicted_foci": predicted_foci,
        "false_positive_foci": len(false_positives),
        "false_positive_ml": sum(focus.volume_ml for focus in false_positives),
        "rois_manual": NAN if case.roi_count is None else case.roi_count,
        "rois_are_parts": case.roi_parts,
        "rois_generated": _count(case.labels["41"]) if "41" in case.labels else NAN,
    }
    if rivals is not None:
        row |= rivals.dice(pet, truth)
    return CaseEvaluation(
        case.case_id,
        row,
        method_rows(case, truth),
        missed,
        false_positives,
        coronal_mip_png(pet, truth, prediction, case.labels[numbered_method(case.labels)], case.case_id),
        case.notes,
        case.warnings,
        changed_parameters(config_of(case)),
    )


def numbered_method(methods: Iterable[str]) -> str:
    """The method whose lesion numbers the pictures show: 41 %, where it is there."""
    found = list(methods)
    return "41" if "41" in found else found[0]


def voxel_metrics(prediction: Mask, tmtvprob: npt.NDArray[np.float32]) -> dict[str, float]:
    """Hard Dice and its companions against TMTVprob > 0.5; Dice against TMTVprob >= 0.5 under its own name."""
    counts = confusion(prediction, tmtvprob > TMTVPROB_THRESHOLD)
    return {
        "dice_tmtvprob": counts.dice,
        "dice_tmtvprob_at_least_half": confusion(prediction, tmtvprob >= TMTVPROB_THRESHOLD).dice,
        "jaccard_tmtvprob": counts.jaccard,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "ppv": counts.ppv,
        "npv": counts.npv,
    }


def method_rows(case: LoadedCase, truth: Mask) -> list[dict[str, Any]]:
    """One row per method: Dice and TMTV of the result, of the raw mask, and of the ceiling.

    `raw` is compared with TMTVprob > 0.5, every other method with the reader's mask of that method.
    """
    rows = []
    for method, labels in case.labels.items():
        reference = truth if method == RAW else case.references[method]
        ceiling = ceiling_mask(case, method)
        counts = confusion(labels > 0, reference)
        raw = confusion(case.prediction, reference)
        rows.append(
            {
                "case_id": case.case_id,
                "method": method,
                "dice": counts.dice,
                "jaccard": counts.jaccard,
                "sensitivity": counts.sensitivity,
                "ppv": counts.ppv,
                "tmtv_manual_ml": np.count_nonzero(reference) * case.pet.geometry.voxel_ml,
                "tmtv_predicted_ml": np.count_nonzero(labels) * case.pet.geometry.voxel_ml,
                "lesion_count": _count(labels),
                "raw_dice": raw.dice,
                "raw_jaccard": raw.jaccard,
                "ceiling_dice": confusion(ceiling, reference).dice,
                "ceiling_tmtv_ml": np.count_nonzero(ceiling) * case.pet.geometry.voxel_ml,
            }
        )
    return rows


def _count(labels: npt.NDArray[np.integer]) -> int:
    """How many labels occur; the highest is no count, since an excluded lesion leaves its number empty."""
    return int(np.unique(labels[labels > 0]).size)


def ceiling_mask(case: LoadedCase, method: str) -> Mask:
    """TMTVprob itself sent through the same post-processing: the best that a perfect network could reach."""
    return segment(case.tmtvprob, case.pet.array, case.pet.spacing_mm, method, config_of(case)) > 0


def config_of(case: LoadedCase) -> Config:
    """The parameters that the result was made with; what tmtv.json does not state is as published."""
    known = {field.name for field in fields(Config)}
    return Config(**{name: value for name, value in case.parameters.items() if name in known})


def changed_parameters(config: Config) -> dict[str, Any]:
    """Parameters that differ from the published ones; those of methods without a reference (liver) left out."""
    published = asdict(Config())
    return {
        key: value
        for key, value in asdict(config).items()
        if published[key] is not None and value != published[key]
    }


def _soft_dice_in_box(probability: npt.NDArray[np.float32], tmtvprob: npt.NDArray[np.float32]) -> float:
    box = bounding_box(probability > 0, tmtvprob > 0)
    return soft_dice(probability[box], tmtvprob[box])
