"""`tmtv pull`."""

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
    query,
)
from tmtv_tf.commands._options import CtUid, KeyFile, PetUid, call


def pull(
    from_pacs: Annotated[str, typer.Option("--from-pacs", help=ADDRESS)],
    out: Annotated[Path, typer.Option(help="Folder for <study>/<series>/<object>.dcm, named by UIDs.")],
    patient: Patient = None,
    accession: Accession = None,
    date: Date = None,
    study_uid: StudyUid = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every series of each study.")] = False,
    rois: Annotated[bool, typer.Option("--rois", help="Also readers' RTSTRUCT and SEG.")] = False,
    pet_uid: PetUid = None,
    ct_uid: CtUid = None,
    ae_title: AeTitle = "TMTV",
    receive_port: ReceivePort = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    audit: Audit = None,
    key_file: KeyFile = None,
) -> None:
    """Fetch studies from an archive: of each the PET and CT that tmtv run would use.

    tmtv pull --from-pacs https://pacs.example/dicom-web --patient 4711 --out dicom
    tmtv pull --from-pacs dicom://PACS@pacs.example:104 --date 2024-01-01..2024-01-31 --out dicom --dry-run

    Credentials of DICOMweb: TMTV_PACS_TOKEN, or TMTV_PACS_USER and TMTV_PACS_PASSWORD, or a netrc file.
    The same command goes on where it was stopped.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.pacs.choose import Wanted
    from tmtv_tf.pacs.pull import print_pulled
    from tmtv_tf.pacs.pull import pull as pull_studies

    wanted = call(Wanted, given)
    what = {"archive": connect(from_pacs, given), "query": query(given), "audit": audit_log(given)}
    outcomes = call(pull_studies, given, **what, wanted=wanted)
    print_pulled(outcomes, out)
    raise typer.Exit(report_failures(outcomes))
