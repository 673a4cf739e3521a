"""`tmtv prepare` in this process, and what it wrote."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from cohort_files import GEOMETRY
from pydicom import Dataset, dcmread
from roi_files import pet_datasets, write_rtstruct

from petct.console import run_app
from tmtv_tf.cases.case import Case, find_cases, load_case
from tmtv_tf.cli import app


def call(*arguments: object, status: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    assert left.value.code == status


def prepare(*arguments: object, status: int = 0) -> None:
    call("prepare", "--no-model-grid", *arguments, status=status)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def left_out(cases: Path, path_list: Path) -> list[tuple[str, Path, str]]:
    """Kind, path and reason of every row of left_out.csv; the numbers that stand for paths by the list on request."""
    paths = {row["number"]: row["path"] for row in table(path_list) if row["where"] == "left_out.csv"}
    rows = table(cases / "left_out.csv")
    return [(row["kind"], Path(paths.get(row["name"], row["name"])), row["reason"]) for row in rows]


def only_case(cases: Path) -> Case:
    (folder,) = find_cases(cases)
    return load_case(folder)


def without_weight(ds: Dataset, k: int) -> None:
    if ds.Modality == "PT":
        del ds.PatientWeight


def move_rois(folder: Path, **options: object) -> Path:
    """Write the structure set of `write_study` anew, with other references or another maker."""
    pet = pet_datasets(folder / "PT")[0]
    box = [GEOMETRY.to_world([(4, 0.5, 0.5), (4, 0.5, 3.5), (4, 4.5, 3.5), (4, 4.5, 0.5)])]
    return write_rtstruct(folder / "RS" / f"{len(options)}.dcm", pet, {"box": box}, **options)


def edit_weight(folder: Path, weight: str) -> None:
    """Change the header of every PET slice; size and time of change stay as they were."""
    for path in sorted((folder / "PT").iterdir()):
        before = path.stat()
        dataset = dcmread(path)
        dataset.PatientWeight = weight
        dataset.save_as(path)
        assert path.stat().st_size == before.st_size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
