"""Write an evaluation: evaluation.json, CSV tables, figures, index.html; and print its short form."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.console import listed
from petct.files import replace_atomically, write_csv, write_json, write_text
from tmtv_tf.evaluation import figures, paper
from tmtv_tf.evaluation.case import numbered_method
from tmtv_tf.evaluation.cohort import Evaluation
from tmtv_tf.evaluation.field_tables import reader_statements
from tmtv_tf.evaluation.mip import PREDICTION_COLOUR, REFERENCE_COLOUR, SUV_WINDOW
from tmtv_tf.evaluation.report_files import TEMPLATES, remove_report
from tmtv_tf.evaluation.summary import summary
from tmtv_tf.evaluation.truths import RAW
from tmtv_tf.evaluation.wording import (
    FINAL,
    METHOD_NAMES,
    NO_TEST_CASE,
    no_rivals,
    number,
    p_value,
    span,
    spread,
)
from tmtv_tf.report.template import page_template

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.table import Table

WORST_CASES = 5  # spelled out in "What went wrong"


def write_report(evaluation: Evaluation, out: str | os.PathLike[str]) -> Path:
    """Write everything under `out` and return the path of index.html.

    evaluation.json, cases.csv, case_methods.csv, one CSV per table, the figures as PNG, and index.html, which holds the
    figures and loads the MIPs in `mips/` when they are scrolled to. Each file appears whole or not at all; index.html
    comes last.
    """
    out = Path(out)
    content = summary(evaluation)
    pictures = _figures(evaluation)
    remove_report(out, keep={case.case_id for case in evaluation.found})
    write_json(out / "evaluation.json", content)
    for name, table in {
        "cases": evaluation.cases,
        "case_methods": evaluation.methods,
        **evaluation.tables,
    }.items():
        write_csv(out / f"{name}.csv", table.columns, table.itertuples(index=False))
    for name, data in pictures.items():
        with replace_atomically(out / f"{name}.png") as temporary:
            temporary.write_bytes(data)
    page = out / "index.html"
    write_text(page, render(evaluation, content, pictures))
    return page


def render(evaluation: Evaluation, content: dict[str, Any], pictures: dict[str, bytes]) -> str:
    """index.html as text: inline CSS, figures as base64 PNG, MIPs beside it, nothing fetched from anywhere."""
    template = page_template(
        TEMPLATES / "report.html.j2",
        number=number,
        p_value=p_value,
        signed=lambda value: number(value, 0, sign=True),
        method=lambda name: METHOD_NAMES.get(name, name),
        dois=_whole_dois,
    )
    summary_methods = list(content["methods"])
    return template.render(
        evaluation=evaluation,
        summary=content,
        tables={name: table.to_dict("records") for name, table in evaluation.tables.items()},
        figures=pictures,
        cases=(cases := _cases_worst_first(evaluation)),
        chosen=_good_and_bad(cases),
        reader_statements=reader_statements(evaluation.tables["readers"]),
        worst_count=WORST_CASES,
        numbered=numbered_method(summary_methods),
        no_test_case=NO_TEST_CASE,
        final=FINAL if evaluation.final else "",
        no_rivals=no_rivals,
        span=span,
        spread=spread,
        paper=paper,
        colours={"reference": REFERENCE_COLOUR, "prediction": PREDICTION_COLOUR},
        suv_window=SUV_WINDOW,
        parameters=", ".join(
            f"{key} = {value}" for key, value in content["parameters_not_as_published"].items()
        ),
    )


def _whole_dois(text: str) -> Markup:
    """Text as HTML in which no DOI is broken at one of its hyphens."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"doi:[^\s;,]+", r'<span class="whole">\g<0></span>', str(escape(text))))


def terminal_tables(evaluation: Evaluation) -> list[Table]:
    """The short form for the terminal: the raw mask and its rivals, then one row per method."""
    from rich.table import Table

    overall = Table(title="Dice against TMTVprob > 0.5", title_justify="left")
    for name in ("", "n", "median", "mean"):
        overall.add_column(name, justify="left" if not name else "right")
    for row in evaluation.tables["rivals"].to_dict("records"):
        overall.add_row(row["name"], str(row["n"]), number(row["median_dice"]), number(row["mean_dice"]))
    methods = Table(title="Per method, against the reader", title_justify="left")
    columns = (
        "method",
        "n",
        "median Dice",
        "ceiling",
        "TMTV manual / predicted, median mL",
        "Spearman",
        "bias mL",
    )
    for name in columns:
        methods.add_column(name, justify="left" if name == "method" else "right")
    for name, row in summary(evaluation)["methods"].items():
        methods.add_row(
            METHOD_NAMES.get(name, name),
            str(row["n"]),
            number(row["median_dice"]),
            number(row["ceiling_median_dice"]),
            f"{number(row['tmtv_manual_ml']['median'], 0)} / {number(row['tmtv_predicted_ml']['median'], 0)}",
            number(row["spearman"]),
            number(row["bias_ml"], 0, sign=True),
        )
    return [overall, methods]


def print_summary(evaluation: Evaluation, page: Path) -> None:
    """Print what was evaluated, the two short tables, and where the report is."""
    from rich.console import Console

    console = Console()
    for line in _opening(evaluation):
        console.print(line, highlight=False, markup=False)
    for table in terminal_tables(evaluation):
        console.print(table)
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)


def _opening(evaluation: Evaluation) -> list[str]:
    """What was evaluated, and what a reader must know before the numbers, one sentence each."""
    of_cohort = "" if evaluation.cohort_size is None else f" of {evaluation.cohort_size} in the cohort"
    split = evaluation.split
    about = (
        "" if split is None else f"; the tables are about the {len(evaluation.reported)} of the {split} split"
    )
    lines = [f"Cases evaluated: {len(evaluation.found)}{of_cohort}{about}."]
    if missing := evaluation.without_result:
        whole = "cohort" if split is None else f"{split} split"
        lines.append(f"No result for {len(missing)} of the {whole}: {listed(missing)}.")
    if evaluation.final:
        lines.append(FINAL)
    if split is None:
        lines.append(NO_TEST_CASE)
    lines += [f"WARNING: {text}" for text in evaluation.common_warnings]
    if evaluation.rivals is None:
        lines.append(no_rivals(evaluation.rivals_note))
    return lines


def _figures(evaluation: Evaluation) -> dict[str, bytes]:
    methods = evaluation.reported_methods
    compared = methods[methods["method"] != RAW]
    if compared.empty:
        compared = methods
    return {
        "figure1_box_plots": figures.box_plots(compared),
        "figure2_bland_altman": figures.bland_altman_plots(compared),
        "figure3_scatter": figures.scatter_plots(compared),
    }


def _good_and_bad(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The paper's Figure 4: the reported case of the lowest and that of the highest Dice; none with fewer than two."""
    defined = [case for case in cases if case["dice_tmtvprob"] == case["dice_tmtvprob"]]
    return [defined[0], defined[-1]] if len(defined) > 1 else []


def _cases_worst_first(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What the report shows of each reported case; lowest Dice first, undefined Dice last."""
    found = {case.case_id: case for case in evaluation.found}
    methods = {
        case_id: group.set_index("method").to_dict("index")
        for case_id, group in evaluation.methods.groupby("case_id")
    }
    rows = evaluation.reported.sort_values(["dice_tmtvprob", "case_id"], na_position="last")
    return [
        {
            **{str(k): v for k, v in row.items()},
            "evaluation": found[row["case_id"]],
            "methods": methods[row["case_id"]],
        }
        for row in rows.to_dict("records")
    ]
