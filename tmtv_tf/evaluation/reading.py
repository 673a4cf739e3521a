"""Read one case for evaluation: the result of `tmtv-postprocess` and the reader's reference, on the PET grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError, TmtvError
from petct.files import read_json
from petct.image import Image, image_sha256, read_image, resample
from petct.orientation import orientation_of
from petct.text import one_line
from postprocess import Config
from postprocess.edits import read_log
from postprocess.inputs import MapFile, case_images
from postprocess.results import RESULT_FILE, TmtvResult, is_result, late_warning
from postprocess.review import final_folder
from postprocess.suv_source import SERIES, SuvSource
from tmtv_tf.cases.case import INFO_NAME as CASE_INFO
from tmtv_tf.cases.case import WITHDRAWN_NAME, read_info
from tmtv_tf.evaluation.truths import RAW, REFERENCE_METHODS, TMTVPROB_KIND, on_grid, read_truth, roi_labels

# Parameters that are one patient's own, not the method's.
OF_THE_PATIENT = {"liver_suv", "lung_suv"}
PROBABILITY_THRESHOLD = 0.5
PROBABILITY_NAME = "probability.nii.gz"
# Relative, between the TMTV in tmtv.json and the voxels of lesions_<method>.nii.gz.
TMTV_TOLERANCE = 1e-3


@dataclass(frozen=True)
class CaseFiles:
    """Where one case lies.

    probability_folder : holds `<case_id>/probability.nii.gz`; None: as tmtv.json says.
    final : read the result after a reader's edits, not the automatic one. Without edits they are one.
    mask : the result is this mask of another program; `result` then holds no tmtv.json.
    """

    case_id: str
    result: Path
    case: Path
    probability_folder: Path | None = None
    final: bool = False
    mask: Path | None = None


@dataclass(frozen=True)
class LoadedCase:
    """One case, every array (Z, Y, X) on the grid of `pet`.

    Attributes
    ----------
    pet : SUVbw.
    tmtvprob : 0, 0.25, 0.5, 0.75 or 1.
    prediction : the raw mask, probability > 0.5.
    labels : lesions per method, 0 = background.
    references : the reader's mask per method of REFERENCE_METHODS that has `labels`.
    probability : the network's map, or None where it is not at hand.
    roi_count : ROIs that the reader drew, with a voxel on the PET; None where rois.csv is absent.
    roi_parts : they are the connected parts of masks; nobody drew them one by one.
    parameters : those of the post-processing, from tmtv.json.
    warnings : of the prediction and the post-processing, from tmtv.json.
    truth_kind : what `tmtvprob` is. roi_labels : the reader's ROIs as a label image, or None.
    """

    case_id: str
    pet: Image
    tmtvprob: npt.NDArray[np.float32]
    prediction: npt.NDArray[np.bool_]
    labels: dict[str, npt.NDArray[np.integer]]
    references: dict[str, npt.NDArray[np.bool_]]
    probability: npt.NDArray[np.float32] | None = None
    roi_count: int | None = None
    roi_parts: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    truth_kind: str = TMTVPROB_KIND
    roi_labels: npt.NDArray[np.integer] | None = None


@dataclass(frozen=True)
class Origin:
    """What must be the same for all results of one table.

    Attributes
    ----------
    model : `file` and `sha256` of the model behind the map; empty where tmtv.json names none
    from_mask : a mask was post-processed, not a probability map
    parameters : of the post-processing, those that every case shares; None: tmtv.json is not readable
    """

    model: dict[str, str | None] = field(default_factory=dict)
    from_mask: bool = False
    parameters: dict[str, Any] | None = None


def load(files: CaseFiles) -> LoadedCase:
    """Read a case and check that its files belong together.

    Raises
    ------
    CaseError
        A reference or lesion file is missing or on another grid than the PET; the PET is not the one that the
        result was made from; tmtv.json is of another case, or has not the volume, TLG and SUVmax of the lesion file.
    TmtvError
        `final`, and there are edits that no result has yet.
    """
    if any((files.case / name).is_file() for name in (CASE_INFO, WITHDRAWN_NAME)):
        read_info(files.case)  # refuses a case that `tmtv prepare` withdrew, or of another folder
    image = read_image(files.case / "pet.nii.gz")
    pet = Image(image.array.astype(np.float32, copy=False), image.geometry)
    if files.mask is not None:
        return _load_mask(files, files.mask, pet)
    folder, notes = _result_folder(files)
    tmtv = read_json(folder / "tmtv.json")
    if not is_result(tmtv):
        raise CaseError(f"{folder / 'tmtv.json'}: not a result of tmtv-postprocess; run it again.")
    if tmtv.get("case_id") not in (None, files.case_id):
        raise CaseError(
            f"{folder / 'tmtv.json'}: the result of {one_line(tmtv['case_id'])}, not of the case {files.case_id}."
        )
    _require_same_pet(files, _input(tmtv, "suv"))
    compared = [name for name in tmtv["methods"] if name == RAW or name in REFERENCE_METHODS]
    parameters = tmtv.get("parameters") or {}
    truth = read_truth(files.case, pet, compared, Config.of(parameters))
    labels = {
        name: _labels(folder / f"lesions_{name}.nii.gz", pet, tmtv["methods"][name]) for name in compared
    }
    if not labels:
        raise CaseError(
            f"{files.result / 'tmtv.json'}: none of its methods ({', '.join(tmtv['methods']) or 'none'}) has a "
            f"reference; expected raw, {', '.join(REFERENCE_METHODS)}."
        )
    probability, missing = _probability(files, tmtv, pet)
    return LoadedCase(
        files.case_id,
        pet,
        truth.tmtvprob,
        # the map knows nothing of edits
        _raw_mask(folder, labels.get(RAW), probability if folder == files.result else None),
        labels,
        truth.references,
        probability,
        _count_rois(files.case / "rois.csv"),
        _are_parts(files.case / CASE_INFO),
        parameters,
        notes + missing,
        [
            *(text for text in tmtv.get("warnings") or [] if isinstance(text, str)),
            *late_warning(files.result, tmtv),
        ],
        truth.kind,
        roi_labels(files.case, pet),
    )


def _raw_mask(
    folder: Path, raw: npt.NDArray[np.integer] | None, probability: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.bool_]:
    if raw is not None:
        return raw > 0
    if probability is not None:
        return probability > PROBABILITY_THRESHOLD
    raise CaseError(
        f"{folder}: lesions_raw.nii.gz is missing and the probability map is not at hand; "
        "run tmtv-postprocess with --method raw as well, or give --probability."
    )


def _load_mask(files: CaseFiles, mask: Path, pet: Image) -> LoadedCase:
    """A mask of another program as the raw mask, read and checked as `tmtv-postprocess --mask` does."""
    source = SuvSource(files.case / "pet.nii.gz", computed=True)
    images = case_images(MapFile(mask, is_mask=True, instances=False), pet, source, [])
    prediction = orientation_of(pet.geometry).undo(images.probability.array).astype(bool)
    truth = read_truth(files.case, pet, [RAW])
    from scipy.ndimage import label

    note = f"A mask without post-processing: {mask.name}."
    return LoadedCase(
        files.case_id,
        pet,
        truth.tmtvprob,
        prediction,
        {RAW: label(prediction)[0]},
        {},
        roi_count=_count_rois(files.case / "rois.csv"),
        notes=[note],
        warnings=images.warnings,
        truth_kind=truth.kind,
        roi_labels=roi_labels(files.case, pet),
    )


def _result_folder(files: CaseFiles) -> tuple[Path, list[str]]:
    """The folder of the result to evaluate, and a note where there are edits."""
    edits = len(read_log(files.result).in_force)
    if files.final:
        return final_folder(files.result), [f"After a reader's edits: {edits}."] if edits else []
    return files.result, [f"The automatic result; a reader's edits left out: {edits}."] if edits else []


def origin_of(result: Path) -> Origin:
    """How a result was made, as its tmtv.json says; parameters that it does not state are as published."""
    try:
        tmtv = read_json(result / "tmtv.json")
    except TmtvError:  # refused with its reason when the case is read
        return Origin()
    if not is_result(tmtv):
        return Origin()
    stated = tmtv.get("parameters")
    names = {item.name for item in fields(Config)} - OF_THE_PATIENT
    parameters = {k: v for k, v in stated.items() if k in names} if isinstance(stated, dict) else {}
    published = {name: value for name, value in asdict(Config()).items() if name in names}
    return Origin(_input(tmtv, "model"), bool(_input(tmtv, "mask")), published | parameters)


def _labels(path: Path, pet: Image, measures: Mapping[str, Any]) -> npt.NDArray[np.integer]:
    labels = on_grid(path, pet)
    if labels.dtype.kind not in "iu":
        raise CaseError(f"{path}: lesion labels must be integers. Received: {labels.dtype}.")
    if labels.min(initial=0) < 0:
        raise CaseError(f"{path}: lesion labels are 1 and more. Received: {labels.min()}.")
    values = pet.array[labels > 0]
    voxel_ml = pet.geometry.voxel_ml
    held = {
        "tmtv_ml": (values.size * voxel_ml, "mL"),
        "tlg": (float(values.sum(dtype=np.float64)) * voxel_ml, "g of TLG"),
        "suv_max": (float(values.max(initial=0)), "SUVmax"),
    }
    for measure, (found, unit) in held.items():
        stated = measures.get(measure)
        if stated is not None and abs(stated - found) > TMTV_TOLERANCE * max(found, 1.0):
            raise CaseError(
                f"{path}: holds {found:.3f} {unit} where tmtv.json says {stated:.3f} {unit}; "
                "run tmtv-postprocess again."
            )
    return labels


def _probability(
    files: CaseFiles, tmtv: TmtvResult, pet: Image
) -> tuple[npt.NDArray[np.float32] | None, list[str]]:
    """The probability map on the PET grid (linear), or None with a note saying why.

    Without `probability_folder` the map is looked for in a folder `probability` beside the results, and used only
    if its SHA-256 is the one in tmtv.json.
    """
    stated = _input(tmtv, "probability")
    if files.probability_folder is not None:
        path = files.probability_folder / files.case_id / (stated.get("file") or PROBABILITY_NAME)
        if not path.is_file():
            raise CaseError(f"{path}: no such file.")
        _require_same_file(files, path, stated, "the probability map")
    else:
        path = files.result.parent.parent / "probability" / files.case_id / (stated.get("file") or "?")
        if not path.is_file() or image_sha256(path) != stated.get("sha256"):
            return None, ["Probability map not found: no soft Dice (name its folder with --probability)."]
    _require_same_ct(files, path.with_name("prediction.json"))
    values = resample(read_image(path), pet.geometry).array.astype(np.float32, copy=False)
    if not (values.min() >= 0 and values.max() <= 1):
        raise CaseError(f"{path}: probabilities must lie in [0, 1].")
    return values, []


def _input(tmtv: TmtvResult, name: str) -> dict[str, str | None]:
    inputs = tmtv.get("inputs")
    value = inputs.get(name) if isinstance(inputs, dict) else None
    return value if isinstance(value, dict) else {}


def _require_same_pet(files: CaseFiles, stated: dict[str, str | None]) -> None:
    """Refuse another PET than the result was made from; that of a DICOM series is known by what the case says of it."""
    path = files.case / "pet.nii.gz"
    name = str(stated.get("file"))
    if not name.startswith(SERIES):
        _require_same_file(files, path, stated, "the SUV image")
        return
    if (files.case / RESULT_FILE).is_file():
        other = _input(read_json(files.case / RESULT_FILE), "suv")
        same = other.get("sha256") == stated.get("sha256")
    else:
        info = files.case / CASE_INFO
        same = info.is_file() and read_json(info).get("pet_series_uid") == name.removeprefix(SERIES)
    if not same:
        raise CaseError(
            f"{path}: nothing says that it is the {name} that {files.result / RESULT_FILE} was made from; "
            "tmtv prepare says so in case.json."
        )


def _require_same_file(files: CaseFiles, path: Path, stated: dict[str, str | None], what: str) -> None:
    expected = stated.get("sha256")
    if expected and image_sha256(path) != expected:
        raise CaseError(
            f"{path}: not {what} that {files.result / 'tmtv.json'} was made from (its SHA-256 differs); "
            "run tmtv-postprocess again."
        )


def _require_same_ct(files: CaseFiles, prediction: Path) -> None:
    """Refuse a map that was predicted with another CT than the case has now (its PET is checked by tmtv.json)."""
    if not prediction.is_file():
        return
    info, ct = read_json(prediction), files.case / "ct.nii.gz"
    inputs = info.get("inputs") if isinstance(info, dict) else None
    stated = inputs.get("ct") if isinstance(inputs, dict) else None
    if stated and ct.is_file() and image_sha256(ct) != stated:
        raise CaseError(
            f"{ct}: not the CT that {prediction} was made from (its SHA-256 differs); run tmtv predict and "
            "tmtv-postprocess again."
        )


def _count_rois(path: Path) -> int | None:
    """ROIs that hold a voxel of the PET; None without rois.csv."""
    if not path.is_file():
        return None
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for row in csv.DictReader(file) if row.get("voxels") not in ("0", "0.0"))


def _are_parts(path: Path) -> bool:
    rois = read_json(path).get("rois") if path.is_file() else None
    return isinstance(rois, dict) and rois.get("components") is True
