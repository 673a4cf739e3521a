"""`tmtv predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from petct.console import report_failures
from tmtv_tf.commands._options import Scheduler, Workers, call


def predict(
    cases: Annotated[
        Path, typer.Argument(help="Case folders as `tmtv prepare` writes them, or one of them.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Model file (.keras) that training wrote, .openvino file, or the name of a packaged network.",
            metavar="<path>",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for <case_id>/probability.nii.gz.")],
    split: Annotated[
        str | None, typer.Option(help="Only the cases of this split of cohort.csv: train, validation, test.")
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Apply a trained network: probability of tumour for each voxel of the PET, on its own grid.

    The model file says which grid, intensity windows and channels it needs. A body larger than the model's grid
    is covered by overlapping windows. Finished cases are skipped.

    A network of training.train_multitask also predicts an event within two years, in prediction.json.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.inference.cases import predict_cases

    raise typer.Exit(report_failures(call(predict_cases, given)))
