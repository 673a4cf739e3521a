"""`tmtv phantom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.commands._options import Workers


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to make: dicom/, truth/ and cohort.csv.")],
    cases: Annotated[int, typer.Option(help="Synthetic patients: HL, DLBCL and FL, 2 : 2 : 1.")] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    voxel_mm: Annotated[
        float | None, typer.Option(help="Cubic PET voxels of this size; default: each scanner's own.")
    ] = None,
    readers: Annotated[
        int, typer.Option(help="Simulated readers who disagree: OUT/readers/, for tmtv prepare --readers.")
    ] = 1,
    workers: Workers = 1,
) -> None:
    """Make a cohort of synthetic lymphoma PET/CT as DICOM, with reader outlines (RTSTRUCT).

    Painted bodies, not patients: for trying the software, for tests and for teaching.

    Example: tmtv phantom runs/phantom --cases 20 --seed 1
    """
    from petct.console import report_failures
    from tmtv_tf.phantom.cohort import make_cohort

    outcomes = make_cohort(out, cases, seed, voxel_mm=voxel_mm, readers=readers, workers=workers)
    print(f"{out}: {sum(o.error is None for o in outcomes)} phantoms; table in {out / 'cohort.csv'}.")
    raise typer.Exit(report_failures(outcomes))
