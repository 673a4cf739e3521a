"""One examination to one case folder: PET in SUV, CT in HU, the readers' truth, case.json."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import read_json, write_json
from petct.image import write_image
from petct.rois import RoiTarget
from petct.version import software
from tmtv_tf.cases.building import new_folder, restore, withdraw
from tmtv_tf.cases.case import CT_NAME, INFO_NAME, PET_NAME, WITHDRAWN_NAME, CaseInfo
from tmtv_tf.cases.fingerprint import case_fingerprint, input_digests
from tmtv_tf.cases.paths import PathNumbers
from tmtv_tf.cases.pseudonym import Scrubber
from tmtv_tf.cases.readers import write_readers
from tmtv_tf.cases.reference import write_reference
from tmtv_tf.cases.sources import DicomSource, NiftiSource
from tmtv_tf.cases.table import Row
from tmtv_tf.cases.truth import METHODS
from tmtv_tf.cases.vocabulary import with_known_tracer
from tmtv_tf.input.arrays import write_model_arrays
from tmtv_tf.input.grid import ModelGrid, ct_coverage_warning

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the user chose that changes the files of a case.

    Attributes
    ----------
    grid : also write the arrays for training on this grid; None: none
    roi_pattern : only ROIs whose name holds this regular expression, upper and lower case alike; "": all
    roi_components : every 6-connected part of a ROI is a ROI of its own (one mask of all lesions)
    show_text : keep the readers' ROI names in rois.csv; they may name a patient
    strict : refuse a case with a ROI that cannot be a lesion, instead of warning

    Raises
    ------
    ParameterError
        `roi_pattern` is not a regular expression.
    """

    grid: ModelGrid | None = field(default_factory=ModelGrid)
    roi_pattern: str = ""
    roi_components: bool = False
    show_text: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.roi_pattern)
        except re.error as error:
            raise ParameterError(
                f"--roi-pattern is not a regular expression ({error}): {self.roi_pattern!r}."
            ) from error


@dataclass(frozen=True)
class CaseInput:
    """One examination to prepare.

    Attributes
    ----------
    patient_id : to join tables; never written
    study_uid : StudyInstanceUID, or "" for images that have none
    source : where PET and CT come from
    rois : files of reader ROIs
    readers : the reader of each file of `rois`; empty for one reader
    notes : sentences for the warnings of case.json
    key_check : tells the key of the pseudonyms from another without giving it away
    """

    case_id: str
    patient_key: str
    patient_id: str
    study_uid: str
    source: DicomSource | NiftiSource
    rois: tuple[Path, ...] = ()
    readers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    key_check: str = ""

    def paths(self) -> list[Path]:
        """Every file that a message may name; their order numbers them."""
        return sorted({*self.source.files(), *self.source.damaged_files(), *self.rois})

    def anonymous(self, text: str, roots: Sequence[Path]) -> str:
        """A message as it may be written: paths are numbers, identifying values of the headers are blotted out."""
        text = with_known_tracer(PathNumbers(self.paths(), roots, self.rois)(text))
        return Scrubber(self.source.identifying_words())(text)


def prepare_case(case: CaseInput, out: Path, settings: Settings, roots: Sequence[Path] = ()) -> Row:
    """Make (or keep) the folder `out/<case_id>`; return its row of prepare.csv.

    A finished folder made from the same bytes with the same settings by the same version is kept. Otherwise it is
    taken out of use at once, and the new folder, built elsewhere, takes its place whole at the end. `case.json` holds
    no identifying word of the patient and no path (see `CaseInput.anonymous`).

    Raises
    ------
    TmtvError
        The input is refused. The sentence may name files: it is for the user's terminal. An earlier folder of this
        case is out of use then (`load_case` refuses it).
    """
    folder = out / case.case_id
    try:
        inputs = input_digests(case)
    except TmtvError:
        withdraw(folder)
        raise
    fingerprint = case_fingerprint(case, settings, inputs)
    row = _finished(folder, fingerprint)
    if row is not None:
        restore(folder)
        return row
    withdraw(folder)
    with new_folder(folder) as building:
        info = _fill_folder(building, case, settings)
        info["warnings"] = [case.anonymous(text, roots) for text in info["warnings"]]
        info |= {"inputs": inputs, "fingerprint": fingerprint}
        write_json(building / INFO_NAME, info)
    return summary_row(info, "done")


def _finished(folder: Path, fingerprint: str) -> Row | None:
    """The row of a case that was finished with this fingerprint, in use or withdrawn since; else None."""
    for name in (INFO_NAME, WITHDRAWN_NAME):
        if (folder / name).is_file():
            try:
                info = read_json(folder / name)
                return summary_row(info, "unchanged") if info["fingerprint"] == fingerprint else None
            except (TmtvError, KeyError, TypeError, AttributeError, IndexError):
                return None  # damaged: it is made anew
    return None


def _fill_folder(folder: Path, case: CaseInput, settings: Settings) -> CaseInfo:
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


def _write_images(folder: Path, case: CaseInput, settings: Settings) -> CaseInfo:
    """PET, CT and truth of a case; what is known of them for case.json. Nothing large outlives this call."""
    exam = case.source.read()
    pet, warnings = exam.pet, [*case.notes, *exam.warnings]
    target = RoiTarget(pet, exam.pet_series_uid, exam.frame_of_reference_uid)
    info: CaseInfo = {
        "case_id": case.case_id,
        "patient_key": case.patient_key,
        "key_check": case.key_check,
        "study_uid": case.study_uid,
        **exam.info,
        "grid": asdict(pet.geometry),
        "ct_grid": None if exam.ct is None else asdict(exam.ct.geometry),
        "model_grid": None,
        "warnings": warnings,
        "software": software(),
    }
    write_image(folder / PET_NAME, pet)
    if exam.ct is not None:
        if not exam.ct.geometry.overlaps(pet.geometry):
            raise CaseError("CT and PET share no space: they are not of one examination.")
        write_image(folder / CT_NAME, exam.ct)
        uncovered = ct_coverage_warning(pet, exam.ct)
        warnings += [uncovered] if uncovered else []
    del exam  # the CT is not needed any more
    info["rois"] = None
    if case.rois:
        if case.readers:
            files: dict[str, list[Path]] = {}
            for reader, path in zip(case.readers, case.rois, strict=True):
                files.setdefault(reader, []).append(path)
            info["rois"], notes = write_readers(folder, files, target, settings)
        else:
            info["rois"], notes = write_reference(folder, case.rois, target, settings)
        warnings += notes
    return info


def summary_row(info: CaseInfo, status: str) -> Row:
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
        "readers": " | ".join(sorted(rois.get("readers") or {})),
        **{f"tmtv_{method}_ml": (rois.get("tmtv_ml") or {}).get(method) for method in METHODS},
        "warnings": " | ".join(info.get("warnings", [])),
    }
