"""`tmtv evaluate`: a folder of results beside a folder of cases -> tables, figures, one report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from petct.errors import CaseError, TmtvError
from petct.files import read_json
from petct.parallel import Outcome, run_cases
from postprocess.find import find_cases
from tmtv_tf.cases.case import INFO_NAME, is_phantom
from tmtv_tf.cases.cohort import COHORT_NAME, CohortRow, read_cohort
from tmtv_tf.evaluation import field_tables, tables
from tmtv_tf.evaluation.case import CaseEvaluation, CaseRow, evaluate_case
from tmtv_tf.evaluation.methods import MethodRow
from tmtv_tf.evaluation.patients import cohort_table
from tmtv_tf.evaluation.reading import CaseFiles, origin_of
from tmtv_tf.evaluation.report_files import remove_report
from tmtv_tf.evaluation.rivals import Rivals, choose_rivals

TEST = "test"
NO_OTHER_TRAINING_CASE = (
    "every training case is among those tested here, and a rival chosen on them would be no test."
)


@dataclass
class Evaluation:
    """A whole cohort, measured.

    Attributes
    ----------
    split : the split that every table is about: "test" where a test case was evaluated, else None (all cases).
    cases, methods : one row per case, and per case and method; with `subtype` and `split`. All splits.
    reported, reported_methods : those of `split` only.
    tables : by file name, see `tables`.
    found : the evaluation of each case. failed : case id -> reason.
    cohort_size : rows of cohort.csv, None without that file. without_result : those of `split` that have none.
    rivals : None where there is no training case; `rivals_note` says why.
    phantom : every case was made by `tmtv phantom`.
    changed_parameters : of the post-processing, where they differ from the published ones.
    final : the results after a reader's edits were measured, not the automatic ones.
    training_hours : of the network, where its run was named.
    readers : one row per case, method and pair of readers, see `methods.reader_rows`; of reported cases.
    masks : masks of another program were measured.
    outside : results whose case is not in cohort.csv.
    model : `file` and `sha256` of the network behind the results; empty where they name none.
    """

    split: str | None
    cases: pd.DataFrame
    methods: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    found: list[CaseEvaluation]
    failed: dict[str, str]
    cohort_size: int | None
    rivals: Rivals | None
    rivals_note: str = ""
    phantom: bool = False
    changed_parameters: dict[str, Any] = field(default_factory=dict)
    without_result: list[str] = field(default_factory=list)
    final: bool = False
    training_hours: float | None = None
    readers: pd.DataFrame = field(default_factory=pd.DataFrame)
    masks: bool = False
    outside: list[str] = field(default_factory=list)
    model: dict[str, str | None] = field(default_factory=dict)

    @property
    def truths(self) -> dict[str, int]:
        """What the reported cases are compared with, and how many with each."""
        return {str(kind): int(n) for kind, n in self.reported["truth"].value_counts().items()}

    @property
    def warnings(self) -> dict[str, list[str]]:
        """Each warning in the tmtv.json of a reported case, with the ids of its cases."""
        found: dict[str, list[str]] = {}
        reported = set(self.reported["case_id"])
        for case in self.found:
            for text in case.warnings if case.case_id in reported else ():
                found.setdefault(text, []).append(case.case_id)
        return found

    @property
    def common_warnings(self) -> list[str]:
        """Those that hold for every reported case: of the model, mostly."""
        return [text for text, ids in self.warnings.items() if len(ids) == len(self.reported)]

    @property
    def reported(self) -> pd.DataFrame:
        return self.cases if self.split is None else self.cases[self.cases["split"] == self.split]

    @property
    def reported_methods(self) -> pd.DataFrame:
        return self.methods if self.split is None else self.methods[self.methods["split"] == self.split]


def evaluate_cohort(
    results: str | os.PathLike[str],
    cases: str | os.PathLike[str],
    probability: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    final: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
) -> tuple[Evaluation | None, list[Outcome]]:
    """Measure every case that has a result.

    Parameters
    ----------
    results : `<case_id>/tmtv.json` and `<case_id>/lesions_<method>.nii.gz`, from tmtv-postprocess; or masks of any
        program, `<case_id>/mask.nii.gz` or `<case_id>.nii.gz`
    cases : `<case_id>/` from tmtv prepare, and cohort.csv (splits and subtypes)
    probability : `<case_id>/probability.nii.gz`; None: where tmtv.json says
    out : folder of the report; the MIPs are drawn to `out/mips`, and an earlier report goes. None: no pictures
    final : measure the results after a reader's edits; False: the automatic ones, whatever was edited
    workers : processes
    scheduler : address of a Dask scheduler, in place of `workers`

    Returns
    -------
    evaluation : None when no case could be measured
    outcomes : one per case, in order of case id

    Raises
    ------
    CaseError
        No results, no such folder, results of more than one model, or a cohort.csv that contradicts itself.
    """
    results, cases = Path(results), Path(cases)
    masks = _masks(results, cases)
    ids = sorted(masks) or _case_ids(results)
    model = _require_one_origin(results, [] if masks else ids)
    cohort = _cohort(cases)
    clinical = {row["case_id"]: row for row in cohort or []}
    tested = [case_id for case_id in ids if clinical.get(case_id, {}).get("split") == TEST] or ids
    rivals, rivals_note = _rivals(cases, cohort, tested, workers, scheduler)
    files = [
        CaseFiles(
            case_id,
            results / case_id,
            cases / case_id,
            Path(probability) if probability else None,
            final,
            masks.get(case_id),
        )
        for case_id in ids
    ]
    if out is not None:
        remove_report(out)
    outcomes = run_cases(
        evaluate_case,
        [(f.case_id, (f, rivals, None if out is None else Path(out) / "mips")) for f in files],
        workers=workers,
        scheduler=scheduler,
        description="cases",
    )
    if all(outcome.error is not None for outcome in outcomes):
        return None, outcomes
    evaluation = _evaluation(cases, cohort, ids, outcomes)
    evaluation.rivals, evaluation.rivals_note = rivals, rivals_note
    if evaluation.split is None and tested != ids:  # no test case could be read: the rest the rivals saw
        evaluation.rivals, evaluation.rivals_note = None, NO_OTHER_TRAINING_CASE
    evaluation.final, evaluation.masks, evaluation.model = final, bool(masks), model
    evaluation.tables.update(report_tables(evaluation))
    return evaluation, outcomes


def _evaluation(
    cases: Path, cohort: list[CohortRow] | None, ids: Sequence[str], outcomes: Sequence[Outcome]
) -> Evaluation:
    """What was measured, put together; without rivals and the tables of the report."""
    clinical = {row["case_id"]: row for row in cohort or []}
    found = [outcome.value for outcome in outcomes if outcome.error is None]
    case_table = pd.DataFrame([_joined(case.row, clinical) for case in found])
    split = TEST if (case_table["split"] == TEST).any() else None
    evaluation = Evaluation(
        split=split,
        cases=case_table,
        methods=pd.DataFrame([_joined(row, clinical) for case in found for row in case.method_rows]),
        tables={},
        found=found,
        failed={outcome.case_id: outcome.error for outcome in outcomes if outcome.error is not None},
        cohort_size=None if cohort is None else len(cohort),
        rivals=None,
        phantom=all(_is_phantom(cases / case.case_id) for case in found),
        changed_parameters={key: value for case in found for key, value in case.changed_parameters.items()},
        without_result=[
            case_id
            for case_id, row in clinical.items()
            if case_id not in ids and (split is None or row["split"] == split)
        ],
        outside=[case_id for case_id in ids if cohort is not None and case_id not in clinical],
    )
    patients = cohort_table(cohort or [])
    if not patients.empty:
        evaluation.tables["patients"] = patients
    reported = set(evaluation.reported["case_id"])
    rows = [row for case in found if case.case_id in reported for row in case.reader_rows]
    evaluation.readers = pd.DataFrame(rows, columns=field_tables.READER_COLUMNS)
    return evaluation


def report_tables(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Every table of the report by its name, of the reported cases."""
    cases, methods = evaluation.reported, evaluation.reported_methods
    reported = set(cases["case_id"])
    foci = {
        kind: pd.DataFrame(
            [
                {"case_id": case.case_id, **asdict(focus)}
                for case in evaluation.found
                if case.case_id in reported
                for focus in getattr(case, kind)
            ],
            columns=["case_id", "volume_ml", "suv_max", "x_mm", "y_mm", "z_mm"],
        )
        for kind in ("missed", "false_positives")
    }
    return {
        "dice_by_subtype": tables.dice_by_subtype(methods),
        "tmtv_distribution": tables.tmtv_distribution(methods),
        "agreement": tables.agreement(methods),
        "stages": tables.stages(methods),
        "voxel_metrics": tables.voxel_metrics(cases),
        "roi_counts": tables.roi_counts(cases),
        "dice_by_split": tables.dice_by_split(evaluation.cases),
        "rivals": tables.rival_table(cases, evaluation.rivals),
        "concordance": field_tables.concordance(methods),
        "lesion_metrics": field_tables.lesion_metrics(cases),
        "without_lesion": field_tables.without_lesion(cases),
        "readers": field_tables.readers(evaluation.readers, len(cases)),
        "case_readers": evaluation.readers,
        "missed_lesions": foci["missed"],
        "false_positives": foci["false_positives"],
    }


def _masks(results: Path, cases: Path) -> dict[str, Path]:
    """Masks of another program, by case; empty where there is a result of tmtv-postprocess, or no such folder."""
    if not results.is_dir() or not cases.is_dir() or any(results.glob("*/tmtv.json")):
        return {}
    try:
        return {case_id: path for case_id, path, _ in find_cases(results, cases, is_mask=True)}
    except TmtvError as error:
        raise CaseError(f"{results}: no result (<case_id>/tmtv.json), and no masks: {error}") from error


def _case_ids(results: Path) -> list[str]:
    if not results.is_dir():
        raise CaseError(f"{results}: no such folder.")
    ids = sorted(
        path.parent.name for path in results.glob("*/tmtv.json") if not path.parent.name.startswith(".")
    )
    if not ids:
        raise CaseError(
            f"{results}: no result of tmtv-postprocess (expected <case_id>/tmtv.json), "
            "and no mask (<case_id>/mask.nii.gz or <case_id>.nii.gz)."
        )
    return ids


def _require_one_origin(results: Path, ids: Sequence[str]) -> dict[str, str | None]:
    """Results of two models, of masks and maps, or with two sets of parameters say nothing in one table.

    Returns `file` and `sha256` of the one model; empty if any of the results names none, which is let pass.
    """
    origins = {case_id: origin_of(results / case_id) for case_id in ids}
    first: dict[str, str] = {}
    for case_id, origin in origins.items():
        if digest := origin.model.get("sha256"):
            first.setdefault(digest, f"{case_id} ({origin.model.get('file')}, SHA-256 {digest[:12]}…)")
    if len(first) > 1:
        raise CaseError(
            f"{results}: results of {len(first)} models, among them {' and '.join(list(first.values())[:2])}; "
            "predict and post-process every case with one model, or evaluate each model's results by themselves."
        )
    known = {case_id: origin for case_id, origin in origins.items() if origin.parameters is not None}
    for case_id, origin in list(known.items())[1:]:
        other, before = next(iter(known.items()))
        if origin.from_mask != before.from_mask:
            kinds = ("a probability map", "a mask")
            raise CaseError(
                f"{results}: {other} was made from {kinds[before.from_mask]}, {case_id} from "
                f"{kinds[origin.from_mask]}; evaluate each kind by itself."
            )
        if origin.parameters != before.parameters:
            pairs = zip((before.parameters or {}).items(), (origin.parameters or {}).values(), strict=True)
            changed = [f"{key} {a} and {b}" for (key, a), b in pairs if a != b]
            raise CaseError(
                f"{results}: {other} and {case_id} were post-processed with different parameters "
                f"({'; '.join(changed)}); run tmtv-postprocess on all cases alike."
            )
    if not origins or not all(origin.model.get("sha256") for origin in origins.values()):
        return {}
    return {key: next(iter(origins.values())).model.get(key) for key in ("file", "sha256")}


def _cohort(cases: Path) -> list[CohortRow] | None:
    if not cases.is_dir():
        raise CaseError(f"{cases}: no such folder.")
    return read_cohort(cases) if (cases / COHORT_NAME).is_file() else None


def _rivals(
    cases: Path, cohort: list[CohortRow] | None, tested: Sequence[str], workers: int, scheduler: str | None
) -> tuple[Rivals | None, str]:
    """The rivals, chosen on the training cases of patients who are not tested; else None and the reason."""
    rows = cohort or []
    known = {row["patient_key"] for row in rows if row["case_id"] in tested} - {None, ""}
    train = [
        row
        for row in rows
        if row["split"] == "train" and (cases / row["case_id"] / "tmtvprob.nii.gz").is_file()
    ]
    if not train:
        return None, f"{COHORT_NAME} names no training case that is here with its reference."
    others = [
        cases / row["case_id"]
        for row in train
        if row["case_id"] not in tested and row["patient_key"] not in known
    ]
    if not others:
        return None, NO_OTHER_TRAINING_CASE
    rivals = choose_rivals(others, workers=workers, scheduler=scheduler)
    return rivals, "" if rivals else "no training case could be read."


def _joined(row: CaseRow | MethodRow, clinical: dict[str, CohortRow]) -> dict[str, object]:
    """The row with what cohort.csv says of its case behind the case id."""
    known = clinical.get(row["case_id"], CohortRow())
    return {
        "case_id": row["case_id"],
        "subtype": known.get("subtype"),
        "split": known.get("split"),
        **{key: value for key, value in row.items() if key != "case_id"},
    }


def _is_phantom(folder: Path) -> bool:
    info = read_json(folder / INFO_NAME) if (folder / INFO_NAME).is_file() else {}
    return is_phantom(info, folder.name)
