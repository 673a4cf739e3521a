"""Any number of examinations to case folders, cohort.csv, prepare.csv and a list of what was left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from petct.dicom.archive import unpacked
from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import locked, remove, require_writable
from petct.parallel import Outcome, run_cases
from petct.suv import Overrides
from tmtv_tf.cases.autopet import find_autopet
from tmtv_tf.cases.building import remove_leftovers, withdraw
from tmtv_tf.cases.case import INFO_NAME, WITHDRAWN_NAME
from tmtv_tf.cases.clinical import Table, check_clinical, clinical_row, missing_cells, read_by_patient
from tmtv_tf.cases.cohort import (
    COHORT_NAME,
    CohortRow,
    assign_splits,
    check_cohort,
    read_cohort,
    write_cohort,
)
from tmtv_tf.cases.layouts import Found, LeftOut, find_dicom, find_nifti
from tmtv_tf.cases.naming import case_ids, check_key
from tmtv_tf.cases.prepare import CaseInput, Settings, prepare_case
from tmtv_tf.cases.prepare_report import Report, write_link_file, write_report
from tmtv_tf.cases.pseudonym import load_key, patient_key, pseudonym

log = logging.getLogger(__name__)

LAYOUTS = ("dicom", "autopet", "nifti")
# Rows of cohort.csv whose cases are withdrawn: a case that comes back keeps its split.
WITHDRAWN_COHORT_NAME = "withdrawn.csv"


@dataclass(frozen=True)
class Request:
    """What the user asked for; see `tmtv prepare --help`."""

    inputs: tuple[Path, ...]
    out: Path
    layout: str = "dicom"
    rois: Path | None = None
    readers: bool = False
    clinical: Path | None = None
    case_ids: Path | None = None
    key_file: Path | None = None
    link_file: Path | None = None
    path_list: Path | None = None
    pet_uid: str | None = None
    ct_uid: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    workers: int = 1
    scheduler: str | None = None


def prepare_cohort(request: Request) -> Report:
    """Prepare every examination found; a bad one does not stop the rest.

    Writes `<out>/<case_id>/`, `cohort.csv` (rows of earlier runs stay), `prepare.csv` (one row per case of this
    run), `left_out.csv`, and the lists that name patients on request. Another run into the same folder is refused.

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
        link_file=request.link_file and request.link_file.absolute(),
        path_list=request.path_list and request.path_list.absolute(),
    )
    try:
        if request.layout != "dicom":
            return _prepare(absolute)
        with unpacked(
            absolute.inputs
        ) as found:  # zip files are there as folders for as long as they are read
            return _prepare(replace(absolute, inputs=tuple(found.folders)), found.named)
    except TmtvError as error:
        raise type(error)(_as_given(str(error), given)) from None


def _as_given(text: str, paths: Sequence[Path]) -> str:
    """A message with the paths as the user wrote them."""
    for path in sorted(paths, key=lambda path: len(str(path.absolute())), reverse=True):
        text = text.replace(str(path.absolute()), str(path))
    return text


def _prepare(request: Request, named: Callable[[str], str] = str) -> Report:
    """named : brings a path, or a message with paths, to what the user knows (zip files were unpacked)"""
    if request.layout == "autopet":  # its masks hold all lesions of a patient
        request = replace(request, settings=replace(request.settings, roi_components=True))
    _check(request)
    tables = _Tables.read(request)  # before hours of reading headers
    key = load_key(request.key_file)
    found, left_out = _find(request)
    _check_overrides(request, found)
    with locked(request.out):
        remove_leftovers(request.out)
        return _prepare_found(request, tables, key, found, left_out, named)


def _prepare_found(
    request: Request,
    tables: _Tables,
    key: bytes,
    found: Sequence[Found],
    left_out: Sequence[LeftOut],
    named: Callable[[str], str],
) -> Report:
    """Everything that needs the lock of the output."""
    out, roots = request.out, _roots(request)
    check_key(out, key)
    cases = _name_cases(request, tables, found, key)
    records, errors = _records(request, tables, found, cases)
    earlier = _earlier_rows(out)
    rows: dict[str, CohortRow] = {
        case.case_id: {
            **earlier.get(case.case_id, {}),
            **records.get(case.case_id, {}),
            "case_id": case.case_id,
            "patient_key": case.patient_key,
        }
        for case in cases
    }
    check_cohort([*(row for case_id, row in earlier.items() if case_id not in rows), *rows.values()])
    for case_id in errors:
        withdraw(out / case_id)
    good = [case for case in cases if case.case_id not in errors]
    done = run_cases(
        prepare_case,
        [(case.case_id, (case, out, request.settings, roots)) for case in good],
        workers=request.workers,
        scheduler=request.scheduler,
        description="Preparing",
    )
    by_case = {outcome.case_id: outcome for outcome in done}
    outcomes = [by_case.get(c.case_id) or Outcome(c.case_id, error=errors[c.case_id]) for c in cases]
    _write_rows(out, {**earlier, **rows}, request.seed)
    report = write_report(out, cases, outcomes, left_out, roots, request.path_list, named)
    if request.link_file is not None:
        write_link_file(request.link_file, cases)
    return replace(report, notes=tables.notes)


def _earlier_rows(out: Path) -> dict[str, CohortRow]:
    """Case id -> row of cohort.csv, and of the withdrawn cases beside it."""
    names = [name for name in (WITHDRAWN_COHORT_NAME, COHORT_NAME) if (out / name).is_file()]
    return {row["case_id"]: row for name in names for row in read_cohort(out, name)}


def _write_rows(out: Path, rows: dict[str, CohortRow], seed: int) -> None:
    """Rows of finished cases to cohort.csv; those of withdrawn ones beside it, so that their splits stay."""
    finished = [row for case_id, row in rows.items() if (out / case_id / INFO_NAME).is_file()]
    waiting = [
        row
        for case_id, row in rows.items()
        if row.get("split") and (out / case_id / WITHDRAWN_NAME).is_file()
    ]
    if waiting:
        write_cohort(out, waiting, WITHDRAWN_COHORT_NAME)
    else:
        remove(out / WITHDRAWN_COHORT_NAME)
    if finished:
        # The splits of withdrawn cases count: their patients may have other cases.
        assigned = assign_splits([*waiting, *finished], seed)
        write_cohort(out, assigned[len(waiting) :])
    else:
        remove(out / COHORT_NAME)


def _check(request: Request) -> None:
    if request.layout not in LAYOUTS:
        raise ParameterError(f"--layout must be one of {', '.join(LAYOUTS)}. Received: {request.layout}.")
    if request.layout != "dicom" and len(request.inputs) != 1:
        raise ParameterError(f"The layout {request.layout} takes one input. Received: {len(request.inputs)}.")
    if request.readers and (request.layout != "dicom" or request.rois is None):
        raise ParameterError(
            "--readers needs --rois DIR with a folder for each reader (DIR/READER/...), and the layout dicom."
        )
    for given in request.inputs:
        if not given.exists():
            raise CaseError(f"{given}: no such file or folder.")
    if request.layout == "nifti" and not request.inputs[0].is_file():
        raise CaseError(
            f"{request.inputs[0]}: the nifti layout takes a CSV file with the columns PatientID and pet."
        )
    require_writable(request.out)  # before hours of work
    for option, path in (("--link-file", request.link_file), ("--path-list", request.path_list)):
        if path is not None and path.resolve().is_relative_to(request.out.resolve()):
            raise ParameterError(
                f"{option} names patients, so it must lie outside the output folder. Received: {path}."
            )
        if path is not None:
            require_writable(path.parent)


def _check_overrides(request: Request, found: Sequence[Found]) -> None:
    """One patient's weight, dose or injection time must not reach another's images."""
    given = request.overrides.as_dict()
    if given and request.layout == "nifti":
        raise ParameterError("The nifti layout takes SUV images: --weight-kg and the like have no use there.")
    if given and len(found) > 1:
        raise ParameterError(
            "--weight-kg, --dose-mbq, --injection-time and --allow-unusual are of one examination; "
            f"{len(found)} were found. "
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
        readers=request.readers,
    )


@dataclass(frozen=True)
class _Tables:
    """The user's tables, read and checked; what was taken as missing in them."""

    clinical: Table = field(default_factory=dict)
    ids: tuple[tuple[Path, Table], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, request: Request) -> _Tables:
        clinical: Table = {}
        ids: list[tuple[Path, Table]] = []
        notes: list[str] = []
        if request.clinical is not None and request.layout != "autopet":
            clinical = read_by_patient(request.clinical)
            check_clinical(request.clinical, clinical)
            ids.append((request.clinical, clinical))
            notes += missing_cells(request.clinical, clinical)
        if request.case_ids is not None:
            ids.append((request.case_ids, read_by_patient(request.case_ids, "case_id")))
        return cls(clinical, tuple(ids), tuple(notes))


def _roots(request: Request) -> list[Path]:
    """The folders that a path in a message may begin with, however they are written."""
    given = [*request.inputs, *([request.rois] if request.rois else [])]
    return list(dict.fromkeys([*given, *(path.resolve() for path in given)]))


def _name_cases(request: Request, tables: _Tables, found: Sequence[Found], key: bytes) -> list[CaseInput]:
    named = case_ids(request.out, found, tables.ids, key)
    return [
        CaseInput(
            case_id,
            patient_key(key, item.patient_id, item.study_uid),
            item.patient_id,
            item.study_uid,
            item.source,
            item.rois,
            item.readers,
            item.notes + (() if item.patient_id else ("PatientID is empty: the study counts as a patient.",)),
            pseudonym(key, "check"),
        )
        for item, case_id in zip(found, named)
    ]


def _records(
    request: Request, tables: _Tables, found: Sequence[Found], cases: Sequence[CaseInput]
) -> tuple[dict[str, CohortRow], dict[str, str]]:
    """The clinical columns by case id, and the errors known so far by case id."""
    records: dict[str, CohortRow] = {}
    errors: dict[str, str] = {}
    source = request.clinical or request.inputs[0]
    for item, case in zip(found, cases):
        try:
            own = [item.record] if item.record else []
            every = [*own, *tables.clinical.get(item.patient_id, [])]
            records[case.case_id] = clinical_row(source, every, case.case_id)
        except TmtvError as error:
            errors[case.case_id] = str(error)
        if item.error:
            errors[case.case_id] = item.error
    here = {item.patient_id for item in found}
    absent, without = tables.clinical.keys() - here, here - tables.clinical.keys()
    if tables.clinical and (absent or without):
        log.warning(
            "%s: %d of its %d patients are not among the images, and %d of the %d patients of the images are not in "
            "it: are the PatientIDs written alike (00123 is not 123)?",
            request.clinical,
            len(absent),
            len(tables.clinical),
            len(without),
            len(here),
        )
    return records, errors
