"""The tables of a study's report as a reader sees them: titles, captions, and each number as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmtv_tf.evaluation.prognosis import liu2022
from tmtv_tf.evaluation.prognosis.clinical_pet import IMPI_SOURCE, PUBLISHED
from tmtv_tf.evaluation.prognosis.study_tables import (
    NETWORK_GRID,
    ORACLE,
    RIVALS,
    RULES,
    beside_paper,
    comparisons,
    fold_table,
    literature,
    performance,
    share_of_best,
    survival_table,
    with_ceiling,
)
from tmtv_tf.evaluation.wording import number, p_value, span, spread

# Column -> what it is called, and whether the paper's number stands beside it.
LABELS = {
    "dice": "DSC",
    "precision": "Precision",
    "recall": "Recall",
}
LABELS_PROGNOSIS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "youden": "Youden",
}
PAPER = "paper"
SPREAD = "Mean ± SD over the folds."
ONE_FOLD = "One fold: the mean over its patients, no SD."
NO_IMPI = "IMPI's form is not among them: cohort.csv lacks PFS, age_years or ann_arbor_stage."
GRIDS = (
    "DSC, precision and recall on the network's grid, as far as can be told the paper's, and on the PET's own grid; "
    "the ceiling is the mean over all cases."
)


@dataclass(frozen=True)
class ReportTable:
    """One table: its numbers (CSV), and what a reader sees of them (HTML, Markdown)."""

    key: str
    title: str
    caption: str
    data: pd.DataFrame
    headers: list[str]
    cells: list[list[str]]


def study_tables(
    predictions: pd.DataFrame,
    cohort: pd.DataFrame,
    ceilings: Mapping[str, float],
    reachable_auc: float | None = None,
    draws: int = 2000,
    ablation_fold: int | None = None,
) -> list[ReportTable]:
    """All tables, in the order of the report."""
    by_rule = {rule: performance(predictions, rule, draws=draws) for rule in RULES}
    half = by_rule["half"]
    tables = [_folds(predictions)]
    for rule, text in RULES.items():
        suffix, threshold = ("", "threshold 0.5") if rule == "half" else ("_youden", "Youden's threshold")
        main = beside_paper(by_rule[rule], [*liu2022.TABLE_3, *RIVALS, ORACLE], liu2022.MAIN)
        ablation = beside_paper(by_rule[rule], liu2022.TABLE_4, liu2022.ABLATION)
        main, ablation = with_ceiling(main, ceilings), with_ceiling(ablation, ceilings)
        folds = SPREAD if predictions["fold"].nunique() > 1 else ONE_FOLD
        caption = f"{folds} An event is predicted by: {text}. {GRIDS}"
        tables.append(
            _performance(
                f"table3_main{suffix}", f"The paper's Table 3: main study, {threshold}", caption, main
            )
        )
        tables.append(
            _performance(
                f"table4_ablation{suffix}",
                f"The paper's Table 4: ablation study, {threshold}",
                caption,
                ablation,
            )
        )
    if ablation_fold is not None:
        members = predictions[predictions["fold"] == ablation_fold]
        tables.append(_one_fold(performance(members, "half", draws=draws), ablation_fold, ceilings))
    tables += [_intervals(half), _literature(half)]
    for rule, text in RULES.items():
        tables.append(_comparisons(comparisons(predictions, rule), rule, text))
        tables.append(_survival(survival_table(predictions, cohort, rule), rule, text))
    if reachable_auc is not None:
        tables.append(_shares(share_of_best(half, reachable_auc), reachable_auc))
    return [table for table in tables if len(table.data)]


def _folds(predictions: pd.DataFrame) -> ReportTable:
    data = fold_table(predictions)
    columns: list[tuple[str, Callable]] = [
        ("Fold", lambda r: str(r.fold)),
        ("2y-EFS event", lambda r: str(r.event)),
        (PAPER, lambda r: number(r.paper_event, 0)),
        ("2y-CR", lambda r: str(r.no_event)),
        (PAPER, lambda r: number(r.paper_no_event, 0)),
        ("unknown", lambda r: str(r.unknown)),
    ]
    return _table("table1_folds", "The paper's Table 1: cases in each fold", "", data, columns)


def _performance(key: str, title: str, caption: str, data: pd.DataFrame) -> ReportTable:
    def over_folds(metric: str) -> Callable:
        return lambda r: spread(getattr(r, metric), getattr(r, f"{metric}_sd"), 3)

    def published(metric: str) -> tuple[str, Callable]:
        return PAPER, lambda r: number(getattr(r, f"paper_{metric}"), 3)

    columns: list[tuple[str, Callable]] = [("Method", lambda r: r.name)]
    for metric, label in LABELS.items():
        columns += [(label, over_folds(f"{metric}{NETWORK_GRID}")), published(metric)]
    columns += [(f"{label}, PET grid", over_folds(metric)) for metric, label in LABELS.items()]
    for metric, label in LABELS_PROGNOSIS.items():
        columns += [(label, over_folds(metric)), published(metric)]
    return _table(key, title, caption, data, columns)


def _one_fold(half: pd.DataFrame, fold: int, ceilings: Mapping[str, float]) -> ReportTable:
    """Table 4 of one fold, as the paper's: threshold 0.5."""
    data = with_ceiling(beside_paper(half, liu2022.TABLE_4, liu2022.ABLATION), ceilings)
    title = f"The paper's Table 4 in one fold (fold {fold}), threshold 0.5"
    return _performance("table4_ablation_one_fold", title, f"The paper took one random fold. {GRIDS}", data)


def _intervals(performances: pd.DataFrame) -> ReportTable:
    names = ["dice", "dice_low", "dice_high", "auc", "auc_low", "auc_high", "auc_pooled", "brier"]
    names += ["calibration_intercept", "calibration_slope"]
    data = performances[
        ["model", "name", "n_segmentation", "n_prognosis", *(n for n in names if n in performances)]
    ]
    columns: list[tuple[str, Callable]] = [
        ("Method", lambda r: r.name),
        ("DSC (95 %)", lambda r: _interval(r.dice, r.dice_low, r.dice_high)),
        ("AUC, mean of folds (95 %)", lambda r: _interval(r.auc, r.auc_low, r.auc_high)),
        ("AUC, pooled", lambda r: number(r.auc_pooled, 3)),
        ("Brier score", lambda r: number(r.brier, 3)),
        ("Calibration intercept", lambda r: number(_get(r, "calibration_intercept"), 2, sign=True)),
        ("Calibration slope", lambda r: number(_get(r, "calibration_slope"), 2)),
    ]
    caption = (
        "95 % intervals by bootstrap: Dice over cases; AUC stratified by fold and class. The pooled AUC ranks "
        "out-of-fold scores of different networks together. Brier score: 0 is perfect, 0.25 is always one half. "
        "Calibration of the pooled probabilities: intercept (with slope 1) 0 and slope 1 are perfect; undefined where "
        f"classes are separated. {PUBLISHED}"
    )
    impi = "impi" in set(data["model"])
    caption += f" {IMPI_SOURCE if impi else NO_IMPI}"
    return _table("intervals", "Intervals, pooled AUC and calibration", caption, data, columns)


def _literature(performances: pd.DataFrame) -> ReportTable:
    columns: list[tuple[str, Callable]] = [
        ("Source", lambda r: r.source),
        ("Task", lambda r: r.task),
        ("Cases", lambda r: str(r.cases)),
        ("Method", lambda r: r.method),
        ("DSC", lambda r: number(r.dice, 3)),
        ("AUC", lambda r: number(r.auc, 3)),
    ]
    caption = "Other cohorts, other truths: no ranking. The last row is this study's."
    return _table(
        "table5_literature",
        "The paper's Table 5: published results",
        caption,
        literature(performances),
        columns,
    )


def _comparisons(data: pd.DataFrame, rule: str, text: str) -> ReportTable:
    columns: list[tuple[str, Callable]] = [
        ("Against", lambda r: r.name),
        ("Δ AUC, pooled", lambda r: number(_get(r, "auc_pooled_difference"), 3, sign=True)),
        ("DeLong p", lambda r: p_value(_get(r, "delong_p"))),
        ("Δ Youden", lambda r: number(_get(r, "youden_difference"), 3, sign=True)),
        ("z", lambda r: number(_get(r, "youden_z"), 2, sign=True)),
        ("p", lambda r: p_value(_get(r, "youden_p"))),
        ("SEN, McNemar p", lambda r: p_value(_get(r, "mcnemar_sensitivity_p"))),
        ("SPE, McNemar p", lambda r: p_value(_get(r, "mcnemar_specificity_p"))),
        ("Δ DSC", lambda r: number(_get(r, "dice_difference"), 3, sign=True)),
        ("Wilcoxon p", lambda r: p_value(_get(r, "wilcoxon_p"))),
    ]
    caption = (
        f"The method minus the other, on the same cases; {text}. DeLong is on pooled out-of-fold scores, which "
        "come from different networks: an approximation. No correction for several comparisons."
    )
    return _table(f"comparisons_{rule}", "The method against each other model", caption, data, columns)


def _survival(data: pd.DataFrame, rule: str, text: str) -> ReportTable:
    columns: list[tuple[str, Callable]] = [
        ("Method", lambda r: r.name),
        ("End point", lambda r: r.end_point),
        ("n, event predicted", lambda r: str(r.n_high)),
        ("n, others", lambda r: str(r.n_low)),
        ("log-rank p", lambda r: p_value(r.logrank_p)),
        ("Hazard ratio (95 %)", lambda r: _interval(r.hazard_ratio, r.hazard_low, r.hazard_high, 2)),
    ]
    caption = (
        f"Patients predicted to have an event against the others; {text}. Paper: p < 0.0001 for PFS and OS."
    )
    return _table(f"survival_{rule}", "Survival by predicted group", caption, data, columns)


def cut_off_table(data: pd.DataFrame) -> ReportTable:
    """Cut-offs of TMTV, see `cut_offs`."""
    columns: list[tuple[str, Callable]] = [
        ("TMTV under", lambda r: r.volume),
        ("End point", lambda r: r.end_point),
        ("Cut-off", lambda r: r.cut_off),
        ("mL", lambda r: number(r.value_ml, 0)),
        ("n, above", lambda r: str(r.n_high)),
        ("n, others", lambda r: str(r.n_low)),
        ("log-rank p", lambda r: p_value(r.logrank_p)),
        ("Hazard ratio (95 %)", lambda r: _interval(r.hazard_ratio, r.hazard_low, r.hazard_high, 2)),
        ("How far to believe it", lambda r: r.note),
    ]
    caption = (
        "The readers' TMTV, no network. The optimal cut-off has the largest log-rank statistic of all that leave 10 % "
        "of the cases on each side. Cross-validated: each case is called by the cut-off of the other folds."
    )
    return _table("cut_offs", "Cut-offs of TMTV and survival", caption, data, columns)


def _shares(data: pd.DataFrame, reachable_auc: float) -> ReportTable:
    columns: list[tuple[str, Callable]] = [
        ("Method", lambda r: r.name),
        ("AUC, mean of folds", lambda r: number(r.auc, 3)),
        ("share of the best reachable", lambda r: f"{100 * r.share_of_best:.0f} %"),
    ]
    caption = (
        f"The outcomes were drawn from a known risk; ranking by it is expected to reach an AUC of "
        f"{reachable_auc:.3f}, and in a small cohort more or less by luck. Share: (AUC − 0.5) / (that − 0.5)."
    )
    return _table("share_of_best", "What was reachable", caption, data, columns)


def _table(
    key: str, title: str, caption: str, data: pd.DataFrame, columns: list[tuple[str, Callable]]
) -> ReportTable:
    cells = [[show(row) for _, show in columns] for row in data.itertuples()]
    return ReportTable(key, title, caption, data, [header for header, _ in columns], cells)


def _get(row: Any, name: str) -> float | None:
    return getattr(row, name, None)


def _interval(value: float, low: float, high: float, digits: int = 3) -> str:
    if value != value:
        return number(None)
    return f"{number(value, digits)} ({span(low, high, digits)})"
