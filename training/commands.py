"""`tmtv train ...`, which tmtv finds through the entry points of `tmtv.commands`. Each command calls the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

HELP = {"help_option_names": ["-h", "--help"]}
Data = Annotated[Path, typer.Option(help="Case folders with cohort.csv, as `tmtv prepare` writes them.")]
Run = Annotated[
    Path, typer.Option(help="Folder of this run. If it already holds a run, training continues it.")
]

app = typer.Typer(
    help="Train the networks of the two papers on prepared cases. Needs TensorFlow.",
    no_args_is_help=True,
    context_settings=HELP,
)


def script(command: Callable[..., None]) -> typer.Typer:
    """One of these commands by itself, for python -m training...."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(context_settings=HELP)(command)
    return alone


@app.command(no_args_is_help=True)
def vnet(
    config: Annotated[
        Path,
        typer.Option(
            help="YAML file, or the name of a packaged one: vnet_paper.yaml, vnet_groupnorm.yaml, demo.yaml."
        ),
    ],
    data: Data,
    out: Run,
) -> None:
    """Train the V-Net of Revailler et al. 2022: TMTVprob is the truth, cohort.csv says who trains and who validates.

    tmtv train vnet --config vnet_paper.yaml --data cases --out run

    Writes RUN/best.keras (lowest validation loss), last.keras, log.csv, run.json, tensorboard/. Interrupted at any
    moment, the same command continues. Exit status: 0 trained to the end, 75 stopped (SIGTERM, Ctrl-C) and saved,
    2 an error.
    """
    from training.config import read_config
    from training.run_lock import one_training
    from training.stopping import stop_at_once_when_asked
    from training.train_vnet import Config, run

    stop_at_once_when_asked()
    settings = read_config(config, Config)
    with one_training(out):
        run(settings, data, out)


@app.command(no_args_is_help=True)
def multitask(
    config: Annotated[
        Path, typer.Option(help="YAML file, or the name of a packaged one: multitask_paper.yaml.")
    ],
    data: Data,
    out: Run,
    model: Annotated[
        str, typer.Option(help="multitask_unet (the method), or another of the nine of the study.")
    ] = "multitask_unet",
) -> None:
    """Train a network of Liu et al. 2022: lesions from the readers' outlines, prognosis from efs2y_event.

    tmtv train multitask --config multitask_paper.yaml --data cases --out run

    A case without contours trains the prognosis alone, a case without outcome the segmentation alone. Writes
    RUN/best.keras (best on the validation split), last.keras, log.csv, run.json, tensorboard/. Interrupted at any
    moment, the same command continues. Exit status: 0 trained to the end, 75 stopped (SIGTERM, Ctrl-C) and saved,
    2 an error.
    """
    from tmtv_tf._backend import quiet_tensorflow
    from training.stopping import stop_at_once_when_asked

    stop_at_once_when_asked()
    quiet_tensorflow()
    from training.config import read_config
    from training.multitask import MultitaskFitConfig, check_models
    from training.run_lock import one_training
    from training.train_multitask import run

    check_models([model])
    settings = read_config(config, MultitaskFitConfig)
    with one_training(out):
        run(settings, model, data, out)


@app.command("cross-validate", no_args_is_help=True)
def cross_validate(
    config: Annotated[
        Path,
        typer.Option(
            help="YAML file, or the name of a packaged one: multitask_paper.yaml, study_small.yaml."
        ),
    ],
    data: Data,
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
    """Train and test the nine models of Liu et al. 2022 in five folds, and write every table and figure.

    tmtv train cross-validate --config multitask_paper.yaml --data cases --out study

    Writes STUDY/folds.csv, STUDY/<model>/fold<k>/ (last.keras, log.csv, run.json, predictions.csv, probability/),
    STUDY/predictions.csv (out of fold, all models) and STUDY/report/index.html. A fold that was interrupted is
    continued, a finished one is skipped. Folds are independent jobs: run them anywhere with --fold and the same
    --out (or copy their folders together), then once without --fold for the report.
    """
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from training.config import read_config
    from training.study import run_study
    from training.study_predictions import StudyConfig

    run_study(read_config(config, StudyConfig), data, out, models=model, fold=fold, phantom=phantom)
