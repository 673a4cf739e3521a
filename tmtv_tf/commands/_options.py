"""Options that several commands take: type, flag and help of each. Defaults stand in the commands."""

from pathlib import Path
from typing import Annotated

import typer

PetUid = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the PET to use.")]
CtUid = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the CT to use.")]
WeightKg = Annotated[float | None, typer.Option(help="In place of PatientWeight.")]
DoseMbq = Annotated[float | None, typer.Option(help="In place of RadionuclideTotalDose.")]
InjectionTime = Annotated[
    str | None, typer.Option(help="In place of the header's: 10:35, 10:35:00 or 2024-05-17T10:35:00.")
]
AllowUnusual = Annotated[
    bool,
    typer.Option("--allow-unusual", help="Weight, dose and times outside their limits are right; recorded."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="Secret of the keyed hashes. Default: ~/.config/tmtv/key, made on first use."),
]
Method = Annotated[str, typer.Option("--method", "-m", help="Whose lesions are exported.")]
Seg = Annotated[str, typer.Option(help="Form of the DICOM SEG: BINARY or LABELMAP.")]
Workers = Annotated[int, typer.Option(min=1, help="Cases at once, each in a process of its own.")]
Scheduler = Annotated[str | None, typer.Option(help="tcp://host:port of a running Dask scheduler.")]
