"""What pull and push say to the audit log."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from petct.files import sha256
from tmtv_tf.cases.pseudonym import load_key, patient_key, pseudonym
from tmtv_tf.pacs.archive import StoreOutcome, StudyFound, StudyQuery
from tmtv_tf.pacs.audit import record
from tmtv_tf.pacs.landing import identity

_NOT_IN_LOG = re.compile(r"[^A-Za-z0-9 ._@:/?\[\]%-]")


@dataclass(frozen=True)
class Log:
    """The audit log of a command.

    Attributes
    ----------
    path : the file; None: nothing is logged
    key_file : the key of the pseudonyms
    """

    path: Path | None = None
    key_file: Path | None = None

    def asked(self, address: str, query: StudyQuery) -> None:
        """Who asked an archive for which studies."""
        if self.path is None:
            return
        key = load_key(self.key_file)
        record(
            self.path,
            "asked",
            archive=_NOT_IN_LOG.sub("?", address)[:300],
            study_uid=query.study_uid,
            patient=None if query.patient_id is None else pseudonym(key, "patient", query.patient_id.strip()),
            accession=None
            if query.accession is None
            else pseudonym(key, "accession", query.accession.strip()),
        )

    def fetched(self, address: str, study: StudyFound, files: Sequence[Path]) -> None:
        """What came of a study."""
        if self.path is not None:
            record(
                self.path,
                "fetched",
                archive=_NOT_IN_LOG.sub("?", address)[:300],
                patient=patient_key(load_key(self.key_file), study.patient_id, study.study_uid),
                study_uid=study.study_uid,
                count=len(files),
                bytes=sum(path.stat().st_size for path in files),
            )

    def sent(self, address: str, outcome: StoreOutcome) -> None:
        """What became of an object that was sent."""
        if self.path is not None:
            found = identity(outcome.path)
            record(
                self.path,
                "sent",
                archive=_NOT_IN_LOG.sub("?", address)[:300],
                study_uid=str(found.StudyInstanceUID),
                series_uid=str(found.SeriesInstanceUID),
                sop_instance_uid=outcome.sop_instance_uid,
                sop_class_uid=str(found.SOPClassUID),
                sha256=sha256(outcome.path),
                state="stored" if outcome.ok else "failed",
            )


def default_log() -> Path:
    """`$XDG_STATE_HOME/tmtv/audit.jsonl` (`~/.local/state/tmtv/audit.jsonl`)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tmtv" / "audit.jsonl"
