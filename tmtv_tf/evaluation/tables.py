"""The tables of the report, each a data frame that is also written as CSV: the cohort's numbers, then the paper's.

`cases` has one row per case, `methods` one row per case and method (see `case.CaseEvaluation`). The columns that
start with `paper_` are Revailler et al.'s own. A table of statistics has no typed row: its columns differ from table to
table, and nothing but a report reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tmtv_tf.evaluation import paper
from tmtv_tf.evaluation.agreement import bland_altman, describe, median_interval, paired_t_test, spearman
from tmtv_tf.evaluation.reading import RAW
from tmtv_tf.evaluation.rivals import Rivals

NAN = float("nan")
ALL = "All"
SUBTYPES = ("HL", "FL", "DLBCL")  # the paper's order; others follow by name


def dice_by_subtype(methods: pd.DataFrame) -> pd.DataFrame:
    """Table 2: Dice per subtype and method, `raw` left out."""
    compared = methods[methods["method"] != RAW]
    rows = []
    for subtype in [*_subtypes(compared["subtype"]), ALL]:
        chosen = compared if subtype == ALL else compared[compared["subtype"] == subtype]
        for method in _methods(compared):
            found = describe(chosen.loc[chosen["method"] == method, "dice"])
            published = paper.DICE_BY_SUBTYPE.get((subtype, method), (NAN, NAN, NAN))
            rows.append(
                {
                    "subtype": subtype,
                    "method": method,
                    "n": found.n,
                    "n_undefined": found.n_undefined,
                    "median": found.median,
                    "mean": found.mean,
                    "sd": found.sd,
                    **dict(zip(("paper_median", "paper_mean", "paper_sd"), published)),
                }
            )
    return pd.DataFrame(rows)


def tmtv_distribution(methods: pd.DataFrame) -> pd.DataFrame:
    """TMTV in mL per method, drawn by the reader and predicted."""
    rows = []
    for method in _methods(methods):
        chosen = methods[methods["method"] == method]
        for source in ("manual", "predicted"):
            found = describe(chosen[f"tmtv_{source}_ml"])
            median, sd = paper.TMTV_ML.get((method, source), (NAN, NAN))
            rows.append(
                {
                    "method": method,
                    "source": source,
                    "n": found.n,
                    "min_ml": found.minimum,
                    "max_ml": found.maximum,
                    "mean_ml": found.mean,
                    "median_ml": found.median,
                    "sd_ml": found.sd,
                    "paper_median_ml": median,
                    "paper_sd_ml": sd,
                }
            )
    return pd.DataFrame(rows)


def agreement(methods: pd.DataFrame) -> pd.DataFrame:
    """Paired t-test, Spearman and Bland-Altman of predicted against manual TMTV, per method."""
    rows = []
    for method in _methods(methods):
        chosen = methods[methods["method"] == method]
        predicted, manual = chosen["tmtv_predicted_ml"], chosen["tmtv_manual_ml"]
        t, rho, limits = (
            paired_t_test(predicted, manual),
            spearman(predicted, manual),
            bland_altman(predicted, manual),
        )
        rows.append(
            {
                "method": method,
                "n": limits.n,
                "t": t.statistic,
                "t_p": t.p_value,
                "paper_t": paper.PAIRED_T.get(method, ""),
                "spearman": rho.statistic,
                "spearman_p": rho.p_value,
                "paper_spearman": paper.SPEARMAN.get(method, NAN),
                "bias_ml": limits.bias,
                "bias_low_ml": limits.bias_interval[0],
                "bias_high_ml": limits.bias_interval[1],
                "sd_ml": limits.sd,
                "lower_limit_ml": limits.lower_limit,
                "lower_limit_low_ml": limits.lower_limit_interval[0],
                "lower_limit_high_ml": limits.lower_limit_interval[1],
                "upper_limit_ml": limits.upper_limit,
                "upper_limit_low_ml": limits.upper_limit_interval[0],
                "upper_limit_high_ml": limits.upper_limit_interval[1],
            }
        )
    return pd.DataFrame(rows)


def stages(methods: pd.DataFrame) -> pd.DataFrame:
    """Per method: median Dice of the raw mask, of the post-processed one, and of the ceiling."""
    rows = []
    for method in _methods(methods):
        chosen = methods[methods["method"] == method]
        rows.append(
            {
                "method": method,
                "n": describe(chosen["dice"]).n,
                "raw_median_dice": describe(chosen["raw_dice"]).median,
                "raw_median_jaccard": describe(chosen["raw_jaccard"]).median,
                "median_dice": describe(chosen["dice"]).median,
                "median_jaccard": describe(chosen["jaccard"]).median,
                "ceiling_median_dice": describe(chosen["ceiling_dice"]).median,
                "paper_raw_median_dice": paper.RAW_MEDIAN_DICE.get(method, NAN),
                "paper_median_dice": paper.DICE_BY_SUBTYPE.get((ALL, method), (NAN,))[0],
            }
        )
    return pd.DataFrame(rows)


VOXEL_METRICS = {
    "dice_tmtvprob": "Dice, TMTVprob > 0.5",
    "dice_tmtvprob_at_least_half": "Dice, TMTVprob ≥ 0.5",
    "soft_dice_tmtvprob": "Soft Dice, probability and TMTVprob",
    "jaccard_tmtvprob": "Jaccard",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
}


def voxel_metrics(cases: pd.DataFrame) -> pd.DataFrame:
    """The raw mask against TMTVprob: Dice and its variants, Jaccard, Se, Sp, PPV, NPV."""
    return _described(cases, VOXEL_METRICS, paper.VOXEL_METRICS)


def roi_counts(cases: pd.DataFrame) -> pd.DataFrame:
    """ROIs per patient: drawn by the reader, and generated (lesions of the 41 % method).

    Where ROIs are the connected parts of masks (`--split-components`, several readers) the name of the row says so.
    """
    parts = int(_column(cases, "rois_are_parts").fillna(0).astype(bool).sum())
    drawn = "Drawn by the reader"
    if parts:
        drawn = (
            f"Connected parts of the reader's masks (in {parts} of {len(cases)} cases; otherwise as drawn)"
        )
        drawn = "Connected parts of the reader's masks" if parts == len(cases) else drawn
    labels = {"rois_manual": drawn, "rois_generated": "Generated (41 % method)"}
    return _described(cases, labels, paper.ROIS)


def dice_by_split(cases: pd.DataFrame) -> pd.DataFrame:
    """Dice against TMTVprob > 0.5 per split, of the cases evaluated."""
    rows = []
    for split in (*paper.MEAN_DICE_BY_SPLIT, None):
        chosen = cases[cases["split"].isna()] if split is None else cases[cases["split"] == split]
        if len(chosen):
            found = describe(_column(chosen, "dice_tmtvprob"))
            rows.append(
                {
                    "split": split or "not stated",
                    "n": found.n,
                    "median": found.median,
                    "mean": found.mean,
                    "sd": found.sd,
                    "paper_mean": paper.MEAN_DICE_BY_SPLIT.get(split or "", NAN),
                }
            )
    return pd.DataFrame(rows)


def rival_table(cases: pd.DataFrame, rivals: Rivals | None) -> pd.DataFrame:
    """The network beside the two simple rivals: Dice against TMTVprob > 0.5 on the same cases."""
    entries: list[tuple[str, str, float]] = [("Network", "dice_tmtvprob", NAN)]
    if rivals is not None:
        hot = rivals.hot_suv
        outside = "no place left out" if hot == float("inf") else f"outside places of mean SUV > {hot:g}"
        entries += [
            (f"SUV > {rivals.threshold_suv:g} over the whole body", "dice_threshold", rivals.train_dice),
            (
                f"SUV > {rivals.masked_threshold_suv:g}, {outside}",
                "dice_threshold_without_hot",
                rivals.masked_train_dice,
            ),
        ]
    rows = []
    for name, column, train in entries:
        values = _column(cases, column)
        found, interval = describe(values), median_interval(values)
        rows.append(
            {
                "name": name,
                "key": column,
                "n": found.n,
                "median_dice": found.median,
                "median_low": interval[0],
                "median_high": interval[1],
                "mean_dice": found.mean,
                "train_median_dice": train,
            }
        )
    return pd.DataFrame(rows)


def _described(cases: pd.DataFrame, labels: dict[str, str], published: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for key, label in labels.items():
        found = describe(_column(cases, key))
        numbers = {n: getattr(found, n) for n in ("n", "n_undefined", "median", "q1", "q3", "mean", "sd")}
        theirs = (NAN if value is None else value for value in published.get(key, (None, None, None)))
        paper_numbers = dict(zip(("paper_median", "paper_mean", "paper_sd"), theirs))
        rows.append({"key": key, "name": label, **numbers, **paper_numbers})
    return pd.DataFrame(rows)


def _column(cases: pd.DataFrame, name: str) -> pd.Series:
    return cases[name] if name in cases else pd.Series(NAN, index=cases.index, dtype=float)


def _methods(methods: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(methods["method"]))


def _subtypes(column: Iterable[Any]) -> list[str]:
    found = {str(value) for value in column if value is not None and value == value}
    return [s for s in SUBTYPES if s in found] + sorted(found - set(SUBTYPES))
