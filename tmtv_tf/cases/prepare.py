"""One examination to one case folder: PET in SUV, CT in HU, the readers' truth, case.json."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import read_json, write_json
from petct.image import image_files, write_image
from petct.rois import Roi, RoiTarget, read_rois
from tmtv_tf.cases.case import CT_NAME, INFO_NAME, PET_NAME, ROIS_NAME, TRUTH_NAME, reference_name
from tmtv_tf.cases.cohort import Row, write_table
from tmtv_tf.cases.pseudonym import Scrubber
from tmtv_tf.cases.sources import DicomSource, NiftiSource
from tmtv_tf.cases.truth import METHODS, make_truth
from tmtv_tf.input.grid import ModelGrid, ct_coverage_warning, write_model_arrays

log = logging.getLogger(__name__)

# Part of every fingerprint: raise it when the contents of a case folder change, and all cases are made anew.
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Settings:
    """What the user chose that changes the files of a case.

    Attributes
    ----------
    grid : also write the arrays for training on this grid; None: none
    roi_pattern : only ROIs whose name holds this regular expression, upper and lower case alike; "": all
    roi_components : every 6-connected part of a ROI is a ROI of its own (one mask of all lesions)
    show_text : keep the readers' ROI names in rois.csv; they may name a patient
    """

    grid: ModelGrid | None = field(default_factory=ModelGrid)
    roi_pattern: str = ""
    roi_components: bool = False
    show_text: bool = False


@dataclass(frozen=True)
class CaseInput:
    """One examination to prepare.

    Attributes
    ----------
    patient_id : to join tables; never written
    study_uid : StudyInstanceUID, or "" for images that have none
    source : where PET and CT come from
    rois : files of reader ROIs
    notes : sentences for the warnings of case.json
    key_check : tells the key of the pseudonyms from another without giving it away
    """

    case_id: str
    patient_key: str
    patient_id: str
    study_uid: str
    source: DicomSource | NiftiSource
    rois: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    key_check: str = ""


def prepare_case(case: CaseInput, out: Path, settings: Settings, roots: Sequence[Path] = ()) -> Row:
    """Make (or keep) the folder `out/<case_id>`; return its row of prepare.csv.

    A finished folder made from the same files (name, size, time of change) with the same settings by the same
    version is kept. Otherwise the new folder is built beside it and takes its place whole, at the end.

    Raises
    ------
    TmtvError
        The input is refused; the sentence holds no identifying word of the patient. Nothing is left behind.
    """
    folder = out / case.case_id
    try:
        fingerprint = case_fingerprint(case, settings)
        if (folder / INFO_NAME).is_file():
            info = read_json(folder / INFO_NAME)
            if info.get("fingerprint") == fingerprint:
                return summary_row(info, "unchanged")
        with _new_folder(folder) as building:
            info = _fill_folder(building, case, settings)
            scrub = Scrubber(case.source.identifying_words(), roots)
            info["warnings"] = [scrub(text) for text in info["warnings"]]
            info["fingerprint"] = fingerprint
            write_json(building / INFO_NAME, info)
    except TmtvError as error:
        raise type(error)(Scrubber(case.source.identifying_words(), roots)(str(error))) from None
    return summary_row(info, "done")


def _fill_folder(folder: Path, case: CaseInput, settings: Settings) -> dict[str, Any]:
    """Write all images and tables of a case; return the contents of case.json."""
    info = _write_images(folder, case, settings)
    if settings.grid is not None and case.rois:
        if info["ct_grid"] is None and settings.grid.needs_ct:
            info["warnings"].append(
                "No CT: no arrays for training were written, since their grid has a CT channel."
            )
        else:
            cropped = write_model_arrays(folder, settings.grid)
            info["warnings"] = list(
                dict.fromkeys([*info["warnings"], *cropped])
            )  # the CT's may be said already
            info["model_grid"] = settings.grid.to_json()
    return info


def _write_images(folder: Path, case: CaseInput, settings: Settings) -> dict[str, Any]:
    """PET, CT and truth of a case; what is known of them for case.json. Nothing large outlives this call."""
    exam = case.source.read()
    pet, warnings = exam.pet, [*case.notes, *exam.warnings]
    target = RoiTarget(pet, exam.pet_series_uid, exam.frame_of_reference_uid)
    info: dict[str, Any] = {
        "case_id": case.case_id,
        "patient_key": case.patient_key,
        "key_check": case.key_check,
        "study_uid": case.study_uid,
        **exam.info,
        "grid": asdict(pet.geometry),
        "ct_grid": None if exam.ct is None else asdict(exam.ct.geometry),
        "model_grid": None,
        "warnings": warnings,
        "software": {"name": "tmtv-tf", "version": software_version()},
    }
    write_image(folder / PET_NAME, pet)
    if exam.ct is not None:
        if not exam.ct.geometry.overlaps(pet.geometry):
            raise CaseError("CT and PET share no space: they are not of one examination.")
        write_image(folder / CT_NAME, exam.ct)
        uncovered = ct_coverage_warning(pet, exam.ct)
        warnings += [uncovered] if uncovered else []
    del exam  # the CT is not needed any more
    info["rois"] = _write_truth(folder, case.rois, target, settings, warnings) if case.rois else None
    return info


def _write_truth(
    folder: Path, files: Sequence[Path], target: RoiTarget, settings: Settings, warnings: list[str]
) -> dict[str, Any]:
    """The four reference masks, TMTVprob and rois.csv of a case; adds to its warnings."""
    rois: list[Roi] = []
    for path in files:
        read, notes = read_rois(path, target)
        rois += read
        warnings += notes
    if len(files) > 1:
        warnings.append(f"ROIs of {len(files)} files are used together.")
    if settings.roi_pattern:
        rois, every = _named_like(settings.roi_pattern, rois), rois
        if every and not rois:
            raise CaseError(
                f"{files[0]}: none of its {len(every)} ROIs has a name like {settings.roi_pattern!r}."
            )
        if len(rois) < len(every):
            warnings.append(f"{len(every) - len(rois)} of {len(every)} ROIs left out by their name.")
    elif (kinds := len({_kind_of_name(roi.name) for roi in rois})) > 1:
        warnings.append(
            f"The truth is made from ROIs with {kinds} different names (numbers in them not counted); --roi-pattern "
            "takes some of them, tmtv inspect --show-text lists the names."
        )
    if settings.roi_components:
        rois = [part for roi in rois for part in roi.components()]
    if rois and not any(roi.voxels for roi in rois):
        raise CaseError(f"{files[0]}: none of its {len(rois)} ROIs holds a voxel of the PET.")
    voxel_ml = target.pet.geometry.voxel_ml
    truth = make_truth(target.pet.array, rois, voxel_ml)
    tmtv_ml = {}
    for method in METHODS:
        mask = truth.mask(method)
        tmtv_ml[method] = int(np.count_nonzero(mask)) * voxel_ml
        write_image(folder / reference_name(method), target.pet.with_array(mask))
    write_image(folder / TRUTH_NAME, target.pet.with_array(truth.probability()))
    columns = ["roi", "name", "voxels", "volume_ml", "suv_max", "suv_mean"]
    columns += [f"volume_{method}_ml" for method in METHODS]
    if not settings.show_text:
        columns.remove("name")
    rows = [{column: row[column] for column in columns} for row in truth.rows]
    write_table(folder / ROIS_NAME, columns, rows)
    return {
        "count": len(rois),
        "files": len(files),
        "tmtv_ml": tmtv_ml,
    }


def _kind_of_name(name: str) -> str:
    """What is left of a name without numbers: lesion 1 and Lesion_2 are of one kind, GTV_Mass and GTV_Edema are not."""
    return re.sub(r"[\d\W_]+", "", name).lower()


def _named_like(pattern: str, rois: Sequence[Roi]) -> list[Roi]:
    try:
        expression = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ParameterError(f"--roi-pattern is not a regular expression ({error}): {pattern!r}.") from error
    return [roi for roi in rois if expression.search(roi.name)]


def summary_row(info: dict[str, Any], status: str) -> Row:
    """One row of prepare.csv from a case.json."""
    rois, suv = info.get("rois") or {}, info.get("suv") or {}
    grid = info["grid"]
    return {
        "case_id": info["case_id"],
        "status": status,
        "reason": "",
        "study_uid": info.get("study_uid"),
        "pet_series_uid": info.get("pet_series_uid"),
        "vendor": info.get("vendor"),
        "slices": grid["shape"][0],
        "rows": grid["shape"][1],
        "columns": grid["shape"][2],
        **{f"spacing_{axis}_mm": value for axis, value in zip("zyx", grid["spacing_mm"])},
        "has_ct": int(info.get("ct_grid") is not None),
        "suv_factor": "per slice" if isinstance(suv.get("factor"), list) else suv.get("factor"),
        "suv_rule": suv.get("rule"),
        "rois": rois.get("count"),
        **{f"tmtv_{method}_ml": (rois.get("tmtv_ml") or {}).get(method) for method in METHODS},
        "warnings": " | ".join(info.get("warnings", [])),
    }


def case_fingerprint(case: CaseInput, settings: Settings) -> str:
    """Changes whenever an input file, a setting or the software does."""
    files = [*case.source.files(), *(part for path in case.rois for part in image_files(path))]
    try:
        status = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    except OSError as error:
        raise CaseError(f"{error.filename}: cannot be read any more ({error.strerror}).") from error
    content = {
        "format": FORMAT_VERSION,
        "version": software_version(),
        "case": [case.case_id, case.patient_key, case.study_uid, *case.notes],
        "source": case.source.parameters(),
        "settings": asdict(settings),
        "files": status,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def software_version() -> str:
    try:
        return version("tmtv-tf")
    except PackageNotFoundError:
        return "unknown"


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that takes its place on success and vanishes on any failure."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.parent.glob(f".{folder.name}.*.part"):  # left by a run that was killed
        shutil.rmtree(stale, ignore_errors=True)
    token = secrets.token_hex(4)
    building = folder.with_name(f".{folder.name}.{token}.new.part")
    replaced = folder.with_name(f".{folder.name}.{token}.old.part")
    building.mkdir()
    try:
        yield building
        if folder.exists():
            folder.rename(replaced)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
