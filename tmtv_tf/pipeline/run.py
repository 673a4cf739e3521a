"""`tmtv run`: one study or a tree of them, from DICOM to everything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from petct.checks import require_instance
from petct.dicom.archive import unpacked
from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import locked, remove, require_writable, write_csv
from petct.parallel import Outcome, run_cases
from petct.suv import Overrides
from postprocess.cohort import table_of_what_is_left, write_table
from postprocess.measures import Measures
from postprocess.results import read_result, unmark_late
from tmtv_tf.cases.layouts import Found, find_dicom
from tmtv_tf.cases.prepare import CaseInput
from tmtv_tf.cases.pseudonym import case_pseudonym, load_key
from tmtv_tf.cases.sources import DicomSource
from tmtv_tf.inference.load import find_model
from tmtv_tf.inference.model import Model
from tmtv_tf.models.file import read_description
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.study import Ran, run_study
from tmtv_tf.pipeline.study_case import STAGES, Study
from tmtv_tf.weights import PET, packaged, packaged_name

TABLE = "run.csv"


@dataclass(frozen=True)
class RunResult:
    """What `run` made: one row a study.

    Attributes
    ----------
    out : the output folder
    studies : case id -> what became of it; those that failed are in `failed`
    failed : case id -> why, one sentence (it may name files)
    warnings : what is odd about `tmtv.csv`: its rows are of several models, edits are missing from it
    """

    out: Path
    studies: dict[str, Ran]
    failed: dict[str, str]
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def tmtv_ml(self, method: str = "41") -> dict[str, float | None]:
        """Automatic TMTV in mL by case id under one method; after a reader's edits: `studies[case_id].final`."""
        return {case_id: ran.methods.get(method, {}).get("tmtv_ml") for case_id, ran in self.studies.items()}


def run(
    folder: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str] | Model | None = None,
    out: str | os.PathLike[str] = "out",
    *,
    mask: str | os.PathLike[str] | None = None,
    options: RunOptions | None = None,
    overrides: Overrides | None = None,
    pet_uid: str | None = None,
    ct_uid: str | None = None,
    key_file: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    names: Mapping[str, str] | None = None,
) -> RunResult:
    """DICOM in; lesions, TMTV under every method, SEG, RTSTRUCT, SR and a page out.

    Parameters
    ----------
    folder : any tree of any files, or zip files, with one study or many
    model : file or name of a model, or what `load_model` gave; None: the packaged model that fits each study
    out : folder for `<case_id>/`, `tmtv.csv`, `run.csv`; finished studies are kept
    mask : the lesions of the one study, in place of a model: an image on any grid, a DICOM SEG or RTSTRUCT
    options : what is computed and which files are written
    overrides : the user's own weight, dose, injection time, for one study
    pet_uid, ct_uid : SeriesInstanceUID of the PET and the CT to take, for one study
    key_file : the key of the case ids; default `~/.config/tmtv/key`
    workers : studies at a time, each in a process of its own
    scheduler : `tcp://host:port` of a running Dask cluster, in place of `workers`
    names : a folder that will be gone -> what it is called in messages and in `source.json`

    Returns
    -------
    RunResult
        Measures by study and method, and the studies that failed with their reasons.

    Raises
    ------
    TmtvError
        Nothing to run, or a wrong call. A study that fails does not stop the others and is in `failed`.

    Examples
    --------
    >>> result = run("export", model="best.keras", out="out")  # doctest: +SKIP
    >>> result.tmtv_ml("41")  # doctest: +SKIP
    """
    options = RunOptions() if options is None else options
    require_instance("options", options, RunOptions)
    if overrides is not None:
        require_instance("overrides", overrides, Overrides)
    roots = [Path(folder)] if isinstance(folder, str | os.PathLike) else [Path(one) for one in folder]
    out = Path(out).absolute()
    require_writable(out)
    chosen = chosen_model(model, mask)
    with unpacked([root.absolute() for root in roots]) as inputs, ExitStack() as stack:
        inputs = replace(inputs, archives={**inputs.archives, **(names or {})})
        found, _ = find_dicom(inputs.folders, pet_uid=pet_uid, ct_uid=ct_uid, overrides=overrides)
        _check_one(found, mask, overrides, options)
        key = load_key(key_file)
        stack.enter_context(locked(out))
        jobs, outcomes = [], {}
        for item in found:
            case_id = case_pseudonym(key, item.patient_id, item.study_uid)
            try:
                study = study_of(item, case_id, out, chosen, mask, options)
                if read_result(study.folder) is None:
                    unmark_late(
                        study.folder
                    )  # of a run that failed: the result that is made now has all images
                jobs.append((item, replace(study, dicom_folder=inputs.named(str(study.source.pet.folder)))))
            except TmtvError as error:
                outcomes[case_id] = Outcome(case_id, error=str(error))
        remove(out / TABLE)  # of an earlier run: if this one is interrupted, it must not pass for this one's
        with table_of_what_is_left(out):
            done = run_cases(
                run_study,
                [(study.case_id, (study,)) for _, study in jobs],
                workers=workers,
                scheduler=scheduler,
                description="Studies",
            )
        outcomes |= {outcome.case_id: outcome for outcome in done}
        warnings = _write_tables(out, found, key, outcomes, [*inputs.folders, out], mask)
        outcomes = {
            case_id: one if one.error is None else replace(one, error=inputs.named(one.error))
            for case_id, one in outcomes.items()
        }
    good = {case_id: outcome.value for case_id, outcome in outcomes.items() if outcome.error is None}
    bad = {case_id: outcome.error for case_id, outcome in outcomes.items() if outcome.error is not None}
    return RunResult(out, good, bad, tuple(outcomes.values()), tuple(warnings))


def chosen_model(model: str | os.PathLike[str] | Model | None, mask: object = None) -> Path | None:
    """The model file that was asked for; None: a mask takes its place, or each study gets a packaged one."""
    if mask is not None:
        if model is not None:
            raise ParameterError("Give a model or a mask, not both.")
        return None
    if model is None:
        if not packaged():
            raise ParameterError(
                "Which model? Give --model with a file that training wrote or tmtv export-model made, or --mask with "
                "lesions from elsewhere. This installation has no packaged model."
            )
        return None
    path = (model.path if isinstance(model, Model) else find_model(model)).absolute()
    read_description(path)  # a wrong file is refused once, not for every study
    return path


def _packaged_model(source: DicomSource) -> Path:
    """The packaged model for what this study has: PET and CT, or PET alone."""
    found = packaged()
    path = found.get(packaged_name(has_ct=source.ct is not None)) or found.get(PET)
    if path is None:
        raise CaseError(f"{source.pet.folder}: there is no CT, and every packaged model needs one.")
    return path


def study_of(
    item: Found, case_id: str, out: Path, model: Path | None, mask: Any, options: RunOptions
) -> Study:
    """What to do with an examination that was found; without model and mask, with the packaged model that fits.

    Raises
    ------
    CaseError
        It cannot be used.
    """
    if item.error or not isinstance(item.source, DicomSource):
        raise CaseError(item.error or "Not a DICOM study.")
    if mask is None and model is None:
        model = _packaged_model(item.source)
    return Study(
        case_id=case_id,
        source=item.source,
        folder=out / case_id,
        model=model,
        mask=None if mask is None else Path(mask).absolute(),
        options=options,
        notes=item.notes,
    )


def _check_one(
    found: Sequence[Found], mask: object, overrides: Overrides | None, options: RunOptions
) -> None:
    """What belongs to one examination must not reach another."""
    if len(found) < 2:
        return
    if mask is not None:
        raise ParameterError(
            f"--mask is of one study; {len(found)} were found. Give that study's folder, or --pet-uid."
        )
    if overrides is not None and overrides.as_dict():
        raise ParameterError(
            f"--weight-kg, --dose-mbq and --injection-time are of one study; {len(found)} were found. Give that "
            "study's folder, or --pet-uid."
        )
    if options.clear_edits:
        raise ParameterError(
            f"--clear-edits is of one study; {len(found)} were found. Give that study's folder, or --pet-uid."
        )


def _write_tables(
    out: Path,
    found: Sequence[Found],
    key: bytes,
    outcomes: dict[str, Outcome],
    roots: Sequence[Path],
    mask: str | os.PathLike[str] | None,
) -> list[str]:
    """`tmtv.csv` of all results in the folder; `run.csv` of this run, without paths or names. Warnings."""
    rows = []
    rois = () if mask is None else (Path(mask).absolute(),)
    for item in found:
        case_id = case_pseudonym(key, item.patient_id, item.study_uid)
        outcome = outcomes[case_id]
        case = CaseInput(case_id, "", item.patient_id, item.study_uid, item.source, rois, notes=item.notes)
        ran = outcome.value if outcome.error is None else None
        rows.append(
            {
                "case_id": case_id,
                "status": "failed" if ran is None else ran.status,
                "reason": case.anonymous(outcome.error, roots) if outcome.error else "",
                **{f"seconds_{stage}": ran.seconds.get(stage) if ran else None for stage in STAGES},
                "warnings": " | ".join(ran.warnings) if ran else "",
            }
        )
    write_csv(out / TABLE, list(rows[0]), rows)
    return write_table(out, [case_id for case_id, outcome in outcomes.items() if outcome.error is not None])


def _numbers(methods: dict[str, Measures]) -> str:
    return ", ".join(f"{method} {values['tmtv_ml']:.1f} mL" for method, values in methods.items())


def print_result(result: RunResult) -> None:
    """TMTV of each study under each method, its warnings, and where to look."""
    import sys

    shown = list(result.studies.items())[:10]
    for case_id, ran in shown:
        print(f"{case_id}: TMTV {_numbers(ran.methods)}{' (kept)' if ran.status == 'kept' else ''}")
        if ran.edits:
            print(
                f"  with the reader's edits ({ran.edits}): {_numbers(ran.final)}; the files are of the automatic one,"
            )
            print("  the edited one is in review/; tmtv export writes its SEG, RTSTRUCT and SR.")
        for text in dict.fromkeys(ran.warnings):
            print(f"  WARNING: {text}", file=sys.stderr)
    if len(result.studies) > len(shown):
        print(f"... and {len(result.studies) - len(shown)} more; all of them in {result.out / 'tmtv.csv'}.")
    for text in result.warnings:
        print(f"WARNING: {text}", file=sys.stderr)
    if shown:
        place = shown[0][0] if len(result.studies) == 1 else "<case_id>"
        print(f"Look at: {result.out / place / 'report.html'}")
