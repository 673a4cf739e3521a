"""Read one case for evaluation: the result of `tmtv-postprocess` and the reader's reference, on the PET grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError, TmtvError
from petct.files import read_json
from petct.image import Image, image_sha256, read_image, resample
from postprocess import Config
from postprocess.edits import read_log
from postprocess.results import is_result
from postprocess.review import final_folder
from tmtv_tf.cases.case import INFO_NAME as CASE_INFO
from tmtv_tf.cases.case import WITHDRAWN_NAME, read_info

RAW = "raw"
# The four masks of a reader's ROIs. A method that has none of these (votes, 50p ...) is not compared.
REFERENCE_METHODS = ("41", "2.5", "4.0", "otsu")
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
    """

    case_id: str
    result: Path
    case: Path
    probability_folder: Path | None = None
    final: bool = False


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


@dataclass(frozen=True)
class Origin:
    """What must be the same for all results of one table.

    Attributes
    ----------
    model : `file` and `sha256` of the model behind the map; empty where tmtv.json names none
    from_mask : a mask was post-processed, not a probability map
    parameters : of the post-processing, those that every case shares; None: tmtv.json is not readable
    """

    model: dict[str, Any] = field(default_factory=dict)
    from_mask: bool = False
    parameters: dict[str, Any] | None = None


def load(files: CaseFiles) -> LoadedCase:
    """Read a case and check that its files belong together.

    Raises
    ------
    CaseError
        A reference or lesion file is missing or on another grid than the PET; the PET is not the one that the
        result was made from; tmtv.json gives another volume than the lesion file holds.
    TmtvError
        `final`, and there are edits that no result has yet.
    """
    folder, notes = _result_folder(files)
    tmtv = read_json(folder / "tmtv.json")
    if not is_result(tmtv):
        raise CaseError(f"{folder / 'tmtv.json'}: not a result of tmtv-postprocess; run it again.")
    if any((files.case / name).is_file() for name in (CASE_INFO, WITHDRAWN_NAME)):
        read_info(files.case)  # refuses a case that `tmtv prepare` withdrew, or of another folder
    pet_path = files.case / "pet.nii.gz"
    pet = read_image(pet_path)
    _require_same_file(files, pet_path, _input(tmtv, "suv"), "the SUV image")
    tmtvprob_path = files.case / "tmtvprob.nii.gz"
    if not tmtvprob_path.is_file():
        raise CaseError(f"{tmtvprob_path}: no such file; case {files.case_id} has no reader's reference.")
    tmtvprob = _on_grid(tmtvprob_path, pet)
    if not (tmtvprob.min() >= 0 and tmtvprob.max() <= 1):  # NaN fails both
        raise CaseError(f"{tmtvprob_path}: its values must lie in [0, 1].")
    labels, references = {}, {}
    for method, measures in tmtv["methods"].items():
        if method != RAW and method not in REFERENCE_METHODS:
            continue
        labels[method] = _labels(folder / f"lesions_{method}.nii.gz", pet, measures)
        if method != RAW:
            references[method] = _on_grid(files.case / f"reference_{method}.nii.gz", pet) > 0
    if not labels:
        raise CaseError(
            f"{files.result / 'tmtv.json'}: none of its methods ({', '.join(tmtv['methods']) or 'none'}) has a "
            f"reference; expected raw, {', '.join(REFERENCE_METHODS)}."
        )
    probability, missing = _probability(files, tmtv, pet)
    notes += missing
    if RAW in labels:
        prediction = labels[RAW] > 0
    elif probability is not None and folder == files.result:  # the map knows nothing of edits
        prediction = probability > PROBABILITY_THRESHOLD
    else:
        raise CaseError(
            f"{folder}: lesions_raw.nii.gz is missing and the probability map is not at hand; "
            "run tmtv-postprocess with --method raw as well, or give --probability."
        )
    return LoadedCase(
        files.case_id,
        Image(pet.array.astype(np.float32, copy=False), pet.geometry),
        tmtvprob.astype(np.float32, copy=False),
        prediction,
        labels,
        references,
        probability,
        _count_rois(files.case / "rois.csv"),
        _are_parts(files.case / CASE_INFO),
        tmtv.get("parameters") or {},
        notes,
        [text for text in tmtv.get("warnings") or [] if isinstance(text, str)],
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


def _on_grid(path: Path, pet: Image) -> npt.NDArray:
    image = read_image(path)
    if not image.geometry.same_grid(pet.geometry):
        raise CaseError(
            f"{path}: not on the grid of the case's pet.nii.gz: shape {image.geometry.shape} against "
            f"{pet.geometry.shape} (Z, Y, X), spacing {_mm(image)} against {_mm(pet)} mm, origin "
            f"{_rounded(image.geometry.origin_mm)} against {_rounded(pet.geometry.origin_mm)} mm."
        )
    return image.array


def _labels(path: Path, pet: Image, measures: dict[str, Any]) -> npt.NDArray[np.integer]:
    labels = _on_grid(path, pet)
    if labels.dtype.kind not in "iu":
        raise CaseError(f"{path}: lesion labels must be integers. Received: {labels.dtype}.")
    volume_ml = np.count_nonzero(labels) * pet.geometry.voxel_ml
    stated_ml = measures.get("tmtv_ml")
    if stated_ml is not None and abs(stated_ml - volume_ml) > TMTV_TOLERANCE * max(volume_ml, 1.0):
        raise CaseError(
            f"{path}: holds {volume_ml:.3f} mL where tmtv.json says {stated_ml:.3f} mL; "
            "run tmtv-postprocess again."
        )
    return labels


def _probability(
    files: CaseFiles, tmtv: dict[str, Any], pet: Image
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


def _input(tmtv: dict[str, Any], name: str) -> dict[str, Any]:
    inputs = tmtv.get("inputs")
    value = inputs.get(name) if isinstance(inputs, dict) else None
    return value if isinstance(value, dict) else {}


def _require_same_file(files: CaseFiles, path: Path, stated: dict[str, Any], what: str) -> None:
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
    if not path.is_file():
        return None
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        return sum(row.get("voxels") != "0" for row in csv.DictReader(file))


def _are_parts(path: Path) -> bool:
    rois = read_json(path).get("rois") if path.is_file() else None
    return isinstance(rois, dict) and rois.get("components") is True


def _mm(image: Image) -> tuple[float, ...]:
    return _rounded(image.spacing_mm)


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
