"""The content of evaluation.json: an evaluated cohort as plain numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from tmtv_tf.evaluation.agreement import describe, median_interval
from tmtv_tf.evaluation.cohort import Evaluation
from tmtv_tf.evaluation.reading import RAW


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The content of evaluation.json."""
    dice = evaluation.reported["dice_tmtvprob"]
    found = describe(dice)
    return {
        "median_dice_tmtvprob": found.median,
        "median_dice_tmtvprob_interval_95": list(median_interval(dice)),
        "dice_tmtvprob": asdict(found),
        "split": evaluation.split or "all",
        "model": evaluation.model or None,
        "result": "final" if evaluation.final else "automatic",
        "cases_evaluated": len(evaluation.found),
        "cases_reported": len(evaluation.reported),
        "cases_in_cohort": evaluation.cohort_size,
        "failed": evaluation.failed,
        "without_result": evaluation.without_result,
        "methods": {
            row["method"]: _method_summary(evaluation, row["method"])
            for row in evaluation.tables["stages"].to_dict("records")
        },
        "voxel_metrics": _by(evaluation.tables["voxel_metrics"], "key"),
        "roi_counts": _by(evaluation.tables["roi_counts"], "key"),
        "truths": evaluation.truths,
        "not_in_cohort": evaluation.outside,
        "concordance": evaluation.tables["concordance"].to_dict("records"),
        "lesion_metrics": _by(evaluation.tables["lesion_metrics"], "key"),
        "without_lesion": evaluation.tables["without_lesion"].to_dict("records")[0],
        "readers": evaluation.tables["readers"].to_dict("records"),
        "detection": _detection(evaluation.reported),
        "dice_by_split": _by(evaluation.tables["dice_by_split"], "split"),
        "rivals": _rival_summary(evaluation),
        "warnings": evaluation.warnings,
        "parameters_not_as_published": evaluation.changed_parameters,
        "software": _software(),
    }


def _method_summary(evaluation: Evaluation, method: str) -> dict[str, Any]:
    chosen = evaluation.reported_methods[evaluation.reported_methods["method"] == method]
    dice = describe(chosen["dice"])
    found = _by(evaluation.tables["agreement"], "method")[method]
    stages = _by(evaluation.tables["stages"], "method")[method]
    return {
        "reference": "TMTVprob > 0.5" if method == RAW else f"reference_{method}.nii.gz",
        "n": dice.n,
        "n_undefined": dice.n_undefined,
        "median_dice": dice.median,
        "median_dice_interval_95": list(median_interval(chosen["dice"])),
        "mean_dice": dice.mean,
        "sd_dice": dice.sd,
        "median_jaccard": stages["median_jaccard"],
        "raw_median_dice": stages["raw_median_dice"],
        "ceiling_median_dice": stages["ceiling_median_dice"],
        "tmtv_manual_ml": asdict(describe(chosen["tmtv_manual_ml"])),
        "tmtv_predicted_ml": asdict(describe(chosen["tmtv_predicted_ml"])),
        **{key: value for key, value in found.items() if key != "n" and not key.startswith("paper")},
    }


def _detection(cases: pd.DataFrame) -> dict[str, Any]:
    return {
        "reference_foci": int(cases["reference_foci"].sum()),
        "reference_ml": float(cases["reference_ml"].sum()),
        "missed_foci": int(cases["missed_foci"].sum()),
        "missed_ml": float(cases["missed_ml"].sum()),
        "cases_with_missed": int((cases["missed_foci"] > 0).sum()),
        "false_positive_foci": int(cases["false_positive_foci"].sum()),
        "false_positive_ml": float(cases["false_positive_ml"].sum()),
        "cases_with_false_positives": int((cases["false_positive_foci"] > 0).sum()),
    }


def _rival_summary(evaluation: Evaluation) -> dict[str, Any]:
    rivals = evaluation.rivals
    if rivals is None:
        return {"note": evaluation.rivals_note}
    rows = _by(evaluation.tables["rivals"], "key")
    chosen = {
        "dice_threshold": {"suv": rivals.threshold_suv},
        "dice_threshold_without_hot": {"suv": rivals.masked_threshold_suv, "hot_mean_suv": rivals.hot_suv},
    }
    return {
        "training_cases": rivals.cases,
        **{
            key.removeprefix("dice_"): parameters
            | {name: rows[key][name] for name in ("n", "median_dice", "mean_dice", "train_median_dice")}
            for key, parameters in chosen.items()
        },
    }


def _by(table: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    return {
        str(row[key]): {str(k): v for k, v in row.items() if k != key} for row in table.to_dict("records")
    }


def _software() -> dict[str, str]:
    from importlib.metadata import version

    from tmtv_tf import __version__

    return {"tmtv-tf": __version__} | {name: version(name) for name in ("scipy", "numpy", "pandas")}
