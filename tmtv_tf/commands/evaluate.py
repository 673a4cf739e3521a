"""`tmtv evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from petct.console import report_failures
from tmtv_tf.commands._options import Scheduler, Workers, call


def evaluate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="What tmtv-postprocess wrote, or masks of any program, <case-id>.nii.gz. Several: compared.",
        ),
    ],
    cases: Annotated[Path, typer.Option(help="What tmtv prepare wrote: CASES/<case-id>/ and cohort.csv.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    probability: Annotated[
        Path | None,
        typer.Option(help="PROBS/<case-id>/probability.nii.gz, for the soft Dice. Default: beside RESULTS."),
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="The results after a reader's edits, not the automatic ones.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="Folder that training wrote: its hours beside the paper's.")
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Compare results with the reader: Dice, TMTV, agreement, lesions, figures, one HTML report.

    tmtv evaluate results --cases cases --out report
    tmtv evaluate old new --cases cases --out report

    Writes report/index.html (pictures beside it, nothing fetched from anywhere), evaluation.json and CSV tables.
    Tables are about the test split of cohort.csv, where one of its cases has a result; else about all cases.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.evaluation.command import evaluate_folders

    raise typer.Exit(report_failures(call(evaluate_folders, given)))
