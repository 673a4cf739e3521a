"""The report of a cross-validated study: index.html, report.md, every table as CSV, every figure as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from petct.files import replace_atomically, write_csv, write_text
from tmtv_tf.evaluation.prognosis import liu2022, study_figures
from tmtv_tf.evaluation.prognosis.cut_offs import cut_off_figure, study_cut_offs
from tmtv_tf.evaluation.prognosis.report_tables import PAPER, ReportTable, cut_off_table, study_tables
from tmtv_tf.evaluation.prognosis.study_tables import RULES
from tmtv_tf.report.template import page_template

TEMPLATE = Path(__file__).parent / "templates" / "study.html.j2"


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
        tables += [table for table in [cut_off_table(study_cut_offs(volumes))] if len(table.data)]
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
    return page_template(TEMPLATE).render(
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
