"""`tmtv inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from petct.errors import DicomError
from tmtv_tf.commands._options import (
    AllowUnusual,
    CtUid,
    DoseMbq,
    InjectionTime,
    PetUid,
    WeightKg,
    call,
    overrides,
)

Dicom = Annotated[
    list[Path], typer.Argument(help="Folders (any tree of any files) or files.", metavar="DICOM")
]
AsJson = Annotated[bool, typer.Option("--json", help="A list of series as JSON on stdout.")]
ShowText = Annotated[
    bool, typer.Option(help="Show series descriptions and ROI names: free text that may name a patient.")
]
Sul = Annotated[bool, typer.Option(help="Also lean body mass over weight: SUL = SUV * this.")]


def inspect(
    dicom: Dicom,
    as_json: AsJson = False,
    show_text: ShowText = False,
    sul: Sul = False,
    pet_uid: PetUid = None,
    ct_uid: CtUid = None,
    weight_kg: WeightKg = None,
    dose_mbq: DoseMbq = None,
    injection_time: InjectionTime = None,
    allow_unusual: AllowUnusual = False,
) -> None:
    """Say what is in a folder, which PET and CT would be used, the SUV factor and its rule, and what is wrong.

    tmtv inspect /data/export
    tmtv inspect /data/export --json

    Reads headers and outlines, no pixels, and writes nothing. Patients are numbered, not named.

    Exit status: 0 if every PET study could be prepared, 1 if some are refused, 2 if none could be or there is none.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.cases.inspect import inspect_tree
    from tmtv_tf.cases.inspect_report import print_report

    report = call(inspect_tree, given, roots=dicom, overrides=overrides(given))
    if as_json:
        typer.echo(json.dumps(report.series, indent=2, allow_nan=False))
    else:
        print_report(report)
    if report.problem:
        raise DicomError(report.problem)
    for study, reason in report.refused.items():
        typer.echo(f"Refused: study {study}: {reason}", err=True)
    raise typer.Exit(1 if report.refused else 0)
