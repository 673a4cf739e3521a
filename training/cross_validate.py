"""The study of Liu et al. 2022: python -m training.cross_validate --config C.yaml --data CASES --out STUDY."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def cross_validate(
    config: Annotated[
        Path,
        typer.Option(
            help="YAML file, or the name of a packaged one: multitask_paper.yaml, study_small.yaml."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Case folders with cohort.csv, as `tmtv prepare` writes them.")],
    out: Annotated[Path, typer.Option(help="Folder of the study; what is done there is not done again.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Train this model only; repeat for several. Default: all nine.")
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(
            help="Train this fold only (1, 2 ...), e.g. $SLURM_ARRAY_TASK_ID, and report on it: report_fold1/."
        ),
    ] = None,
    phantom: Annotated[
        Path | None,
        typer.Option(help="Folder that `tmtv phantom` wrote, for phantoms: adds the best reachable AUC."),
    ] = None,
) -> None:
    """Train and test the nine models of the paper in five folds, and write every table and figure.

    Writes STUDY/folds.csv, STUDY/<model>/fold<k>/ (last.keras, log.csv, run.json, predictions.csv, probability/),
    STUDY/predictions.csv (out of fold, all models) and STUDY/report/index.html. An interrupted fold is
    continued, a finished one is skipped. Folds are independent jobs: run them anywhere with --fold and the same
    --out (or copy their folders together), then once without --fold for the report.
    """
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from training.config import read_config
    from training.study import run_study
    from training.study_predictions import StudyConfig

    run_study(read_config(config, StudyConfig), data, out, models=model, fold=fold, phantom=phantom)


if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
