"""A prepared case: one folder, and the names of the files in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypedDict, cast

from petct.errors import CaseError
from petct.files import read_json
from petct.ids import check_distinct, check_id

METHODS = ("41", "2.5", "4.0", "otsu")
PET_NAME = "pet.nii.gz"
CT_NAME = "ct.nii.gz"
TRUTH_NAME = "tmtvprob.nii.gz"
ROIS_NAME = "rois.csv"
OUTLINES_NAME = "reference_outlines.nii.gz"
READERS_NAME = "readers"
INFO_NAME = "case.json"
# What case.json is called once the case is refused: nobody uses the folder, and nothing is lost.
WITHDRAWN_NAME = "withdrawn.json"
PREPARE_FIRST = "Run `tmtv prepare` first"


def reference_name(method: str) -> str:
    """File name of the reference mask of one method."""
    return f"reference_{method}.nii.gz"


def roi_labels_name(number: int) -> str:
    """File name of the first (1), second, ... image of ROI labels; ROIs that overlap are in different ones."""
    return "rois.nii.gz" if number == 1 else f"rois_{number}.nii.gz"


class ImagesInfo(TypedDict, total=False):
    """What `case.json` says of where the images come from.

    Attributes
    ----------
    phantom : `tmtv phantom` painted them; None where nobody knows
    suv : factor, rule, times, header values, and the user's own in place of them
    """

    pet_series_uid: str | None
    ct_series_uid: str | None
    frame_of_reference_uid: str | None
    vendor: str | None
    phantom: bool | None
    suv: dict[str, Any]


class CaseInfo(ImagesInfo, total=False):
    """What `case.json` holds.

    Attributes
    ----------
    patient_key : keyed hash of the patient. key_check : tells its key from another
    grid, ct_grid : of PET and CT, as `petct.Geometry` has them. model_grid : of the arrays for training
    rois : what was made of the readers' ROIs; None without them
    inputs : digests of what it was made from. fingerprint : of those, the settings and the version
    """

    case_id: Required[str]
    patient_key: str
    key_check: str
    study_uid: str
    grid: dict[str, Any]
    ct_grid: dict[str, Any] | None
    model_grid: dict[str, Any] | None
    rois: dict[str, Any] | None
    warnings: list[str]
    software: dict[str, str]
    inputs: dict[str, Any]
    fingerprint: str


@dataclass(frozen=True)
class Case:
    """A finished case folder.

    Attributes
    ----------
    pet : SUVbw, float32, native PET grid
    ct : HU, native CT grid; None without a CT
    references : reference mask per method (`METHODS`), PET grid; empty without reader ROIs
    tmtvprob : TMTVprob, PET grid; None without reader ROIs
    info : the contents of case.json
    outlines : what the reader outlined (several readers: more than half of them), PET grid; None without reader ROIs,
        and in a case that 0.1 prepared
    readers : reader -> folder with files of the same names, made from this reader's ROIs; empty for one reader
    """

    case_id: str
    folder: Path
    pet: Path
    ct: Path | None
    references: dict[str, Path]
    tmtvprob: Path | None
    info: CaseInfo
    outlines: Path | None = None
    readers: dict[str, Path] = field(default_factory=dict)

    @property
    def is_phantom(self) -> bool:
        """Whether `tmtv phantom` made it, see `is_phantom`."""
        return is_phantom(self.info, self.case_id)


def is_phantom(info: Mapping[str, Any], case_id: str = "") -> bool:
    """Whether the case.json of a case says that `tmtv phantom` painted it.

    A case.json made before 0.2 has no `phantom`; then the vendor or the case id may tell.
    """
    said = info.get("phantom")
    if isinstance(said, bool):
        return said
    return any("phantom" in str(text).lower() for text in (case_id, info.get("vendor", "")))


def load_case(folder: str | os.PathLike[str]) -> Case:
    """Open a case folder.

    Raises
    ------
    CaseError
        No case.json (the case is unfinished, or the folder is something else), one that is not this folder's, no PET,
        or half of the truth.
    """
    folder = Path(folder)
    info = read_info(folder)
    if not (folder / PET_NAME).is_file():
        raise CaseError(f"{folder}: {PET_NAME} is missing; prepare this case again.")
    references = {m: folder / reference_name(m) for m in METHODS if (folder / reference_name(m)).is_file()}
    truth = folder / TRUTH_NAME
    if (0 < len(references) < len(METHODS)) or bool(references) != truth.is_file():
        raise CaseError(f"{folder}: the truth is incomplete; prepare this case again.")
    return Case(
        case_id=info["case_id"],
        folder=folder,
        pet=folder / PET_NAME,
        ct=folder / CT_NAME if (folder / CT_NAME).is_file() else None,
        references=references,
        tmtvprob=truth if truth.is_file() else None,
        info=info,
        outlines=folder / OUTLINES_NAME if (folder / OUTLINES_NAME).is_file() else None,
        readers=_readers(folder),
    )


def _readers(folder: Path) -> dict[str, Path]:
    """The folders of a case's readers, by name."""
    found = sorted(path.parent for path in (folder / READERS_NAME).glob(f"*/{TRUTH_NAME}"))
    return {check_id(path.name, str(path.parent), "reader"): path for path in found}


def read_info(folder: Path) -> CaseInfo:
    """The contents of a case folder's case.json; `case_id` is the folder's name, and safe in a path.

    Raises
    ------
    CaseError
        It is missing, no object, or of another folder.
    """
    path = folder / INFO_NAME
    if not path.is_file():
        if (folder / WITHDRAWN_NAME).is_file():
            raise CaseError(
                f"{folder}: `tmtv prepare` refused this case when it ran last, so its files are not used. prepare.csv "
                "beside it says why."
            )
        raise CaseError(f"{folder}: not a prepared case ({INFO_NAME} is missing). {PREPARE_FIRST}.")
    info = read_json(path)
    if not isinstance(info, dict):
        raise CaseError(f"{path}: not the description of a case; prepare this case again.")
    name = folder.absolute().name
    case_id = check_id(info.get("case_id", name), str(path))
    if case_id != name:
        raise CaseError(
            f"{path}: the case id {case_id} is not the name of its folder, {name}. Give the folder its old name, or "
            "prepare the case again."
        )
    return cast(CaseInfo, {**info, "case_id": case_id})


def find_cases(cases: str | os.PathLike[str]) -> list[Path]:
    """The finished case folders directly under `cases`, by name.

    Raises
    ------
    CaseError
        There is none, or two names differ in upper and lower case only.
    """
    root = Path(cases)
    if not root.is_dir():
        raise CaseError(f"{root}: no such folder. {PREPARE_FIRST}: it makes it.")
    folders = sorted(
        path.parent for path in root.glob(f"*/{INFO_NAME}") if not path.parent.name.startswith(".")
    )
    if not folders:
        raise CaseError(
            f"{root}: no prepared case in this folder (expected <case_id>/{INFO_NAME}). {PREPARE_FIRST}."
        )
    check_distinct([folder.name for folder in folders], str(root))
    return folders
