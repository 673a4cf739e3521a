"""`tmtv export`: SEG, RTSTRUCT and SR of a result that exists, or of any mask, on the PET series it belongs to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset

from petct.dicom.quiet import PYDICOM_ERRORS
from petct.errors import CaseError
from petct.exam import Exam, read_series, select_exam
from petct.export.source import Provenance, SourceSeries
from petct.files import remove
from petct.image import Image, read_image
from petct.orientation import canonical_geometry, orientation_of, to_canonical
from petct.text import stated_name
from petct.version import software
from postprocess.edits import read_log
from postprocess.inputs import MapFile, case_images
from postprocess.measures import Lesion, Measures, lesions_of_voxels, summarize
from postprocess.results import RESULT_FILE, read_result, refuse_late
from postprocess.review import REVIEW_FOLDER, current_version, final_folder
from postprocess.segmentation import Lesions, Segmentation
from postprocess.suv_source import SERIES, SuvSource, suv_of_result
from tmtv_tf.pipeline.options import RunOptions

# A result belongs to a PET if its TMTV and SUVmax there are those that it states, up to what float32 files keep.
SAME_NUMBER = 2e-3
NOT_VALIDATED = "not validated on patients"
OBJECTS = ("seg.dcm", "rtstruct.dcm", "sr.dcm")


@dataclass(frozen=True)
class Exported:
    """The files written, the TMTV that they state, warnings, and where the lesions come from."""

    files: tuple[str, ...]
    tmtv_ml: float
    warnings: tuple[str, ...]
    provenance: Provenance


def export(
    result: str | os.PathLike[str],
    series: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    method: str = "41",
    seg_kind: str = "BINARY",
) -> Exported:
    """Write seg.dcm, rtstruct.dcm and sr.dcm into `out`; without a lesion sr.dcm alone.

    Parameters
    ----------
    result : folder of a case that `tmtv-postprocess` or `tmtv run` wrote (with a reader's edits, the edited result), or
        a mask: an image on any grid, DICOM SEG or RTSTRUCT
    series : folder that holds the PET series of this result
    method : whose lesions are exported; for a mask they are made by it

    Raises
    ------
    TmtvError
        No such result or method; a PET of which the result's numbers are not true; no usable PET series; `out` holds
        objects of another study.
    """
    RunOptions(seg_kind=seg_kind)  # type: ignore[arg-type]
    path = Path(result)
    return export_exam(path, _exam(series, path), Path(out), method=method, seg_kind=seg_kind)


def export_exam(path: Path, exam: Exam, out: Path, *, method: str, seg_kind: str = "BINARY") -> Exported:
    """`export` for a PET that is read already. path : the folder of a result, or a mask."""
    source = SourceSeries(exam.headers, exam.pet.geometry)
    _check_other(out, source)
    if (path / RESULT_FILE).is_file():
        refuse_late(path)
        labels, stated, provenance = _of_result(path, exam, method)
        lesions = lesions_of_image(labels)
        warnings = _check_series(path, exam, empty=lesions.index.size == 0)
    elif path.is_file():
        lesions, warnings = _of_mask(path, exam, method)
        stated, provenance = None, Provenance(method, f"mask {stated_name(path)}"[:64], software()["version"])
    else:
        raise CaseError(f"{path}: neither the folder of a result ({RESULT_FILE}) nor a mask.")
    suv = to_canonical(exam.pet)
    table = lesions_of_voxels(lesions, suv.array, suv.geometry)
    measures = summarize(table, lesions, suv.geometry).as_dict()
    if stated is not None:
        _check_same(path, exam.pet_series.folder, stated, measures)
    volume = orientation_of(exam.pet.geometry).undo(lesions.paint())
    before = _report_before(path, source, provenance) if provenance.review else None
    files = write_objects(out, volume, table, measures, source, provenance, seg_kind, replaces=before)
    return Exported(tuple(files), float(measures["tmtv_ml"] or 0.0), tuple(warnings), provenance)


def _exam(series: str | os.PathLike[str], result: Path) -> Exam:
    """The PET of a folder; that of the result if it is there, with the user's own values of that result."""
    uid, overrides = suv_of_result(result)
    selection = select_exam(series, uid)
    pet = selection.require_pet()
    own = pet.series_uid == uid
    exam = read_series(pet, selection.ct, overrides if own else None)
    exam.warnings[:0] = () if own else selection.notes
    return exam


def write_objects(
    out: Path,
    labels: npt.NDArray[np.integer],
    table: list[Lesion],
    measures: Mapping[str, Any],
    source: SourceSeries,
    provenance: Provenance,
    seg_kind: str = "BINARY",
    replaces: Dataset | None = None,
) -> list[str]:
    """SEG, RTSTRUCT and SR; without a lesion the SR alone, which then states 0. labels : on the grid of `source`.

    replaces : the report before this one: of the version before, or the automatic one

    Those of an earlier call are removed first, so that no two results stand beside each other.
    """
    from petct.export.rtstruct import write_rtstruct
    from petct.export.seg import write_seg
    from petct.export.sr import write_sr

    for name in OBJECTS:
        if out.is_dir():
            remove(out / name)
    if not table:
        write_sr(out / "sr.dcm", [], measures, source, provenance, None, replaces=replaces)
        return ["sr.dcm"]
    seg = write_seg(out / "seg.dcm", labels, source, provenance, kind=seg_kind)  # type: ignore[arg-type]
    write_rtstruct(out / "rtstruct.dcm", labels, source, provenance)
    write_sr(out / "sr.dcm", table, measures, source, provenance, seg, replaces=replaces)
    return list(OBJECTS)


def _of_result(folder: Path, exam: Exam, method: str) -> tuple[Image, Measures, Provenance]:
    final, review = final_version(folder)
    found = read_result(final)
    if found is None:
        raise CaseError(f"{final / RESULT_FILE}: not a whole result.")
    if method not in found["methods"]:
        raise CaseError(f"{folder}: no result of the method {method}; it has {', '.join(found['methods'])}.")
    labels = read_image(final / f"lesions_{method}.nii.gz")
    if not to_canonical(labels).geometry.same_grid(canonical_geometry(exam.pet.geometry)):
        raise CaseError(f"{folder}: its lesions are not on the grid of this PET series; it is another one.")
    model = (found["inputs"].get("model") or {}).get("file") or "mask"
    provenance = Provenance(
        method,
        str(model)[:64],
        found["software"]["version"],
        edited=final_folder(folder) != folder,
        review=review,
        note=model_note(found.get("warnings", [])),
    )
    return to_canonical(labels), found["methods"][method], provenance


def final_version(folder: Path) -> tuple[Path, int]:
    """The folder of the result whose objects are handed on, and the number of its version; 0 for the automatic one.

    If edits were taken back after objects of them had been made, the signed automatic result is a version as well: it
    replaces the edited one where that was sent.

    Raises
    ------
    TmtvError
        Edits are in no result yet, or were taken back and the result that is left is not signed.
    """
    final = final_folder(folder)
    if final != folder:
        return final, int(final.name)
    if not any(_is_reviewed(_report(path)) for path in folder.glob(f"{REVIEW_FOLDER}/*/sr.dcm")):
        return folder, 0
    automatic, log = read_result(folder), read_log(folder)
    version = None if automatic is None or log.signed is None else current_version(folder, automatic, log)
    if version is None:
        raise CaseError(
            f"{folder}: objects of an edited version were made, and the edits were taken back since. Sign the result "
            "in tmtv review; then its objects replace those."
        )
    return version, int(version.name)


def _report(path: Path) -> Dataset | None:
    """An SR of ours; None where there is none."""
    try:
        found = dcmread(path)
        return found if found.SeriesDescription.startswith("TMTV ") else None
    except PYDICOM_ERRORS:
        return None


def _is_reviewed(report: Dataset | None) -> bool:
    return report is not None and report.SeriesDescription.split()[2:3] == ["reviewed"]


def _report_before(folder: Path, source: SourceSeries, provenance: Provenance) -> Dataset | None:
    """The SR that a reviewed one replaces: of the version before, or the automatic one; of this method and study."""
    before = [folder / REVIEW_FOLDER / str(number) for number in range(provenance.review - 1, 0, -1)]
    for place in (*before, folder):
        found = _report(place / "sr.dcm")
        if (
            found is not None
            and found.get("StudyInstanceUID") == source.first.StudyInstanceUID
            and found.SeriesDescription.split()[1:2] == [provenance.method]
            and _is_reviewed(found) == (place != folder)
        ):
            return found
    return None


def model_note(warnings: Sequence[str]) -> str:
    """What the DICOM objects say of the network, from the warnings of a result; "" where there is nothing to say."""
    unproven = any(NOT_VALIDATED in text or "phantoms only" in text for text in warnings)
    return f"Trained on synthetic images only; {NOT_VALIDATED}." if unproven else ""


def _of_mask(path: Path, exam: Exam, method: str) -> tuple[Lesions, list[str]]:
    pet, ct = exam.pet_series, exam.ct_series
    source = SuvSource(pet.folder, pet, ct, pet.series_uid, pet.frame_of_reference_uid, computed=True)
    images = case_images(MapFile(path, is_mask=True), exam.pet, source, list(exam.warnings))
    work = Segmentation(
        images.probability.array, images.suv.array, images.suv.spacing_mm, instances=images.instances
    )
    return work.lesions(method), images.warnings


def lesions_of_image(labels: Image) -> Lesions:
    """The lesions of a label image."""
    index = np.flatnonzero(labels.array)
    return Lesions(index, labels.array.reshape(-1)[index].astype(np.int32), labels.array.shape)  # type: ignore[arg-type]


def _check_series(folder: Path, exam: Exam, *, empty: bool) -> list[str]:
    """Refuse an empty result of another series: its numbers (0) are true of every PET. Warnings."""
    (made_from, _), uid = suv_of_result(folder), exam.pet_series.series_uid
    if made_from == uid:
        return []
    if not made_from:
        found = read_result(folder)
        name = str((found["inputs"].get("suv") or {}).get("file") if found else None)
        text = f"nothing says which PET series it was made from (its PET is {name})"
        return [f"{folder}: without a lesion, and {text}: make sure that it is this one."] if empty else []
    if empty:
        raise CaseError(
            f"{folder}: it is without a lesion and was made from {SERIES}{made_from}; this PET is {uid}."
        )
    return [f"{folder}: it was made from {SERIES}{made_from}; this PET, of the same values, is {uid}."]


def _check_other(out: Path, source: SourceSeries) -> None:
    """Refuse to replace the objects of another study."""
    for path in (out / name for name in OBJECTS):
        if path.is_file():
            try:
                study = str(dcmread(path, specific_tags=["StudyInstanceUID"]).get("StudyInstanceUID", ""))
            except PYDICOM_ERRORS:
                study = ""
            if study != str(source.first.StudyInstanceUID):
                raise CaseError(f"{path}: it is of another study and is kept. Give another --out.")


def _check_same(
    path: Path, series: str | os.PathLike[str], stated: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    for key in ("tmtv_ml", "suv_max", "tlg"):
        before, now = stated.get(key) or 0.0, found.get(key) or 0.0
        if abs(before - now) > SAME_NUMBER * max(abs(before), 1.0):
            raise CaseError(
                f"{path}: {key} is {before:.6g} in {RESULT_FILE} and {now:.6g} on {series}: this result belongs to "
                "another PET, or was made with another weight, dose or injection time than this header's."
            )
