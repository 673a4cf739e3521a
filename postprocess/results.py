"""The files of a result: label images, lesion tables, `tmtv.json`. One folder, of the automatic or an edited result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, TypeGuard

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petct.errors import TmtvError
from petct.files import read_json, remove, write_csv, write_json
from petct.image import Geometry, Image, write_image
from petct.orientation import canonical_geometry, orientation_of
from postprocess.config import Config
from postprocess.measures import Lesion, Measures, lesions_of_voxels, summarize
from postprocess.segmentation import Lesions

RESULT_FILE = "tmtv.json"
# What `tmtv run` writes beside a result, last which series and values of the user it was made from.
SOURCE_FILE = "source.json"
OBJECTS = ("seg.dcm", "rtstruct.dcm", "sr.dcm", "probability.dcm", "report.html", "report.pdf", "report.dcm")
# Beside a result that `tmtv serve` has more images for: the inputs of that result.
LATE_FILE = "late.json"
LATE = "more images of this study came after this result was made; its numbers are without them"

# Names that become parts of paths: a file's own name, a method.
FileName = Annotated[str, Field(pattern=r"\A[^/\\\x00]{0,255}\z")]
MethodName = Annotated[str, Field(pattern=r"\A[0-9A-Za-z][0-9A-Za-z._%-]{0,39}\z")]


class TmtvResult(TypedDict):
    """What `tmtv.json` holds. Parameters are those of `Config` and of the call; inputs have `file` and `sha256`.

    The PET of a case that was prepared with the user's own weight, dose or injection time has these too
    (`overrides`), and its `series_uid`: whoever needs the same SUV from DICOM needs both.
    """

    case_id: NotRequired[str]
    methods: dict[str, Measures]
    parameters: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    software: NotRequired[dict[str, str]]
    instances: NotRequired[str | None]
    warnings: list[str]


class Answer(TmtvResult):
    """What `tmtv.json` holds, and what this call did.

    Attributes
    ----------
    skipped : nothing was to be done
    final : measures by method after the edits; without edits those of `methods`
    edits : how many are in force. added, cleared : how many this call added, and put out of force
    said : sentences for the reader who asked
    """

    skipped: bool
    final: dict[str, Measures]
    edits: int
    added: int
    cleared: int
    said: list[str]


class _Measures(BaseModel):
    """What every result has; further measures are numbers or null."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float | None]

    tmtv_ml: float
    tlg: float
    lesion_count: int


class _Input(BaseModel):
    model_config = ConfigDict(strict=True)

    file: FileName | None = None
    sha256: str | None = None
    series_uid: str | None = None
    overrides: dict[str, Any] | None = None


class _Result(BaseModel):
    methods: dict[MethodName, _Measures]
    inputs: dict[str, _Input]
    parameters: Config = Field(default_factory=Config)
    warnings: list[str] = Field(default_factory=list)


def read_result(folder: Path) -> TmtvResult | None:
    """What `tmtv.json` of a folder holds; None where there is none, or none that is whole."""
    path = folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except TmtvError:
        return None
    if not is_result(found):
        return None
    found.setdefault("parameters", {})
    found.setdefault("warnings", [])
    return found


def is_result(value: Any) -> TypeGuard[TmtvResult]:
    """Whether a JSON value has the shape of `tmtv.json`: every key that a reader uses has its type, or is not there."""
    try:
        _Result.model_validate(value)
    except (ValidationError, RecursionError):
        return False
    return True


def mark_late(folder: Path) -> None:
    """Note that images came of which the result, there or being made, is not made. On disk when this returns."""
    found = read_result(folder)
    write_json(folder / LATE_FILE, {"inputs": None if found is None else found["inputs"]}, durable=True)


def unmark_late(folder: Path) -> None:
    """Note that the result is made of all images that came."""
    remove(folder / LATE_FILE)


def late_warning(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """The sentence `LATE`, if it is true of this result of `folder`; of one made of other inputs since, it is not."""
    path = folder / LATE_FILE
    if not path.exists():
        return []
    try:
        marked = read_json(path)["inputs"]
    except (TmtvError, TypeError, KeyError):
        return [LATE]
    return [LATE] if marked in (None, result["inputs"]) else []


def refuse_late(folder: Path) -> None:
    """Refuse to hand on a result that is not made of all images that came.

    Raises
    ------
    TmtvError
        Of the result in this folder `late_warning` is true.
    """
    found = read_result(folder)
    if found is not None and late_warning(folder, found):
        raise TmtvError(
            f"{folder}: {LATE}. tmtv run with --overwrite makes it anew and keeps a reader's edits."
        )


def has_method(folder: Path, method: str) -> bool:
    """Whether the label image and the lesion table of a method are there."""
    return all((folder / f"lesions_{method}.{suffix}").is_file() for suffix in ("nii.gz", "csv"))


def write_methods(
    folder: Path,
    lesions: Mapping[str, Lesions],
    suv: npt.NDArray,
    stored: Geometry,
    body: tuple[float | None, float | None] = (None, None),
) -> dict[str, Measures]:
    """Write the label image and the lesion table of every method; return the measures.

    suv : on the canonical grid of `stored`, that of the PET in its file. body : height in cm and weight in kg.
    """
    geometry, turn = canonical_geometry(stored), orientation_of(stored)
    height_cm, weight_kg = body
    measures: dict[str, Measures] = {}
    for method, found in lesions.items():
        volume = np.zeros(geometry.shape, np.uint16)
        volume.reshape(-1)[found.index] = found.label
        write_image(folder / f"lesions_{method}.nii.gz", Image(turn.undo(volume), stored))
        table = lesions_of_voxels(found, suv, geometry)
        write_lesions(folder / f"lesions_{method}.csv", table)
        measures[method] = summarize(table, found, geometry).as_dict()
        if height_cm and weight_kg:
            from petct.suv.patient import body_surface_m2  # loads pydicom

            dmax_mm, body_m2 = measures[method]["dmax_mm"], body_surface_m2(height_cm, weight_kg)
            measures[method]["sdmax_per_m"] = None if dmax_mm is None else dmax_mm / 1000 / body_m2
    return measures


def write_lesions(path: str | os.PathLike[str], lesions: Sequence[Lesion]) -> None:
    """Write the lesion table as CSV, whole or not at all."""
    write_csv(path, [item.name for item in fields(Lesion)], [astuple(lesion) for lesion in lesions])


@contextmanager
def finishing(folder: Path, keep: Set[str]) -> Iterator[None]:
    """Clear the way for a result; if it cannot be written, take back what was. Methods in `keep` stay throughout.

    Without them, what `tmtv run` made of an earlier result (SEG, page, ...) goes too: it states other numbers.
    """
    clear(folder, keep)
    for name in () if keep or not folder.is_dir() else OBJECTS:
        remove(folder / name)
    try:
        yield
    except BaseException:
        with suppress(TmtvError):
            clear(folder, keep)
        raise


def clear(folder: Path, keep: Set[str] = frozenset()) -> None:
    """Remove what other inputs or parameters, or a killed run, left behind; first `tmtv.json`, if nothing is kept.

    A reader's edits, and the edited results in `review/`, stay.
    """
    if not folder.is_dir():
        return
    try:
        if not keep:
            (folder / RESULT_FILE).unlink(missing_ok=True)
        for path in folder.iterdir():
            found = re.fullmatch(
                r"(\.[0-9a-f]{8}\.)?(?:lesions_(.+)\.(?:nii\.gz|csv)|tmtv\.json|edits\.json)", path.name
            )
            if found and (found[1] or (found[2] and found[2] not in keep)):
                path.unlink()
    except OSError as error:
        raise TmtvError(f"{folder}: cannot be written ({error.strerror or error}).") from error
