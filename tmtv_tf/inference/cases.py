"""Prepared cases to probability maps: `tmtv predict`, the same for the networks of both papers."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.console import listed, loading
from petct.errors import CaseError, TmtvError
from petct.files import locked, read_json, remove, remove_leftovers, require_writable, sha256, write_json
from petct.image import Image, image_sha256, read_image, write_image
from petct.parallel import Outcome, run_cases
from petct.text import stated_name
from petct.version import software
from tmtv_tf.models.file import GRIDS, read_description

if TYPE_CHECKING:
    from tmtv_tf.inference.model import Model

MAP_NAME = "probability.nii.gz"
INFO_NAME = "prediction.json"


def predict_cases(
    cases: Path,
    model: str,
    out: Path,
    split: str | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Outcome]:
    """Predict prepared cases, or those of one split of their cohort, and say what came out.

    Raises
    ------
    TmtvError
        No case, no such model, or an output that cannot be written: said once, at once, not for every case.
    """
    from tmtv_tf.inference.load import find_model, opened, written_for

    folders = cases_to_predict(cases, split)
    path = find_model(model)
    read_description(path)
    require_writable(out)
    with locked(out):
        remove_leftovers(out)
        if len(folders) == 1:  # several cases run in processes of their own, which load it
            with loading("Loading the model ..."):
                opened(path, sha256(path), written_for(path))
        outcomes = run_cases(
            predict_case,
            [(folder.name, (folder, path, out)) for folder in folders],
            workers=workers,
            scheduler=scheduler,
            description="predict",
        )
        print_result(outcomes, out)
    return outcomes


def predict_case(case_dir: Path, model_path: Path, out: Path) -> tuple[str, list[str]]:
    """Predict one prepared case into `<out>/<case_id>/`: probability.nii.gz and prediction.json.

    A network without segmentation writes prediction.json alone; one with prognosis writes the probability of an
    event within two years there.

    Returns
    -------
    status : "kept" where the same files were predicted by the same model before; else "done"
    warnings : those of prediction.json

    Raises
    ------
    TmtvError
        The case or the model cannot be used. A map of another model or of other images is removed even then.
    """
    from tmtv_tf.cases.case import load_case
    from tmtv_tf.inference.load import opened, written_for

    digest = sha256(model_path)
    model = opened(model_path, digest, written_for(model_path))
    # A case that cannot even be opened must not keep another model's map.
    matching_prediction(out / case_dir.absolute().name, {"model": digest})
    case = load_case(case_dir)
    folder = out / case.case_id
    inputs = {"model": digest, "pet": image_sha256(case.pet)}
    if model.needs_ct:
        inputs["ct"] = image_sha256(case.ct) if case.ct else "missing"
    said = model.description.warnings(stated_name(model_path), on_phantom=case.is_phantom)
    earlier = matching_prediction(folder, inputs)
    if _is_whole(earlier, model, said) and (not model.has_map or (folder / MAP_NAME).is_file()):
        return "kept", earlier["warnings"]
    if model.needs_ct and case.ct is None:
        raise CaseError(
            f"{case_dir}: there is no CT (ct.nii.gz), but {model_path.name} was trained on PET and CT."
        )
    ct = read_image(case.ct) if model.needs_ct and case.ct is not None else None
    found = model.examine(read_image(case.pet), ct)
    grid = model.description.grid
    info = {
        "case_id": case.case_id,
        "model": stated_name(model_path),
        "trained_on": model.description.trained_on,
        "trained_on_text": model.description.trained_on_text,
        "inputs": inputs,
        next(key for key, kind in GRIDS.items() if isinstance(grid, kind)): grid.to_json(),
        **found.details,
        "warnings": [*said, *found.warnings],
        "software": software(),
    }
    write_prediction(folder, found.probability, info)
    return "done", info["warnings"]


def _is_whole(earlier: dict[str, Any], model: Model, said: list[str]) -> bool:
    """Whether an earlier prediction.json is by this version and says all that one of today would."""
    warnings = earlier.get("warnings")
    return (
        earlier.get("software") == software()
        and earlier.get("trained_on", "") == model.description.trained_on
        and isinstance(warnings, list)
        and set(said) <= {str(text) for text in warnings}
    )


def print_result(outcomes: Sequence[Outcome], out: Path) -> None:
    """What came out, on stdout; each warning once on stderr, with the cases it holds for."""
    done = {outcome.case_id: outcome.value for outcome in outcomes if outcome.error is None}
    found: dict[str, list[str]] = {}
    for case_id, (_, warnings) in done.items():
        for text in warnings:
            found.setdefault(text, []).append(case_id)
    for text, ids in found.items():
        whom = f"all {len(ids)} cases" if len(ids) == len(done) > 1 else listed(ids)
        print(f"WARNING: {text} ({whom})", file=sys.stderr)
    if kept := sum(status == "kept" for status, _ in done.values()):
        print(f"{kept} of {len(outcomes)} cases were finished already.", file=sys.stderr)
    if done:
        print(f"Predictions of {len(done)} of {len(outcomes)} cases in {out}.")


def matching_prediction(folder: Path, inputs: dict[str, str]) -> dict[str, Any]:
    """The `prediction.json` in `folder`, if it states these inputs (SHA-256 by role); else an empty dict.

    A prediction from other files, or of unknown origin, is removed: it must not pass for one from these.
    """
    try:
        info = read_json(folder / INFO_NAME)
        if all(info["inputs"].get(role) == digest for role, digest in inputs.items()):
            return info
    except (TmtvError, TypeError, KeyError, AttributeError):
        pass  # none, or not a prediction of ours
    clear_prediction(folder)
    return {}


def write_prediction(folder: Path, probability: Image | None, info: dict[str, Any]) -> None:
    """Replace what stands in `folder`. No map is ever without the file that says what it was made from."""
    clear_prediction(folder)
    write_json(folder / INFO_NAME, info)
    if probability is not None:
        write_image(folder / MAP_NAME, probability)


def clear_prediction(folder: Path) -> None:
    """Remove the map, then its `prediction.json`."""
    if folder.is_dir():
        remove(folder / MAP_NAME)
        remove(folder / INFO_NAME)


def cases_to_predict(cases: Path, split: str | None = None) -> list[Path]:
    """Case folders under `cases` (or `cases` itself), all or those of one split of its cohort.csv, by name.

    Raises
    ------
    CaseError
        There is none, or an unknown split.
    """
    from tmtv_tf.cases.case import INFO_NAME as CASE_INFO
    from tmtv_tf.cases.case import WITHDRAWN_NAME, find_cases
    from tmtv_tf.cases.cohort import SPLITS, read_cohort

    one = (cases / CASE_INFO).is_file() or (cases / WITHDRAWN_NAME).is_file()
    if split is None:
        return [cases] if one else find_cases(cases)
    if split not in SPLITS:
        raise CaseError(f"--split must be one of {', '.join(SPLITS)}. Received: {split!r}.")
    if one:
        raise CaseError(
            f"{cases}: this is one case, so --split cannot choose among cases. Leave --split out."
        )
    folders = find_cases(cases)
    rows = read_cohort(cases)
    chosen = {row["case_id"] for row in rows if row["split"] == split}
    folders = [folder for folder in folders if folder.name in chosen]
    if not folders:
        counts = Counter(row["split"] or "no split" for row in rows)
        there = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise CaseError(
            f"{cases / 'cohort.csv'}: no case of the split {split!r} with a case folder (cases: {there or 'none'}). "
            "Leave --split out to predict all of them, or name another split."
        )
    return folders
