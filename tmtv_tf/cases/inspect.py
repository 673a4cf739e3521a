"""What is in a tree of files: every series, which of them would be used, how SUV is computed, what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypedDict

from petct.dicom.archive import unpacked
from petct.dicom.headers import Series, Skipped, find_series, read_headers
from petct.dicom.pixel_check import check_files
from petct.dicom.selection import Selection, no_pet_reason, select_studies
from petct.dicom.values import tag_value, whole_number
from petct.dicom.volume import sort_slices
from petct.errors import DicomError
from petct.image import Geometry
from petct.rois.lookup import DRAWN_ELSEWHERE, why_left_out
from petct.suv import Overrides, parse_pet_header, sul_per_suv, suv_bw_factor
from tmtv_tf.cases.outlines import Outlines, read_outlines
from tmtv_tf.cases.pseudonym import identifying_words, without_identifiers


class SeriesRow(TypedDict, total=False):
    """One series, JSON-ready: the fields of `tmtv inspect --json`, in their order.

    Attributes
    ----------
    suv_factor : None with a `suv_reason`, and with `suv_factor_range` where each slice has its own
    refused : why `prepare` would not read a series that is in use. passed_over : why another is not in use
    sul_per_suv : only when asked for. description, roi_names : only with `show_text`
    """

    series_uid: str
    modality: str
    n_slices: int
    spacing_mm: list[float] | None
    units: str | None
    suv_factor: float | None
    suv_reason: str | None
    suv_rule: str | None
    injection_time: str | None
    reference_time: str | None
    selected: bool
    refused: str | None
    problems: list[str]
    passed_over: str | None
    series_number: int | None
    sop_class: str
    shape: list[int] | None
    head_first_index: bool | None
    roi_names: list[str]
    suv_factor_range: list[float]
    overrides: dict[str, float | str]
    sul_per_suv: float | None
    description: str
    patient: int
    study: int


@dataclass(frozen=True)
class Report:
    """What `tmtv inspect` shows.

    Attributes
    ----------
    series : one row for each series.
    notes : number of the study -> the choices made in it.
    refused : number of the study -> why `prepare` would make no case of it, in one sentence.
    skipped : why a file belongs to no series -> (name of the first such file, how many).
    problem : why nothing in the tree can be used, or None.
    """

    series: list[SeriesRow]
    notes: dict[int, tuple[str, ...]]
    skipped: dict[str, tuple[str, int]]
    refused: dict[int, str] = field(default_factory=dict)
    problem: str | None = None


def inspect_tree(
    roots: Sequence[Path],
    *,
    pet_uid: str | None = None,
    ct_uid: str | None = None,
    overrides: Overrides | None = None,
    show_text: bool = False,
    sul: bool = False,
) -> Report:
    """Inspect folders or files. Reads headers and outlines, no pixels; patients are numbered, never named.

    Parameters
    ----------
    roots : any tree of any files, or zip files.
    pet_uid, ct_uid : SeriesInstanceUID to use in place of the choice by rule.
    overrides : a user's weight, dose, injection time.
    show_text : add SeriesDescription and ROI names, free text that may identify a patient.
    sul : add `sul_per_suv`, lean body mass (Janmahasatian) over weight.

    Raises
    ------
    DicomError
        A root does not exist, or a UID is not in the tree.
    """
    with unpacked(roots) as found:
        report = _inspect(found.folders, pet_uid, ct_uid, overrides or Overrides(), show_text, sul)
        return Report(*(_named(getattr(report, item.name), found.named) for item in fields(Report)))


def _named(value: Any, named: Callable[[str], str]) -> Any:
    """The same value with every text in it as the user knows it."""
    if isinstance(value, dict):
        return {key: _named(item, named) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_named(item, named) for item in value)
    return named(value) if isinstance(value, str) else value


def _inspect(
    roots: Sequence[Path],
    pet_uid: str | None,
    ct_uid: str | None,
    overrides: Overrides,
    show_text: bool,
    sul: bool,
) -> Report:
    series, skipped = find_series(list(roots))
    selections = select_studies(series, pet_uid=pet_uid, ct_uid=ct_uid)
    patients = _numbers(s.patient_id for s in series)
    studies = _numbers((s.patient_id, s.study_uid) for s in series)
    words = {item.series_uid: identifying_words(item.files[0]) | {item.patient_id} - {""} for item in series}
    outlines: dict[str, Outlines] = {}
    for selection in selections:
        for series_uid, read in read_outlines(selection).items():
            if read.used or series_uid not in outlines:  # two studies may share a frame of reference
                outlines[series_uid] = read
    rows = []
    for item in series:
        row = _describe(item, _chosen(item, selections), selections, overrides, sul)
        if item.series_uid in outlines:
            problems, drawn = row["problems"], _outline_columns(outlines[item.series_uid])
            row |= {**drawn, "problems": problems + drawn["problems"]}
        if show_text:
            row["description"] = item.description
        else:
            row.pop("roi_names")
        row |= {"patient": patients[item.patient_id], "study": studies[item.patient_id, item.study_uid]}
        known = words[item.series_uid]  # a path in a message may hold a name
        row["problems"] = [without_identifiers(text, known, roots) for text in dict.fromkeys(row["problems"])]
        for key in ("suv_reason", "refused"):
            if text := row[key]:
                row[key] = without_identifiers(text, known, roots)
        rows.append(row)
    notes = {
        studies[s.patient_id, s.study_uid]: (
            *s.notes,
            *([] if s.pet else ["No PET of this study can be used."]),
        )
        for s in selections
    }
    everybody = set().union(*words.values())
    left_out = {
        reason: (without_identifiers(first, everybody), count)
        for reason, (first, count) in _grouped(skipped).items()
    }
    refused = {}
    for selection in selections:
        reason = selection.problem or _refusal(rows, selection)
        if reason:
            number = studies[selection.patient_id, selection.study_uid]
            refused[number] = without_identifiers(reason, everybody)
    problem = None
    if not selections:
        names = ", ".join(map(str, roots))
        problem = without_identifiers(f"{names}: {no_pet_reason(series)}", everybody)
    elif len(refused) == len(selections):
        problem = next(iter(refused.values()))
    return Report(rows, notes, left_out, refused, problem)


def _describe(
    series: Series, selected: bool, selections: list[Selection], overrides: Overrides, sul: bool
) -> SeriesRow:
    """The fields of DESIGN section 6 for one series, and a few more."""
    row: SeriesRow = {
        "series_uid": series.series_uid,
        "modality": series.modality,
        "n_slices": max(len(series.instances), whole_number(series.header, "NumberOfFrames") or 1),
        "spacing_mm": None,
        "units": None,
        "suv_factor": None,
        "suv_reason": None,
        "suv_rule": None,
        "injection_time": None,
        "reference_time": None,
        "selected": selected,
        "refused": None,
        "problems": list(series.conflicts),
        "passed_over": next(
            (s.passed_over[series.series_uid] for s in selections if series.series_uid in s.passed_over), None
        ),
        "series_number": series.number,
        "sop_class": series.sop_class_name,
        "shape": None,
        "head_first_index": None,
        "roi_names": [],
    }
    if series.modality in ("PT", "CT"):
        try:
            slices = sort_slices(series)
            row["spacing_mm"] = [round(s, 6) for s in slices.geometry.spacing_mm]
            row["shape"] = list(slices.geometry.shape)
            row["head_first_index"] = _head_first(slices.geometry)
            if selected:
                row["problems"] += slices.warnings
                check_files(series)
        except DicomError as error:
            if selected or series.modality == "PT":
                row["problems"].append(str(error))
            row["refused"] = str(error) if selected else None
    if series.modality == "PT":
        columns, problems = _suv_columns(series, overrides, sul)
        row |= {"units": _units(series), **columns}
        row["problems"] += problems
        if selected and row["suv_rule"] is None:
            row["refused"] = row["refused"] or row["suv_reason"]
    else:
        row["suv_reason"] = "not a PET series"
    return row


def _suv_columns(series: Series, overrides: Overrides, sul: bool) -> tuple[SeriesRow, list[str]]:
    """What a row says of the SUV, and what is odd about it; without a rule there is none."""
    try:
        header = parse_pet_header(read_headers(series), str(series.folder))
        suv = suv_bw_factor(header, overrides)
    except DicomError as error:
        return {"suv_reason": str(error)}, [str(error)]
    columns: SeriesRow = {"suv_factor": suv.single_factor, "suv_rule": suv.rule}
    if isinstance(suv.factor, tuple):
        columns["suv_reason"] = "one factor per slice, each by its own frame"
        columns["suv_factor_range"] = [min(suv.factor), max(suv.factor)]
    columns["injection_time"] = suv.injection_time.isoformat() if suv.injection_time else None
    columns["reference_time"] = suv.reference_time.isoformat() if suv.reference_time else None
    columns["overrides"] = dict(suv.overrides)
    problems = list(suv.warnings)
    if sul:
        try:
            columns["sul_per_suv"] = sul_per_suv(header, overrides=overrides)
        except DicomError as error:
            columns["sul_per_suv"] = None
            problems.append(str(error))
    return columns, problems


def _units(series: Series) -> str | None:
    value = tag_value(series.header, "Units")
    return None if value is None else str(value)


def _head_first(geometry: Geometry) -> bool:
    """Whether slice 0 lies at the head end (LPS z grows towards the head)."""
    return geometry.direction[8] < 0


def _chosen(series: Series, selections: list[Selection]) -> bool:
    return any(series is chosen for s in selections for chosen in (s.pet, s.ct))


def _outline_columns(outlines: Outlines) -> SeriesRow:
    """What `prepare` would make of one series of RTSTRUCT or SEG."""
    return {
        "selected": outlines.used,
        "roi_names": list(outlines.names),
        "refused": outlines.refused,
        "passed_over": None if outlines.used or outlines.refused else DRAWN_ELSEWHERE,
        "problems": [*outlines.warnings, *filter(None, [outlines.refused])],
    }


def _refusal(rows: list[SeriesRow], selection: Selection) -> str | None:
    """The first reason why PET, CT or ROIs of a study cannot be read."""
    parts = [s.series_uid for s in (selection.pet, selection.ct, *selection.rois) if s is not None]
    refused = {row["series_uid"]: row["refused"] for row in rows if row["refused"]}
    return next((refused[uid] for uid in parts if uid in refused), None)


def _numbers(keys: Any) -> dict[Any, int]:
    """Each distinct key -> 1, 2, ... in order of appearance."""
    return {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}


def _grouped(skipped: list[Skipped]) -> dict[str, tuple[str, int]]:
    counts = Counter(map(why_left_out, skipped))
    first = {why_left_out(item): item.path for item in reversed(skipped)}
    return {reason: (first[reason].name, count) for reason, count in counts.most_common()}
