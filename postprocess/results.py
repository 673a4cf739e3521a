"""The files of a result: label images, lesion tables, `tmtv.json`. One folder, of the automatic or an edited result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import TmtvError
from petct.files import read_json, write_csv
from petct.image import Geometry, Image, write_image
from petct.orientation import canonical_geometry, orientation_of
from postprocess.measures import Lesion, body_surface_m2, lesions_of_voxels, summarize
from postprocess.segmentation import Lesions

RESULT_FILE = "tmtv.json"


def read_result(folder: Path) -> dict[str, Any] | None:
    """What `tmtv.json` of a folder holds; None where there is none, or none that is whole."""
    path = folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except TmtvError:
        return None
    if not isinstance(found, dict) or not isinstance(found.setdefault("parameters", {}), dict):
        return None
    tables = [found.get("methods"), found.get("inputs")]
    whole = all(isinstance(t, dict) and all(isinstance(v, dict) for v in t.values()) for t in tables)
    return found if whole and isinstance(found.setdefault("warnings", []), list) else None


def has_method(folder: Path, method: str) -> bool:
    """Whether the label image and the lesion table of a method are there."""
    return all((folder / f"lesions_{method}.{suffix}").is_file() for suffix in ("nii.gz", "csv"))


def write_methods(
    folder: Path,
    lesions: Mapping[str, Lesions],
    suv: npt.NDArray,
    stored: Geometry,
    body: tuple[float | None, float | None] = (None, None),
) -> dict[str, dict[str, Any]]:
    """Write the label image and the lesion table of every method; return the measures.

    suv : on the canonical grid of `stored`, that of the PET in its file. body : height in cm and weight in kg.
    """
    geometry, turn = canonical_geometry(stored), orientation_of(stored)
    height_cm, weight_kg = body
    measures = {}
    for method, found in lesions.items():
        volume = np.zeros(geometry.shape, np.uint16)
        volume.reshape(-1)[found.index] = found.label
        write_image(folder / f"lesions_{method}.nii.gz", Image(turn.undo(volume), stored))
        table = lesions_of_voxels(found, suv, geometry)
        write_lesions(folder / f"lesions_{method}.csv", table)
        measures[method] = summarize(table, found, geometry)
        if height_cm and weight_kg:
            dmax_mm, body_m2 = measures[method]["dmax_mm"], body_surface_m2(height_cm, weight_kg)
            measures[method]["sdmax_per_m"] = None if dmax_mm is None else dmax_mm / 1000 / body_m2
    return measures


def write_lesions(path: str | os.PathLike[str], lesions: Sequence[Lesion]) -> None:
    """Write the lesion table as CSV, whole or not at all."""
    write_csv(path, [item.name for item in fields(Lesion)], [astuple(lesion) for lesion in lesions])


@contextmanager
def finishing(folder: Path, keep: Set[str]) -> Iterator[None]:
    """Clear the way for a result; if it cannot be written, take back what was. Methods in `keep` stay throughout."""
    clear(folder, keep)
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
