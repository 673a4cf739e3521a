"""Whether a finished case was made from the same bytes, by the same settings and the same software."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from petct.files import sha256_of_files
from petct.image import image_files
from petct.version import software

if TYPE_CHECKING:
    from tmtv_tf.cases.prepare import CaseInput, Settings

# Part of every fingerprint: raise it when the contents of a case folder change, and all cases are made anew.
FORMAT_VERSION = 3


def input_digests(case: CaseInput) -> dict[str, Any]:
    """SHA-256 of what the case is made from: `pet`, `ct` (None without one), and one per file of `rois`.

    Every byte is read, so that an edited header is seen whatever its time and size say. Names and places do not count:
    a study that was moved or renamed is the same study.
    """
    pet, ct = case.source.series_files()
    return {
        "pet": sha256_of_files(pet),
        "ct": sha256_of_files(ct) if ct else None,
        "rois": [sha256_of_files(image_files(path)) for path in case.rois],
    }


def case_fingerprint(case: CaseInput, settings: Settings, inputs: dict[str, Any]) -> str:
    """Changes whenever the bytes of an input (`input_digests`), a setting or the software does."""
    return digest_of(
        {
            "format": FORMAT_VERSION,
            "software": software(),
            "case": [case.case_id, case.patient_key, case.study_uid, *case.notes, *case.readers],
            "source": case.source.parameters(),
            "settings": asdict(settings),
            "inputs": inputs,
        }
    )


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
