"""`tmtv run`."""

from __future__ import annotations

from contextlib import ExitStack
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
    CtUid,
    DoseMbq,
    InjectionTime,
    KeyFile,
    PetUid,
    Scheduler,
    Seg,
    WeightKg,
    Workers,
)

Inputs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DICOM...", help="Folders (any tree of any files) or zip files."),
]
Out = Annotated[Path, typer.Option(help="Folder for <case_id>/, tmtv.csv, run.csv.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model file (.keras, .openvino), or the name of a packaged one. Default: packaged."),
]
Mask = Annotated[
    Path | None,
    typer.Option(help="Lesions from elsewhere in place of a model: image on any grid, DICOM SEG, RTSTRUCT."),
]
Method = Annotated[list[str] | None, typer.Option("--method", "-m", help="Repeats. Default: raw 41 2.5 4.0.")]
Export = Annotated[str, typer.Option(help="The method whose lesions are exported and drawn.")]
Keep = Annotated[str, typer.Option(help="all: also PET, CT and probability as NIfTI. none: without them.")]
ProbabilitySeg = Annotated[
    bool, typer.Option("--probability-seg", help="Also the probability as a FRACTIONAL SEG.")
]
PdfDicom = Annotated[
    bool,
    typer.Option("--pdf-dicom", help="Also the page as encapsulated PDF, report.dcm; with --to-pacs always."),
]
ShowPatient = Annotated[bool, typer.Option("--show-patient", help="Name, id and birth date on the page.")]
Backend = Annotated[str, typer.Option(help="auto, openvino or keras.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result of another model, mask or series.")
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
    inputs: Inputs = None,
    model: Model = None,
    mask: Mask = None,
    method: Method = None,
    export: Export = "41",
    keep: Keep = "all",
    seg: Seg = "BINARY",
    probability_seg: ProbabilitySeg = False,
    pdf_dicom: PdfDicom = False,
    show_patient: ShowPatient = False,
    backend: Backend = "auto",
    overwrite: Overwrite = False,
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
    from petct.console import report_failures
    from petct.errors import ParameterError
    from tmtv_tf.cases.sources import make_overrides
    from tmtv_tf.pacs.joined import fetched, given, sent
    from tmtv_tf.pipeline.options import RunOptions
    from tmtv_tf.pipeline.run import print_result
    from tmtv_tf.pipeline.run import run as run_studies

    if keep not in ("all", "none"):
        raise ParameterError(f"--keep must be all or none. Received: {keep!r}.")
    chosen = {"methods": tuple(method)} if method else {}
    options = RunOptions(
        **chosen,
        export=export,
        keep_images=keep == "all",
        seg_kind=seg.upper(),  # type: ignore[arg-type]
        probability_seg=probability_seg,
        pdf_dicom=pdf_dicom or to_pacs is not None,
        show_patient=show_patient,
        backend=backend,
        overwrite=overwrite,
    )
    link = Connection(ae_title, receive_port, ca_file, client_cert)
    target = None if to_pacs is None else link.open(to_pacs)  # a wrong address is refused before any work
    with ExitStack() as stack:
        if from_pacs is None:
            found = given(inputs or [], (patient, accession, date, study_uid, keep_dicom))
        else:
            from tmtv_tf.pacs.pull import Wanted

            query, wanted = (
                make_query(patient, accession, date, study_uid),
                Wanted(pet_uid=pet_uid, ct_uid=ct_uid),
            )
            source = link.open(from_pacs)
            found = stack.enter_context(
                fetched(source, query, wanted, inputs, keep_dicom, audit=_log(audit), key_file=key_file)
            )
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
