"""Two hot spots that touch, one alone and one that the map missed: what the tests of edits work on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from petct.image import Geometry, read_image
from postprocess.case import Job, run_case
from postprocess.requests import Request

# Unequal spacing on each axis, an origin that is not 0: a swapped axis or a lost origin moves every point.
GRID = Geometry((20, 24, 60), (4.0, 3.0, 2.0), (-50.0, -36.0, 100.0))
HOT, WARM, SMALL, MISSED = (10, 8, 12), (10, 8, 27), (4, 20, 50), (16, 20, 50)


def world(place: tuple[int, int, int]) -> tuple[float, float, float]:
    x, y, z = GRID.to_world(place)[0].tolist()
    return (x, y, z)


def images() -> tuple[np.ndarray, np.ndarray]:
    """Map and SUV: two hot spots that touch (one mass of 2 parts), one alone, and one that the map missed."""
    suv = np.full(GRID.shape, 0.5, np.float32)
    z, y, x = (np.arange(n) * s for n, s in zip(GRID.shape, GRID.spacing_mm))
    for (cz, cy, cx), top in ((HOT, 10), (WARM, 8), (SMALL, 6), (MISSED, 12)):
        r2 = (z[:, None, None] - z[cz]) ** 2 + (y[:, None] - y[cy]) ** 2 + (x - x[cx]) ** 2
        suv += (top * np.exp(-r2 / 130)).astype(np.float32)
    probability = np.where(suv > 2, np.float32(0.9), 0)
    probability[12:, 14:, 36:] = 0
    return probability, suv


def edit(job: Job, **request: Any) -> dict[str, Any]:
    return run_case(replace(job, request=Request(**request)))


def labels_of(folder: Path, method: str = "41") -> np.ndarray:
    return read_image(folder / f"lesions_{method}.nii.gz").array


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(job: Job) -> dict[str, dict[str, str]]:
    with open(job.folder.parent / "tmtv.csv", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}
