"""The tables of a cross-validated study, each a data frame: the cohort's numbers, then the paper's (`paper_...`).

`predictions` has one row per model and test patient: model, fold, case_id, efs2y_event (0, 1, NaN unknown),
probability of an event (NaN for a segmentation network), threshold (Youden-optimal on that fold's training
patients), and dice, precision, recall (NaN without segmentation or contours), on the PET's own grid and, with
NETWORK_GRID behind the name, on the network's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from tmtv_tf.evaluation.agreement import percentile_interval
from tmtv_tf.evaluation.prognosis import liu2022
from tmtv_tf.evaluation.prognosis.classification import (
    auc,
    bootstrap_auc,
    brier_score,
    delong_test,
    mcnemar_test,
    operating_point,
    youden_test,
)
from tmtv_tf.evaluation.prognosis.clinical_pet import calibration
from tmtv_tf.evaluation.prognosis.survival import compare_groups

NAN = float("nan")
# How a probability becomes a call: above one half, or above the training patients' best threshold.
RULES = {"half": "probability > 0.5", "youden": "Youden-optimal on the training cases"}
RIVALS = {
    "tmtv": "TMTV alone (logistic regression)",
    "logistic": "TMTV, Dmax, SUVmax (logistic regression)",
    "cox": "TMTV, Dmax, SUVmax (Cox)",
    "pet_model": "PET model (MTV, Dmax bulk, SUVpeak)",
    "impi": "IMPI's form (MTV, age, stage), fitted anew",
}
ORACLE = "true_risk"
ORACLE_NAME = "The phantoms' true risk"
# On the PET's own grid; with NETWORK_GRID behind it, on the network's, as the paper seems to have measured.
SEGMENTATION = ("dice", "precision", "recall")
NETWORK_GRID = "_network_grid"
ON_NETWORK_GRID = tuple(f"{name}{NETWORK_GRID}" for name in SEGMENTATION)
CEILING = "ceiling"
CEILING_NAME = "Ceiling: the truth, to the network's grid and back"
CALLS = ("accuracy", "sensitivity", "specificity", "youden")


def name_of(model: str) -> str:
    """What the tables and figures call a model."""
    return {**liu2022.NAMES, **RIVALS, ORACLE: ORACLE_NAME, CEILING: CEILING_NAME}.get(model, model)


def fold_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Table 1: patients with an event, without, and of unknown outcome, per fold; the paper's beside."""
    patients = predictions.drop_duplicates("case_id")
    rows = []
    for i, (fold, members) in enumerate(patients.groupby("fold")):
        published = liu2022.FOLDS[i] if i < len(liu2022.FOLDS) else (NAN, NAN)
        rows.append(
            {
                "fold": fold,
                "event": int((members["efs2y_event"] == 1).sum()),
                "no_event": int((members["efs2y_event"] == 0).sum()),
                "unknown": int(members["efs2y_event"].isna().sum()),
                "paper_event": published[0],
                "paper_no_event": published[1],
            }
        )
    return pd.DataFrame(rows)


def calls(rows: pd.DataFrame, rule: str) -> pd.Series:
    """Whom a model calls an event (bool) under one of RULES."""
    return rows["probability"] > (0.5 if rule == "half" else rows["threshold"])


def performance(predictions: pd.DataFrame, rule: str, *, draws: int = 2000) -> pd.DataFrame:
    """One row per model: mean and SD over the folds of every metric of Table 3, and 95 % intervals.

    `auc` is the mean of the folds' AUCs, its interval a bootstrap stratified by fold and class; `auc_pooled` that
    of all out-of-fold scores together, though they come from different models. The interval of `dice` is a
    bootstrap over patients.
    """
    rows = []
    for model, members in predictions.groupby("model", sort=False):
        per_fold = pd.DataFrame([_fold_metrics(fold, rule) for _, fold in members.groupby("fold")])
        row: dict[str, object] = {"model": model, "name": name_of(str(model)), "rule": rule}
        for metric in (*liu2022.METRICS, *ON_NETWORK_GRID):
            row[metric] = per_fold[metric].mean()
            row[f"{metric}_sd"] = per_fold[metric].std(ddof=1) if len(per_fold) > 1 else NAN
        known = _known(members)
        dice = members["dice"].dropna().to_numpy(float)
        row["n_prognosis"], row["n_segmentation"] = len(known), len(dice)
        row["dice_low"], row["dice_high"] = _bootstrap_mean(dice, draws)
        if len(known):
            y, p = known["efs2y_event"], known["probability"]
            row["auc_low"], row["auc_high"] = bootstrap_auc(y, p, known["fold"], draws=draws)
            row["auc_pooled"], row["brier"] = auc(y, p), brier_score(y, p)
            line = calibration(y, p)
            row["calibration_intercept"], row["calibration_slope"] = line.intercept, line.slope
        rows.append(row)
    return pd.DataFrame(rows)


def beside_paper(
    performances: pd.DataFrame, models: Sequence[str], published: dict[str, tuple[float | None, ...]]
) -> pd.DataFrame:
    """The rows of these models in this order, with the paper's numbers as `paper_<metric>`."""
    present = set(performances["model"])
    table = performances.set_index("model").loc[[m for m in models if m in present]].reset_index()
    for i, metric in enumerate(liu2022.METRICS):
        values = [published.get(model, (None,) * len(liu2022.METRICS))[i] for model in table["model"]]
        table[f"paper_{metric}"] = [NAN if value is None else value for value in values]
    return table


def with_ceiling(table: pd.DataFrame, ceilings: Mapping[str, float]) -> pd.DataFrame:
    """The table with a last row of what can be reached at most: 1 on the network's grid, `ceilings` on the PET's.

    Unchanged where no model has a segmentation.
    """
    if table.empty or table["dice"].isna().all():
        return table
    row = {"model": CEILING, "name": CEILING_NAME, **dict.fromkeys(ON_NETWORK_GRID, 1.0), **ceilings}
    return pd.concat([table, pd.DataFrame([row])], ignore_index=True)


def literature(performances: pd.DataFrame) -> pd.DataFrame:
    """Table 5: the paper's comparison, and the method on this cohort as the last row."""
    columns = ["source", "task", "cases", "method", "dice", "auc"]
    table = pd.DataFrame(liu2022.LITERATURE, columns=columns)
    method = performances[performances["model"] == liu2022.METHOD]
    if len(method):
        row = method.iloc[0]
        n = max(row["n_prognosis"], row["n_segmentation"])
        table.loc[len(table)] = [
            "This cohort",
            "SEG+CLS",
            n,
            "3D MT-U-Net with DP",
            row[f"dice{NETWORK_GRID}"],
            row["auc"],
        ]
    return table


def comparisons(predictions: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The method against each other model on the same patients (method minus other).

    DeLong on the pooled out-of-fold scores (an approximation: they come from several models), Youden's index by
    its paired z test, exact McNemar for sensitivity and specificity, Wilcoxon's signed ranks for Dice.
    """
    rows = []
    first = predictions[predictions["model"] == liu2022.METHOD].set_index("case_id")
    for model in predictions["model"].unique():
        if model == liu2022.METHOD or first.empty:
            continue
        second = predictions[predictions["model"] == model].set_index("case_id")
        row: dict[str, object] = {"model": model, "name": name_of(model), "rule": rule}
        rows.append(row | _compare_prognosis(first, second, rule) | _compare_dice(first, second))
    return pd.DataFrame(rows)


def survival_table(predictions: pd.DataFrame, cohort: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Per model: PFS and OS of the patients called an event against the others (log-rank p, hazard ratio)."""
    rows = []
    for model, members in predictions.groupby("model", sort=False):
        if members["probability"].isna().all():
            continue
        joined = members.merge(cohort.drop(columns=["efs2y_event"], errors="ignore"), on="case_id")
        for end in ("pfs", "os"):
            known = joined.dropna(subset=[f"{end}_months", f"{end}_event", "probability"])
            if known.empty:
                continue
            high = calls(known, rule)
            found = compare_groups(known[f"{end}_months"], known[f"{end}_event"], high)
            rows.append(
                {
                    "model": model,
                    "name": name_of(str(model)),
                    "rule": rule,
                    "end_point": end.upper(),
                    "n_high": int(high.sum()),
                    "n_low": int((~high).sum()),
                    "logrank_p": found.logrank_p,
                    "hazard_ratio": found.hazard_ratio,
                    "hazard_low": found.hazard_low,
                    "hazard_high": found.hazard_high,
                }
            )
    return pd.DataFrame(rows)


def share_of_best(performances: pd.DataFrame, reachable_auc: float) -> pd.DataFrame:
    """Outcome phantoms only: each model's AUC above chance as a share of what the true risk is expected to reach."""
    table = performances.loc[performances["auc"].notna(), ["model", "name", "auc"]].copy()
    table["share_of_best"] = (table["auc"] - 0.5) / (reachable_auc - 0.5)
    return table


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.dropna(subset=["efs2y_event", "probability"])


def _fold_metrics(rows: pd.DataFrame, rule: str) -> dict[str, float]:
    found = {
        name: float(rows[name].mean()) if name in rows else NAN for name in (*SEGMENTATION, *ON_NETWORK_GRID)
    }
    known = _known(rows)
    if known.empty:
        return found | dict.fromkeys(("auc", *CALLS), NAN)
    point = operating_point(known["efs2y_event"], calls(known, rule))
    found["auc"] = auc(known["efs2y_event"], known["probability"])
    return found | {name: getattr(point, name) for name in CALLS}


def _bootstrap_mean(values: np.ndarray, draws: int) -> tuple[float, float]:
    return (NAN, NAN) if len(values) < 2 else percentile_interval(values, np.mean, draws=draws)


def _compare_prognosis(first: pd.DataFrame, second: pd.DataFrame, rule: str) -> dict[str, float]:
    one, two = _known(first), _known(second)
    shared = one.index.intersection(two.index)
    if shared.empty:
        return {}
    one, two = one.loc[shared], two.loc[shared]
    y = one["efs2y_event"].to_numpy()
    delong = delong_test(y, one["probability"], two["probability"])
    calls_1, calls_2 = calls(one, rule).to_numpy(), calls(two, rule).to_numpy()
    youden = youden_test(y, calls_1, calls_2)
    right_1, right_2, event = calls_1 == y, calls_2 == y, y == 1
    return {
        "auc_pooled_difference": delong.difference,
        "delong_p": delong.p,
        "youden_difference": youden.difference,
        "youden_z": youden.z,
        "youden_p": youden.p,
        "mcnemar_sensitivity_p": mcnemar_test(right_1[event], right_2[event]),
        "mcnemar_specificity_p": mcnemar_test(right_1[~event], right_2[~event]),
    }


def _compare_dice(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    both = pd.concat([first["dice"], second["dice"]], axis=1, keys=["one", "two"]).dropna()
    if both.empty:
        return {}
    difference = both["one"] - both["two"]
    p = float(wilcoxon(difference).pvalue) if (difference != 0).any() else 1.0
    return {"dice_difference": float(difference.mean()), "wilcoxon_p": p}
