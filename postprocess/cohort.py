"""Many cases: find their files, run them, collect `tmtv.csv`."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from petct.errors import TmtvError
from petct.files import replace_atomically

MAP_NAMES = ("probability.nii.gz", "probability.nii", "probability.nrrd", "probability.mha")
MASK_NAMES = ("mask.nii.gz", "mask.nii", "mask.nrrd", "mask.mha")
SUV_NAMES = ("pet.nii.gz", "pet.nii", "pet.nrrd", "pet.mha")
TABLE_FILE = "tmtv.csv"


def find_cases(maps: Path, suvs: Path, *, is_mask: bool = False) -> list[tuple[str, Path, Path]]:
    """`(case_id, map, SUV image)` of every folder `maps/<case_id>` that holds a map, by name.

    Maps are `probability.nii.gz` (masks: `mask.nii.gz`), SUV images `suvs/<case_id>/pet.nii.gz`; `.nii`, `.nrrd` and
    `.mha` will do. Folders of `suvs` without a map are passed over, see `cases_without_map`. A SUV image that is
    missing is named by the path it should have, and fails when the case is run.
    """
    names = MASK_NAMES if is_mask else MAP_NAMES
    if not suvs.is_dir():
        raise TmtvError(f"{suvs}: --suv must be a folder of case folders, as {maps} is.")
    found = []
    for folder in sorted(path for path in maps.iterdir() if path.is_dir()):
        if map_path := _first_file(folder, names):
            suv_folder = suvs / folder.name
            found.append(
                (folder.name, map_path, _first_file(suv_folder, SUV_NAMES) or suv_folder / SUV_NAMES[0])
            )
    if not found:
        raise TmtvError(f"{maps}: no case found; expected {maps}/<case_id>/{names[0]}.")
    return found


def cases_without_map(found: Sequence[tuple[str, Path, Path]], suvs: Path) -> list[str]:
    """The case folders of `suvs` that hold a SUV image but are not among the cases that `find_cases` found."""
    known = {case_id for case_id, _, _ in found}
    folders = sorted(path for path in suvs.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path.name for path in folders if path.name not in known and _first_file(path, SUV_NAMES)]


def write_table(
    path: str | os.PathLike[str], results: Iterable[dict[str, Any]], methods: Sequence[str]
) -> None:
    """One row a case, columns `case_id` and `<measure>_<method>`; an undefined value is an empty field."""
    rows = [
        {
            "case_id": result["case_id"],
            **{
                f"{measure}_{method}": value
                for method in methods
                for measure, value in result["methods"][method].items()
                if not isinstance(value, dict)
            },
        }
        for result in results
    ]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with replace_atomically(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _first_file(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
