"""What is in the user's folders: any tree of DICOM, or a table of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from petct.dicom.headers import Series, Skipped, find_series
from petct.dicom.selection import Selection, no_pet_reason, select_studies
from petct.errors import CaseError, DicomError, RoiError
from petct.rois.lookup import (
    DRAWN_ELSEWHERE,
    RoiFile,
    describe_series,
    drawn_on,
    drawn_on_other_pets,
    find_roi_files,
    named_for,
    why_left_out,
)
from petct.suv import Overrides
from tmtv_tf.cases.cohort import CLINICAL
from tmtv_tf.cases.readers import group_by_reader
from tmtv_tf.cases.sources import DicomSource, NiftiSource
from tmtv_tf.cases.table import read_table


@dataclass(frozen=True)
class Found:
    """One examination found in the user's data.

    Attributes
    ----------
    rois : its ROI files
    readers : the reader of each of `rois`; empty for one reader
    record : clinical columns that the layout itself has
    error : why it cannot be prepared, known before it was read
    """

    patient_id: str
    study_uid: str
    source: DicomSource | NiftiSource
    rois: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    record: dict[str, str] = field(default_factory=dict)
    error: str = ""
    readers: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A file, series or study that no case is made from, and why."""

    kind: str
    name: str
    reason: str
    header: Path | None = None  # a file whose header tells what must not be written


def find_dicom(
    roots: Sequence[Path],
    *,
    pet_uid: str | None = None,
    ct_uid: str | None = None,
    overrides: Overrides | None = None,
    rois: Path | None = None,
    readers: bool = False,
) -> tuple[list[Found], list[LeftOut]]:
    """One case per study with a PET, and everything else with its reason.

    ROIs are the RTSTRUCT and SEG files of the study, and those of the folder `rois`, which replace them for the
    studies that have any there. With `readers`, each folder in `rois` is of one reader (`group_by_reader`).

    Raises
    ------
    CaseError
        With `readers`, a file that is in no reader's folder.
    DicomError
        There is no study with a usable PET.
    """
    series, skipped = find_series(roots)
    selections = select_studies(series, pet_uid=pet_uid, ct_uid=ct_uid)
    extra, unread = find_roi_files(rois) if rois is not None else ([], [])
    groups = group_by_reader(rois, extra) if readers and rois is not None else {"": extra}
    left_out = [_left_out_file(item) for item in skipped]
    left_out += [LeftOut("roi file", str(item.path), item.reason) for item in unread]
    found: list[Found] = []
    used_rois: set[Path] = set()
    for selection in selections:
        if selection.pet is None:
            found.append(_unusable(selection, series))
            continue
        case, passed_over = _found(selection, selection.pet, groups, overrides or Overrides())
        found.append(case)
        left_out += passed_over
        used_rois.update(case.rois)
    left_out += _unused_series(series, selections)
    left_out += [
        LeftOut("roi file", str(file.path), "belongs to no PET found")
        for file in extra
        if file.path not in used_rois
    ]
    if not found:
        raise DicomError(f"{', '.join(map(str, roots))}: {no_pet_reason(series)}")
    ambiguous = _ambiguous_names(found, extra)
    return [replace(case, error=ambiguous.get(i, case.error)) for i, case in enumerate(found)], left_out


def _unusable(selection: Selection, series: Sequence[Series]) -> Found:
    """A study whose PET series cannot be used."""
    pet = next(s for s in series if s.study_uid == selection.study_uid and s.modality == "PT")
    return Found(
        selection.patient_id,
        selection.study_uid,
        DicomSource(pet),
        error=selection.problem or "No usable PET.",
    )


def _found(
    selection: Selection, pet: Series, groups: dict[str, list[RoiFile]], overrides: Overrides
) -> tuple[Found, list[LeftOut]]:
    try:
        own = [file for series in selection.rois for file in describe_series(series)]
    except RoiError as error:
        source = DicomSource(pet, selection.ct, overrides)
        return Found(selection.patient_id, selection.study_uid, source, error=str(error)), []
    from_tree, passed_over = drawn_on(own, pet.series_uid, pet.frame_of_reference_uid)
    notes = list(selection.notes)
    by_reader = {reader: _given(files, pet) for reader, files in groups.items()}
    given = [path for paths in by_reader.values() for path in paths]
    readers = tuple(reader for reader, paths in by_reader.items() for _ in paths if reader)
    used = given or from_tree
    files = {file.path: file for group in (own, *groups.values()) for file in group}
    notes += drawn_on_other_pets([files[path] for path in used], pet.series_uid, selection.other_pets)
    missing = [reader for reader, paths in by_reader.items() if not paths]
    if readers and missing:
        notes.append(
            f"Readers without ROIs for this case: {', '.join(missing)}. The others alone make its truth."
        )
    if any(groups.values()) and not given:
        notes.append("The folder of ROIs has none for this case; those beside the images are used, if any.")
    left_out = [LeftOut("roi file", str(path), DRAWN_ELSEWHERE) for path in passed_over]
    left_out += [
        LeftOut("roi file", str(path), "the folder of ROIs has others for this case")
        for path in from_tree
        if path not in used
    ]
    source = DicomSource(pet, selection.ct, overrides)
    found = Found(
        selection.patient_id, selection.study_uid, source, tuple(used), tuple(notes), readers=readers
    )
    return found, left_out


def _given(extra: Sequence[RoiFile], pet: Series) -> list[Path]:
    """Files of the folder of ROIs for one study: by their DICOM references, then by UIDs or PatientID in names."""
    referring = [
        file
        for file in extra
        if pet.series_uid in file.series
        or (file.study_uid == pet.study_uid and pet.frame_of_reference_uid in file.frames)
    ]
    if referring:
        return _once(drawn_on(referring, pet.series_uid, pet.frame_of_reference_uid)[0])
    tables_and_images = [file for file in extra if not file.frames and not file.series]
    for name in (pet.series_uid, pet.study_uid, pet.patient_id):
        if named := named_for(tables_and_images, [name]):
            return _once(file.path for file in named)
    return []


def _once(paths: Iterable[Path]) -> list[Path]:
    """Each file under the first of its names: a link beside it would count its ROIs twice."""
    names: dict[Path, Path] = {}
    for path in paths:
        names.setdefault(path.resolve(), path)
    return list(names.values())


def _ambiguous_names(found: Sequence[Found], extra: Sequence[RoiFile]) -> dict[int, str]:
    """Cases that share a ROI file with another study of the same patient: the file's name fits both."""
    errors: dict[int, str] = {}
    for file in extra:
        owners = [i for i, case in enumerate(found) if file.path in case.rois]
        if len(owners) > 1:
            text = (
                f"{file.path}: its name fits {len(owners)} studies; name it by the PET's SeriesInstanceUID."
            )
            errors.update(dict.fromkeys(owners, text))
    return errors


def _left_out_file(item: Skipped) -> LeftOut:
    return LeftOut("file", str(item.path), why_left_out(item))


def _unused_series(series: Sequence[Series], selections: Sequence[Selection]) -> list[LeftOut]:
    used = {
        s.series_uid
        for selection in selections
        for s in (selection.pet, selection.ct, *selection.rois)
        if s is not None
    }
    reasons = {uid: reason for selection in selections for uid, reason in selection.passed_over.items()}
    with_pet = {s.study_uid for s in series if s.modality == "PT"}
    chosen = {selection.study_uid for selection in selections}

    def reason(s: Series) -> str:
        if s.series_uid in reasons:
            return reasons[s.series_uid]
        if s.study_uid not in with_pet:
            return f"{s.modality}: its study has no PET"
        return f"{s.modality}: " + ("not used" if s.study_uid in chosen else "a study that was not asked for")

    return [
        LeftOut("series", s.series_uid, reason(s), s.files[0]) for s in series if s.series_uid not in used
    ]


def find_nifti(table: Path) -> tuple[list[Found], list[LeftOut]]:
    """Cases from a table of images.

    Columns: `PatientID`, `pet` (image in SUVbw); optional `study` (tells two examinations of one patient apart),
    `ct` (image in HU), `rois` (label map, 4-D masks, or Fiji table; several with `;` between them), `case_id`, and
    the clinical columns of cohort.csv. Paths are relative to the table.

    Raises
    ------
    CaseError
        A missing column, an image that does not exist, or two rows of one patient without `study`.
    """
    rows = read_table(table, "PatientID", "pet")
    found = []
    for number, row in enumerate(rows, start=2):
        paths: dict[str, list[Path]] = {}
        for column in ("pet", "ct", "rois"):
            texts = row.get(column, "").split(";") if column == "rois" else [row.get(column, "")]
            paths[column] = [table.parent / text.strip() for text in texts if text.strip()]
            for path, text in zip(paths[column], filter(str.strip, texts)):
                if not _is_file(path):
                    raise (RoiError if column == "rois" else CaseError)(
                        f"{table}, line {number}: {column}: no file {text.strip()}."
                    )
        if not row["PatientID"].strip() or not paths["pet"]:
            raise CaseError(f"{table}, line {number}: PatientID and pet must not be empty.")
        patient_id = row["PatientID"].strip()
        source = NiftiSource(paths["pet"][0], paths["ct"][0] if paths["ct"] else None, patient_id)
        record = {column: row[column] for column in ("case_id", *CLINICAL) if column in row}
        found.append(
            Found(patient_id, row.get("study", "").strip(), source, tuple(paths["rois"]), record=record)
        )
    seen: set[tuple[str, str]] = set()
    for number, case in enumerate(found, start=2):
        if (case.patient_id, case.study_uid) in seen:
            raise CaseError(f"{table}, line {number}: a second row of this patient needs another `study`.")
        seen.add((case.patient_id, case.study_uid))
    if not found:
        raise CaseError(f"{table}: the table is empty.")
    return found, []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False
