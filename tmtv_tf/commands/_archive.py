"""Options of the commands that talk to an archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tmtv_tf.pacs.archive import Archive, StudyQuery

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


@dataclass(frozen=True)
class Connection:
    """How to reach an archive, as the options say it."""

    ae_title: str = "TMTV"
    receive_port: int | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None

    def open(self, address: str) -> Archive:
        """The archive at an address, with the credentials for it."""
        from tmtv_tf.pacs.archive import open_archive, parse_address
        from tmtv_tf.pacs.credentials import find_credentials

        known = find_credentials(
            parse_address(address).host, ca_file=self.ca_file, client_cert=self.client_cert
        )
        return open_archive(
            address, ae_title=self.ae_title, credentials=known, receive_port=self.receive_port
        )


def make_query(
    patient: str | None, accession: str | None, date: str | None, study_uid: str | None
) -> StudyQuery:
    """The query of the options."""
    from tmtv_tf.pacs.archive import StudyQuery, parse_dates

    return StudyQuery(patient, accession, study_uid, None if date is None else parse_dates(date))
