"""Options of the commands that talk to an archive."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmtv_tf.commands._options import call

if TYPE_CHECKING:
    from tmtv_tf.pacs.archive import Archive, StudyQuery
    from tmtv_tf.pacs.joined import Inputs

ADDRESS = (
    "https://host:port/path (DICOMweb), dicom://AE_TITLE@host:port or dicoms:// (DIMSE, DIMSE over TLS)."
)
Patient = Annotated[str | None, typer.Option("--patient", help="Studies with this PatientID.")]
Accession = Annotated[str | None, typer.Option("--accession", help="Studies with this AccessionNumber.")]
Date = Annotated[
    str | None, typer.Option("--date", help="Studies of this day, 2024-01-31, or of 2024-01-01..2024-01-31.")
]
StudyUid = Annotated[str | None, typer.Option("--study-uid", help="The study with this StudyInstanceUID.")]
AeTitle = Annotated[str, typer.Option("--ae-title", help="Our own AE title (DIMSE).")]
ReceivePort = Annotated[
    int | None,
    typer.Option(
        "--receive-port", help="Fetch by C-MOVE to this port of ours, from an archive without C-GET."
    ),
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="Certificates (PEM) to trust: a hospital's own authority.")
]
ClientCert = Annotated[
    Path | None, typer.Option("--client-cert", help="Our certificate and key (one PEM file), if it asks.")
]
Audit = Annotated[
    Path | None,
    typer.Option("--audit", help="The audit log. Default: ~/.local/state/tmtv/audit.jsonl."),
]


def connect(address: str, given: Mapping[str, Any]) -> Archive:
    """The archive at an address, with the credentials for it."""
    from tmtv_tf.pacs.archive import open_archive, parse_address
    from tmtv_tf.pacs.credentials import find_credentials

    credentials = call(find_credentials, given, host=parse_address(address).host)
    return call(open_archive, given, address=address, credentials=credentials)


def query(given: Mapping[str, Any]) -> StudyQuery:
    """Which studies are asked for."""
    from tmtv_tf.pacs.archive import StudyQuery, parse_dates

    dates = None if given["date"] is None else parse_dates(given["date"])
    return call(StudyQuery, given, patient_id=given["patient"], dates=dates)


def audit_log(given: Mapping[str, Any]) -> Path:
    """Where it is written who asked and what was sent."""
    from tmtv_tf.pacs.log import default_log

    return given["audit"] or default_log()


def studies(given: Mapping[str, Any]) -> AbstractContextManager[Inputs]:
    """What `tmtv run` reads: what the user named, or what is fetched from an archive."""
    from tmtv_tf.pacs.joined import fetched, named

    address = given["from_pacs"]
    if address is None:
        of_archives = ("patient", "accession", "date", "study_uid", "keep_dicom")
        return named(given["inputs"], **{name: given[name] for name in of_archives})
    return call(fetched, given, archive=connect(address, given), query=query(given), audit=audit_log(given))
