"""`review/<version>/`: the result after a reader's edits, beside the automatic one. A version is never changed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import TmtvError
from petct.files import make_folder, read_json, sync, sync_tree, write_json
from petct.image import Geometry
from postprocess.edits import EDITS_FILE, EditLog, Signed, as_json, read_log
from postprocess.results import RESULT_FILE, Measures, TmtvResult, has_method, read_result, write_methods
from postprocess.segmentation import Lesions

REVIEW_FOLDER = "review"
REVIEW_FILE = "review.json"
# What makes two results comparable: a version belongs to the automatic result that has the same.
IDENTITY = ("case_id", "parameters", "inputs", "software")
# A signature holds while every TMTV is the one signed, up to this share (or this many mL).
SAME_NUMBER = 1e-6


def final_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder that holds the final result of a case: the automatic one, or with edits its `review/<version>/`.

    Raises
    ------
    TmtvError
        There are edits, but no edited result of all of them and of the automatic result that is there; or `edits.json`
        cannot be read.
    """
    folder = Path(folder)
    log = read_log(folder)
    automatic = read_result(folder)
    if not log.in_force:
        return folder
    version = None if automatic is None else current_version(folder, automatic, log)
    if version is None:
        raise TmtvError(
            f"{folder}: {EDITS_FILE} holds edits that its results do not have yet ({len(log.in_force)} in force); "
            "run tmtv-postprocess again."
        )
    return version


def current_version(folder: Path, automatic: TmtvResult, log: EditLog) -> Path | None:
    """The version that belongs to these edits, and their signature, of this automatic result and has all its methods.

    None where there is no such version.
    """
    numbers = _versions(folder)
    if not numbers:
        return None
    version = folder / REVIEW_FOLDER / str(numbers[-1])
    edited = read_result(version)
    try:
        review = read_json(version / REVIEW_FILE)
    except TmtvError:
        return None
    if edited is None or not isinstance(review, dict) or review.get("edits") != as_json(log.in_force):
        return None
    if review.get("signature") != _signature(log):
        return None
    same = all(edited.get(key) == automatic.get(key) for key in IDENTITY)
    whole = all(
        method in edited["methods"] and has_method(version, method) for method in automatic["methods"]
    )
    return version if same and whole else None


def needs_version(log: EditLog) -> bool:
    """Whether there is anything that a version says and the automatic result does not."""
    return bool(log.in_force) or log.signed is not None


def is_signed(version: Path | None) -> bool:
    """Whether a version holds the numbers that its reader signed."""
    try:
        review = None if version is None else read_json(version / REVIEW_FILE)
    except TmtvError:
        return False
    return isinstance(review, dict) and review.get("signed") is True


def write_version(
    folder: Path,
    automatic: TmtvResult,
    log: EditLog,
    edited: Mapping[str, Lesions],
    changed_ml: Mapping[str, dict[str, float]],
    warnings: Sequence[str],
    suv: npt.NDArray,
    stored: Geometry,
    body: tuple[float | None, float | None],
) -> Path:
    """Write the next version, whole or not at all.

    It depends on its inputs only: the same edits, the same bytes (of a compressed image, the same voxels).

    log : with edits in force, or signed. changed_ml : per method the volumes `removed_ml` and `added_ml`.
    """
    last = log.signed or log.in_force[-1]
    parent = folder / REVIEW_FOLDER
    number = max(_versions(folder), default=0) + 1
    building = parent / f".{secrets.token_hex(4)}"
    try:
        make_folder(parent, durable=True)
        for left in parent.glob(".*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        methods = write_methods(building, edited, suv, stored, body)
        identity = {key: dict(automatic)[key] for key in IDENTITY}
        result = {"case_id": identity.pop("case_id"), "methods": methods, **identity}
        signed, said = _holds(log.signed, methods)
        write_json(building / RESULT_FILE, {**result, "warnings": [*warnings, *said]})
        review = {
            "version": number,
            "by": last.by,
            "time": last.time,
            "signed": signed,
            "signature": _signature(log),
            "edits": as_json(log.in_force),
            "methods": {
                method: {
                    "tmtv_ml": automatic["methods"][method]["tmtv_ml"],
                    "tmtv_final_ml": methods[method]["tmtv_ml"],
                    **changed_ml[method],
                }
                for method in methods
            },
        }
        write_json(building / REVIEW_FILE, review)
        sync_tree(building)
        os.replace(building, parent / str(number))
        sync(parent)
    except OSError as error:
        raise TmtvError(f"{parent / str(number)}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return parent / str(number)


def _signature(log: EditLog) -> dict[str, Any] | None:
    return None if log.signed is None else as_json([log.signed])[0]


def _holds(signed: Signed | None, methods: Mapping[str, Measures]) -> tuple[bool, list[str]]:
    """Whether a signature is of these numbers, and a sentence where it is not."""
    if signed is None:
        return False, []
    for method, tmtv_ml in signed.tmtv_ml.items():
        now = methods.get(method, {}).get("tmtv_ml")
        if now is None or abs(now - tmtv_ml) > SAME_NUMBER * max(tmtv_ml, 1.0):
            found = "no result" if now is None else f"{now:.6g} mL"
            return False, [
                f"{signed.by} signed a TMTV of {tmtv_ml:.6g} mL under {method} ({signed.time}); it is {found} now: the "
                "signature does not hold."
            ]
    return True, []


def changed_ml(automatic: Lesions, edited: Lesions, voxel_ml: float) -> dict[str, float]:
    """The volumes that edits took out of a method's lesions and put into them."""
    common = np.intersect1d(automatic.index, edited.index, assume_unique=True).size
    return {
        "removed_ml": (automatic.index.size - common) * voxel_ml,
        "added_ml": (edited.index.size - common) * voxel_ml,
    }


def _versions(folder: Path) -> list[int]:
    parent = folder / REVIEW_FOLDER
    names = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    return sorted(
        int(name) for name in names if name.isascii() and name.isdigit() and not name.startswith("0")
    )
