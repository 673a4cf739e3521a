"""`tmtv predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.commands._options import Scheduler, Workers


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
    from petct.console import loading, report_failures
    from petct.files import locked, remove_leftovers, require_writable, sha256
    from petct.parallel import run_cases
    from tmtv_tf.inference.cases import cases_to_predict, predict_case, print_result
    from tmtv_tf.inference.load import find_model, opened, written_for
    from tmtv_tf.models.file import read_description

    # A wrong call is refused once, at once, not for every case.
    folders = cases_to_predict(cases, split)
    path = find_model(model)
    read_description(path)
    require_writable(out)
    with locked(out):
        remove_leftovers(out)
        if len(folders) == 1:  # several cases run in processes of their own, which load it
            with loading("Loading the model ..."):
                opened(path, sha256(path), written_for(path))
        outcomes = run_cases(
            predict_case,
            [(folder.name, (folder, path, out)) for folder in folders],
            workers=workers,
            scheduler=scheduler,
            description="predict",
        )
        print_result(outcomes, out)
    raise typer.Exit(report_failures(outcomes))
