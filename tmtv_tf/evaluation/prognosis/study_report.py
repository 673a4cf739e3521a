"""The report of a cross-validated study: index.html, report.md, every table as CSV, every figure as PNG."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from petct.files import replace_atomically, write_csv, write_text
from tmtv_tf.evaluation.prognosis import liu2022, study_figures
from tmtv_tf.evaluation.prognosis.clinical_pet import PUBLISHED
from tmtv_tf.evaluation.prognosis.cut_offs import cut_off_figure, study_cut_offs
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

TEMPLATE = Path(__file__).parent / "templates" / "study.html.j2"
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


def write_study_report(
    out: Path,
    predictions: pd.DataFrame,
    cohort: pd.DataFrame,
    *,
    ceilings: Mapping[str, float],
    pictures: dict[str, bytes],
    facts: dict[str, Any],
    reachable_auc: float | None = None,
    volumes: pd.DataFrame | None = None,
    draws: int = 2000,
) -> Path:
    """Write the report; returns the page.

    Parameters
    ----------
    predictions : see `study_tables`.
    cohort : case_id, pfs_months, pfs_event, os_months, os_event.
    ceilings : mean `dice`, `precision`, `recall` that the networks' grid allows at most on the PET's.
    pictures : further PNGs by name: `features`, `renderings`.
    facts : what the page says of the study: `phantom` (bool), `cases`, `folds`, `settings`, `software`; `only_fold`,
        the one fold that it is about; `ablation_fold`, the one of a further Table 4, as the paper's.
    reachable_auc : the expected AUC of the phantoms' true risk; None for patients.
    volumes : the readers' TMTV of every case, see `cut_offs`; None: no cut-offs.
    draws : bootstrap draws.
    """
    tables = study_tables(predictions, cohort, ceilings, reachable_auc, draws, facts.get("ablation_fold"))
    if volumes is not None:
        tables += [table for table in [_cut_offs(study_cut_offs(volumes))] if len(table.data)]
    figures = {
        "roc": study_figures.roc_figure(predictions),
        "calibration": study_figures.calibration_figure(predictions),
    }
    if liu2022.METHOD in set(predictions["model"]):
        for rule in RULES:
            figures[f"kaplan_meier_{rule}"] = study_figures.kaplan_meier_figure(
                predictions, cohort, liu2022.METHOD, rule
            )
    curves = None if volumes is None else cut_off_figure(volumes)
    figures |= pictures | ({} if curves is None else {"cut_offs": curves})
    for table in tables:
        write_csv(out / f"{table.key}.csv", table.data.columns, table.data.itertuples(index=False))
    for name, content in figures.items():
        with replace_atomically(out / f"{name}.png") as temporary:
            temporary.write_bytes(content)
    write_text(out / "report.md", _markdown(tables, facts))
    page = out / "index.html"
    write_text(page, _html(tables, figures, facts))
    return page


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


def _cut_offs(data: pd.DataFrame) -> ReportTable:
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


def _markdown(tables: list[ReportTable], facts: dict[str, Any]) -> str:
    lines = ["# Joint lesion segmentation and prognosis: cross-validated study", "", _subject(facts), ""]
    for table in tables:
        lines += [f"## {table.title}", ""]
        lines += [table.caption, ""] if table.caption else []
        lines.append("| " + " | ".join(table.headers) + " |")
        lines.append("|" + "---|" * len(table.headers))
        lines += ["| " + " | ".join(row) + " |" for row in table.cells]
        lines.append("")
    return "\n".join(lines)


def _html(tables: list[ReportTable], figures: dict[str, bytes], facts: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["png"] = lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        tables={table.key: table for table in tables},
        figures=figures,
        facts=facts,
        subject=_subject(facts),
        citation=liu2022.CITATION,
        rules=RULES,
        paper=PAPER,
    )


def _subject(facts: dict[str, Any]) -> str:
    kind = "computer-made phantoms, not patients" if facts["phantom"] else "patients"
    only = f"; this page: fold {facts['only_fold']} alone" if facts.get("only_fold") else ""
    return f"{facts['cases']} {kind}, {facts['folds']} folds{only}. Research software, not a medical device."
