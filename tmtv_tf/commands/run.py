"""`tmtv run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from petct.console import report_failures
from tmtv_tf.commands._archive import (
    ADDRESS,
    Accession,
    AeTitle,
    Audit,
    CaFile,
    ClientCert,
    Date,
    Patient,
    ReceivePort,
    StudyUid,
    audit_log,
    connect,
    studies,
)
from tmtv_tf.commands._options import (
    AllowUnusual,
    Backend,
    CtUid,
    DoseMbq,
    Export,
    InjectionTime,
    Keep,
    KeyFile,
    Methods,
    Model,
    PetUid,
    Scheduler,
    Seg,
    WeightKg,
    Workers,
    call,
    overrides,
    run_options,
)

Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DICOM...", help="Folders (any tree of any files) or zip files."),
]
Out = Annotated[Path, typer.Option(help="Folder for <case_id>/, tmtv.csv, run.csv.")]
Mask = Annotated[
    Path | None,
    typer.Option(help="Lesions from elsewhere in place of a model: image on any grid, DICOM SEG, RTSTRUCT."),
]
ProbabilitySeg = Annotated[
    bool, typer.Option("--probability-seg", help="Also the probability as a FRACTIONAL SEG.")
]
PdfDicom = Annotated[
    bool,
    typer.Option("--pdf-dicom", help="Also the page as encapsulated PDF, report.dcm; with --to-pacs always."),
]
ShowPatient = Annotated[bool, typer.Option("--show-patient", help="Name, id and birth date on the page.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result of another model, mask or series.")
]
ClearEdits = Annotated[
    bool,
    typer.Option(
        "--clear-edits", help="Put a reader's earlier edits of the study out of force; edits.json keeps them."
    ),
]
FromPacs = Annotated[
    str | None, typer.Option("--from-pacs", help=f"Fetch the studies from an archive: {ADDRESS}")
]
ToPacs = Annotated[str | None, typer.Option("--to-pacs", help=f"Send the results to an archive: {ADDRESS}")]
KeepDicom = Annotated[
    Path | None,
    typer.Option("--keep-dicom", help="Keep what was fetched in this folder; else it is removed."),
]


def run(
    out: Out,
    inputs: Folders = None,
    model: Model = None,
    mask: Mask = None,
    method: Methods = None,
    export: Export = "41",
    keep: Keep = "all",
    seg: Seg = "BINARY",
    probability_seg: ProbabilitySeg = False,
    pdf_dicom: PdfDicom = False,
    show_patient: ShowPatient = False,
    backend: Backend = "auto",
    overwrite: Overwrite = False,
    clear_edits: ClearEdits = False,
    pet_uid: PetUid = None,
    ct_uid: CtUid = None,
    weight_kg: WeightKg = None,
    dose_mbq: DoseMbq = None,
    injection_time: InjectionTime = None,
    allow_unusual: AllowUnusual = False,
    key_file: KeyFile = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    from_pacs: FromPacs = None,
    to_pacs: ToPacs = None,
    patient: Patient = None,
    accession: Accession = None,
    date: Date = None,
    study_uid: StudyUid = None,
    keep_dicom: KeepDicom = None,
    ae_title: AeTitle = "TMTV",
    receive_port: ReceivePort = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    audit: Audit = None,
) -> None:
    """One study to everything: lesions, TMTV by method, DICOM SEG, RTSTRUCT and SR, and a page to look at.

    tmtv run /data/export --out results
    tmtv run study.zip --out results --mask reader.dcm
    tmtv run --from-pacs ADDRESS --patient 4711 --to-pacs ADDRESS --out results

    Needs no TensorFlow with a packaged model, an .openvino file or a mask. Finished studies are kept; the same command
    goes on where it was stopped.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.pacs.joined import sent
    from tmtv_tf.pipeline.run import print_result
    from tmtv_tf.pipeline.run import run as run_studies

    options = run_options(given, pdf_dicom=pdf_dicom or to_pacs is not None)
    # A wrong address is refused before any work.
    target = None if to_pacs is None else connect(to_pacs, given)
    with studies(given) as found:
        what = {"folder": found.folders, "names": found.names}
        result = call(run_studies, given, **what, options=options, overrides=overrides(given))
    print_result(result)
    outcomes = result.outcomes if target is None else sent(result, target, audit=audit_log(given))
    raise typer.Exit(report_failures([*found.failed, *outcomes]))
