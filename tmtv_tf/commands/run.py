"""`tmtv run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.commands._archive import (
    ADDRESS,
    Accession,
    AeTitle,
    Audit,
    CaFile,
    ClientCert,
    Connection,
    Date,
    Patient,
    ReceivePort,
    StudyUid,
    make_query,
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
    from contextlib import AbstractContextManager, nullcontext

    from petct.console import report_failures
    from tmtv_tf.cases.sources import make_overrides
    from tmtv_tf.pacs.joined import Inputs, fetched, given, sent
    from tmtv_tf.pipeline.run import print_result
    from tmtv_tf.pipeline.run import run as run_studies

    options = run_options(
        method,
        export,
        keep,
        seg,
        backend,
        probability_seg=probability_seg,
        pdf_dicom=pdf_dicom or to_pacs is not None,
        show_patient=show_patient,
        overwrite=overwrite,
        clear_edits=clear_edits,
    )
    link = Connection(ae_title, receive_port, ca_file, client_cert)
    target = None if to_pacs is None else link.open(to_pacs)  # a wrong address is refused before any work
    studies: AbstractContextManager[Inputs]
    if from_pacs is None:
        studies = nullcontext(given(inputs or [], (patient, accession, date, study_uid, keep_dicom)))
    else:
        studies = fetched(
            link.open(from_pacs),
            make_query(patient, accession, date, study_uid),
            inputs,
            keep_dicom,
            pet_uid=pet_uid,
            ct_uid=ct_uid,
            audit=_log(audit),
            key_file=key_file,
        )
    with studies as found:
        result = run_studies(
            found.folders,
            model,
            out,
            mask=mask,
            options=options,
            overrides=make_overrides(weight_kg, dose_mbq, injection_time, allow_unusual),
            pet_uid=pet_uid,
            ct_uid=ct_uid,
            key_file=key_file,
            workers=workers,
            scheduler=scheduler,
            names=found.names,
        )
    print_result(result)
    outcomes = result.outcomes if target is None else sent(result, target, audit=_log(audit))
    raise typer.Exit(report_failures([*found.failed, *outcomes]))


def _log(audit: Path | None) -> Path:
    from tmtv_tf.pacs.log import default_log

    return audit or default_log()
