"""Any number of examinations to case folders, cohort.csv, prepare.csv and a list of what was left out."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import read_json, require_writable
from petct.parallel import Outcome, run_cases
from petct.suv import Overrides
from tmtv_tf.cases.case import INFO_NAME
from tmtv_tf.cases.clinical import Table, case_ids_of, clinical_row, read_by_patient
from tmtv_tf.cases.cohort import (
    COHORT_NAME,
    Row,
    assign_splits,
    check_cohort,
    read_cohort,
    write_cohort,
    write_table,
)
from tmtv_tf.cases.layouts import Found, LeftOut, find_autopet, find_dicom, find_nifti
from tmtv_tf.cases.prepare import CaseInput, Settings, prepare_case, summary_row
from tmtv_tf.cases.pseudonym import (
    Scrubber,
    case_pseudonym,
    identifying_words,
    load_key,
    patient_key,
    pseudonym,
)

log = logging.getLogger(__name__)

LAYOUTS = ("dicom", "autopet", "nifti")
SUMMARY_NAME = "prepare.csv"
LEFT_OUT_NAME = "left_out.csv"


@dataclass(frozen=True)
class Request:
    """What the user asked for; see `tmtv prepare --help`."""

    inputs: tuple[Path, ...]
    out: Path
    layout: str = "dicom"
    rois: Path | None = None
    clinical: Path | None = None
    case_ids: Path | None = None
    key_file: Path | None = None
    pet_uid: str | None = None
    ct_uid: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    workers: int = 1
    scheduler: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of it: one outcome per case found, and what no case was made from."""

    outcomes: list[Outcome]
    left_out: list[LeftOut]


def prepare_cohort(request: Request) -> Report:
    """Prepare every examination found; a bad one does not stop the rest.

    Writes `<out>/<case_id>/`, `cohort.csv` (rows of earlier runs stay), `prepare.csv` (one row per case of this
    run) and `left_out.csv`.

    Raises
    ------
    TmtvError
        Nothing to prepare; a wrong table; one patient's cases in two splits; an output that cannot be written.
    """
    given = [*request.inputs, request.out, *([request.rois] if request.rois else [])]
    # Workers may run in another folder.
    absolute = replace(
        request,
        inputs=tuple(path.absolute() for path in request.inputs),
        out=request.out.absolute(),
        rois=request.rois and request.rois.absolute(),
    )
    try:
        return _prepare(absolute)
    except TmtvError as error:
        raise type(error)(_as_given(str(error), given)) from None


def _as_given(text: str, paths: Sequence[Path]) -> str:
    """A message with the paths as the user wrote them."""
    for path in sorted(paths, key=lambda path: len(str(path.absolute())), reverse=True):
        text = text.replace(str(path.absolute()), str(path))
    return text


def _prepare(request: Request) -> Report:
    if request.layout == "autopet":  # its masks hold all lesions of a patient
        request = replace(request, settings=replace(request.settings, roi_components=True))
    _check(request)
    key = load_key(request.key_file)
    _check_key(request.out, key)
    found, left_out = _find(request)
    _check_overrides(request, found)
    cases, errors, records = _name_cases(request, found, key)
    earlier = {row["case_id"]: row for row in (read_cohort(request.out) if _has_cohort(request.out) else [])}
    rows = {
        case.case_id: _cohort_row(case, earlier.get(case.case_id, {}), records.get(case.case_id, {}))
        for case in cases
    }
    check_cohort([*(row for case_id, row in earlier.items() if case_id not in rows), *rows.values()])

    roots = [*request.inputs, *([request.rois] if request.rois else [])]
    good = [case for case in cases if case.case_id not in errors]
    done = run_cases(
        prepare_case,
        [(case.case_id, (case, request.out, request.settings, roots)) for case in good],
        workers=request.workers,
        scheduler=request.scheduler,
        description="Preparing",
    )
    by_case = {
        outcome.case_id: outcome if outcome.error is None else _refused(case, outcome.error, roots)
        for case, outcome in zip(good, done)
    }
    outcomes = [by_case.get(case.case_id) or _refused(case, errors[case.case_id], roots) for case in cases]
    finished = [rows[outcome.case_id] for outcome in outcomes if outcome.error is None]
    if finished:
        kept = [
            row
            for case_id, row in earlier.items()
            if case_id not in {r["case_id"] for r in finished}
            and (request.out / case_id / INFO_NAME).is_file()
        ]
        write_cohort(request.out, assign_splits([*kept, *finished], request.seed))
    scrub = Scrubber(_words_of_all(cases, left_out), roots, numbered=True)
    left_out = [replace(item, name=scrub(item.name), reason=scrub(item.reason)) for item in left_out]
    _write_summary(request.out, cases, outcomes, left_out)
    return Report(outcomes, left_out)


def print_report(report: Report, out: Path) -> None:
    """What was done, on stdout, in a few lines without names."""
    kept = sum(
        outcome.error is None and outcome.value["status"] == "unchanged" for outcome in report.outcomes
    )
    done = sum(outcome.error is None for outcome in report.outcomes)
    print(
        f"{done} of {len(report.outcomes)} cases in {out}"
        + (f" ({kept} were finished already)." if kept else ".")
    )
    if done < len(report.outcomes):
        print(f"Of failed cases, study_uid and pet_series_uid in {out / SUMMARY_NAME} say which they are.")
    kinds_of_warning = _kinds(
        text
        for outcome in report.outcomes
        if outcome.error is None
        for text in filter(None, outcome.value["warnings"].split(" | "))
    )
    if kinds_of_warning:
        print(f"Warnings, one of each kind (all: {out / SUMMARY_NAME}):")
    for count, text in kinds_of_warning:
        print(f"  {count} x {text}")
    if report.left_out:
        counts = Counter(item.kind for item in report.left_out)
        kinds = ", ".join(
            f"{count} {kind}{'s' if count > 1 and kind != 'series' else ''}" for kind, count in counts.items()
        )
        print(f"Left out: {kinds}; reasons in {out / LEFT_OUT_NAME}.")


def _kinds(warnings: Iterable[str]) -> list[tuple[int, str]]:
    """How many warnings there are of each kind, and the first of it; alike but for numbers and file names is a kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for text in warnings:
        kinds[re.sub(r"\S*\d\S*|\S+[/.]\S+", "", text)].append(text)
    return [(len(texts), texts[0]) for texts in kinds.values()]


def _check(request: Request) -> None:
    if request.layout not in LAYOUTS:
        raise ParameterError(f"--layout must be one of {', '.join(LAYOUTS)}. Received: {request.layout}.")
    if request.layout != "dicom" and len(request.inputs) != 1:
        raise ParameterError(f"The layout {request.layout} takes one input. Received: {len(request.inputs)}.")
    for path in request.inputs:
        if not path.exists():
            raise CaseError(f"{path}: no such file or folder.")
    if request.layout == "nifti" and not request.inputs[0].is_file():
        raise CaseError(
            f"{request.inputs[0]}: the nifti layout takes a CSV file with the columns PatientID and pet."
        )
    require_writable(request.out)  # before hours of work


def _check_overrides(request: Request, found: Sequence[Found]) -> None:
    """One patient's weight, dose or injection time must not reach another's images."""
    if request.overrides.as_dict() and len(found) > 1:
        raise ParameterError(
            f"--weight-kg, --dose-mbq and --injection-time are of one examination; {len(found)} were found. "
            "Give that examination's folder, or --pet-uid."
        )


def _find(request: Request) -> tuple[list[Found], list[LeftOut]]:
    if request.layout == "nifti":
        return find_nifti(request.inputs[0])
    if request.layout == "autopet":
        return find_autopet(request.inputs[0], request.clinical, request.overrides)
    return find_dicom(
        list(request.inputs),
        pet_uid=request.pet_uid,
        ct_uid=request.ct_uid,
        overrides=request.overrides,
        rois=request.rois,
    )


def _name_cases(
    request: Request, found: Sequence[Found], key: bytes
) -> tuple[list[CaseInput], dict[str, str], dict[str, Row]]:
    """Case ids, the errors known so far by case id, and the clinical columns by case id."""
    table: Table = {}
    if request.clinical is not None and request.layout != "autopet":
        table = read_by_patient(request.clinical)
    ids = case_ids_of(request.clinical, table) if request.clinical is not None else {}
    if request.case_ids is not None:
        ids |= case_ids_of(request.case_ids, read_by_patient(request.case_ids))
    named = _case_ids(request.out, found, {**_own_ids(found), **ids}, key)
    cases, errors, records = [], {}, {}
    for item, case_id in zip(found, named):
        case = CaseInput(
            case_id,
            patient_key(key, item.patient_id, item.study_uid),
            item.patient_id,
            item.study_uid,
            item.source,
            item.rois,
            item.notes + (() if item.patient_id else ("PatientID is empty: the study counts as a patient.",)),
            pseudonym(key, "check"),
        )
        cases.append(case)
        source = request.clinical or request.inputs[0]
        try:
            own = [item.record] if item.record else []
            records[case_id] = clinical_row(source, [*own, *table.get(item.patient_id, [])], case_id)
        except TmtvError as error:
            errors[case_id] = str(error)
        if item.error:
            errors[case_id] = item.error
    if table and not any(item.patient_id in table for item in found):
        log.warning("%s: none of its %d patients is among the images.", request.clinical, len(table))
    return cases, errors, records


def _own_ids(found: Sequence[Found]) -> dict[str, str]:
    """PatientID -> case id where the layout's own table has a column case_id."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for item in found:
        if item.record.get("case_id", "").strip():
            rows[item.patient_id].append(item.record)
    return case_ids_of("the table of images", dict(rows))


def _case_ids(out: Path, found: Sequence[Found], ids: dict[str, str], key: bytes) -> list[str]:
    """The case id of every study: keyed hash, or the user's; a study prepared before keeps the one it has.

    A user's id stands for one study; further studies of that patient get it with a suffix from the study.
    """
    earlier = _earlier_ids(out) if ids else {}
    studies: dict[str, set[str]] = defaultdict(set)
    for item in found:
        studies[item.patient_id].add(item.study_uid)
    named = []
    for item in found:
        base = ids.get(item.patient_id)
        if base is None:
            named.append(case_pseudonym(key, item.patient_id, item.study_uid))
            continue
        before = next((name for name, study in earlier.items() if study == item.study_uid), None)
        suffixed = f"{base}-{pseudonym(key, 'study', item.study_uid)[:6]}"
        taken = earlier.get(base, item.study_uid) != item.study_uid
        if before in (base, suffixed):
            named.append(before)
        else:
            named.append(suffixed if taken or len(studies[item.patient_id]) > 1 else base)
    return named


def _earlier_ids(out: Path) -> dict[str, str]:
    """Case id -> study of every finished case."""
    infos = [read_json(path) for path in out.glob(f"*/{INFO_NAME}")]
    return {info["case_id"]: info.get("study_uid", "") for info in infos}


def _check_key(out: Path, key: bytes) -> None:
    """Cases made with another key would make one patient two: refuse to mix."""
    path = next(iter(sorted(out.glob(f"[!.]*/{INFO_NAME}"))), None)
    if path is not None and read_json(path).get("key_check") not in (None, pseudonym(key, "check")):
        raise CaseError(
            f"{out}: its cases were prepared with another key, so patients could not be matched; give the old key by "
            "--key-file, or another output folder."
        )


def _cohort_row(case: CaseInput, earlier: Row, clinical: Row) -> Row:
    return {**earlier, **clinical, "case_id": case.case_id, "patient_key": case.patient_key}


def _refused(case: CaseInput, error: str, roots: Sequence[Path]) -> Outcome:
    return Outcome(case.case_id, error=Scrubber(case.source.identifying_words(), roots)(error))


def _words_of_all(cases: Sequence[CaseInput], left_out: Sequence[LeftOut]) -> set[str]:
    """What must not be written of any patient: the list of what was left out holds paths of all."""
    if not left_out:
        return set()
    words = {word for case in cases for word in case.source.identifying_words()}
    for path in {item.header for item in left_out if item.header is not None}:
        words |= identifying_words(path)
    return words


def _has_cohort(out: Path) -> bool:
    return os.path.isfile(out / COHORT_NAME)


def _write_summary(
    out: Path, cases: Sequence[CaseInput], outcomes: Sequence[Outcome], left_out: Sequence[LeftOut]
) -> None:
    """prepare.csv, where UIDs lead from a case, a failed one too, to its examination, and left_out.csv."""
    columns = list(summary_row({"case_id": "", "grid": {"shape": (0, 0, 0), "spacing_mm": (0, 0, 0)}}, ""))
    rows = [
        outcome.value
        if outcome.error is None
        else {
            **dict.fromkeys(columns),
            "case_id": outcome.case_id,
            "status": "failed",
            "reason": outcome.error,
            "study_uid": case.study_uid,
            "pet_series_uid": case.source.pet_series_uid,
        }
        for case, outcome in zip(cases, outcomes, strict=True)
    ]
    write_table(out / SUMMARY_NAME, columns, rows)
    write_table(
        out / LEFT_OUT_NAME,
        ["kind", "name", "reason"],
        [{"kind": item.kind, "name": item.name, "reason": item.reason} for item in left_out],
    )
