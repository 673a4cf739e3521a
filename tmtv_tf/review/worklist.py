"""Which cases there are, where their files lie, and how far each has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from petct.errors import CaseError, TmtvError
from petct.ids import PATTERN
from postprocess.edits import EDITS_FILE, read_log
from postprocess.find import find_pet
from postprocess.results import RESULT_FILE, read_result
from postprocess.review import current_version

DEFAULT_METHOD = "41"


@dataclass(frozen=True)
class Folders:
    """The folders that the user gave; nothing outside them is read.

    results : of `tmtv run` or `tmtv-postprocess`. cases : of `tmtv prepare`, for images that `results` lacks.
    series : DICOM, for exports.
    """

    results: Path
    cases: Path | None = None
    series: Path | None = None

    def roots(self) -> list[Path]:
        return [root.resolve() for root in (self.results, self.cases, self.series) if root is not None]

    def checked(self, path: Path) -> Path:
        """The path itself, if it lies in one of the folders, links followed.

        Raises
        ------
        CaseError
            It leads out of them.
        """
        found = path.resolve()
        if not any(found.is_relative_to(root) for root in self.roots()):
            raise CaseError(
                f"{path}: a link that leads out of the folders given to tmtv review; it is not read."
            )
        return path

    def short(self, text: str) -> str:
        """A sentence without the paths of the folders, for the page."""
        for name, root in (("RESULTS", self.results), ("CASES", self.cases), ("DICOM", self.series)):
            if root is not None:
                text = text.replace(str(root.resolve()), name).replace(str(root), name)
        return text


@dataclass(frozen=True)
class Case:
    """A row of the work list.

    automatic : folder of the automatic result. folder : where this reader's edits and versions go.
    status : unread, in_progress, signed, reopened or failed
    """

    case_id: str
    automatic: Path
    folder: Path
    status: str
    reason: str | None = None
    tmtv_ml: dict[str, float] = field(default_factory=dict)
    tmtv_final_ml: dict[str, float] = field(default_factory=dict)
    lesion_count: int | None = None
    has_ct: bool = False

    def as_json(self) -> dict[str, Any]:
        names = ("case_id", "status", "reason", "tmtv_ml", "tmtv_final_ml", "lesion_count", "has_ct")
        return {name: getattr(self, name) for name in names}


def find_cases(folders: Folders) -> list[str]:
    """The case ids of a folder of results, by name.

    Raises
    ------
    CaseError
        No such folder, or none of its folders holds a result.
    """
    root = folders.results
    if not root.is_dir():
        raise CaseError(f"{root}: no such folder.")
    found = [
        path.name
        for path in sorted(root.iterdir())
        if PATTERN.fullmatch(path.name) and path.is_dir() and (path / RESULT_FILE).is_file()
    ]
    if not found:
        raise CaseError(
            f"{root}: no result in it; expected {root}/<case_id>/{RESULT_FILE}, as tmtv run writes."
        )
    return found


def read_case(folders: Folders, case_id: str) -> Case:
    """The row of one case; a result that cannot be used gives status `failed` with its reason."""
    automatic = folders.results / case_id
    try:
        folders.checked(automatic / RESULT_FILE)
        result = read_result(automatic)
        if result is None or not result["methods"]:
            raise CaseError(f"{automatic / RESULT_FILE}: not a whole result; run tmtv-postprocess again.")
        return _row(folders, case_id, automatic, result)
    except TmtvError as error:
        return Case(case_id, automatic, automatic, "failed", folders.short(str(error)))


def pet_path(folders: Folders, case_id: str) -> Path:
    """The PET of a case: that of the result, else that of the case folder.

    Raises
    ------
    CaseError
        There is none, or it leads out of the folders.
    """
    own = folders.results / case_id / "pet.nii.gz"
    if own.is_file():
        return folders.checked(own)
    if folders.cases is not None:
        path = find_pet(folders.cases, case_id)
        if path.exists():
            return folders.checked(path)
    where = (
        "give --cases with the folder that tmtv prepare wrote" if folders.cases is None else "nor in --cases"
    )
    raise CaseError(f"{own}: the PET is not beside the result; {where}.")


def ct_path(folders: Folders, case_id: str) -> Path | None:
    """The CT of a case, or None."""
    parents = [folders.results] + ([folders.cases] if folders.cases is not None else [])
    found = next((p for root in parents if (p := root / case_id / "ct.nii.gz").is_file()), None)
    return None if found is None else folders.checked(found)


def default_method(methods: Iterable[str]) -> str:
    """The method that is shown first."""
    names = list(methods)
    return DEFAULT_METHOD if DEFAULT_METHOD in names else names[0]


def _row(folders: Folders, case_id: str, automatic: Path, result: dict[str, Any]) -> Case:
    methods = result["methods"]
    final, status = methods, "unread"
    if (automatic / EDITS_FILE).exists():
        log = read_log(automatic)
        status = "in_progress" if log.entries else "unread"
        if log.in_force:
            version = current_version(automatic, result, log.in_force)
            final = (read_result(version) or {}).get("methods", {}) if version is not None else {}
    shown = final.get(default_method(methods)) or {}
    return Case(
        case_id,
        automatic,
        automatic,
        status,
        tmtv_ml={name: values["tmtv_ml"] for name, values in methods.items()},
        tmtv_final_ml={name: values["tmtv_ml"] for name, values in final.items()},
        lesion_count=shown.get("lesion_count"),
        has_ct=ct_path(folders, case_id) is not None,
    )
