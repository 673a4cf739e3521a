"""`tmtv-postprocess` in this process, and a map with its PET for it."""

from __future__ import annotations

import csv
import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from petct.console import run_app
from petct.image import Geometry, Image, write_image
from postprocess.cli import app

SPACING_MM = (3.0, 2.0, 2.0)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in this process, with what it prints and its exit status."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    return subprocess.CompletedProcess(arguments, int(left.value.code or 0), out.getvalue(), err.getvalue())


def make_pair(folder: Path, *, seed: int = 0, suv_folder: Path | None = None) -> tuple[Path, Path]:
    """Two warm boxes in cold noise; the second is half as hot."""
    rng = np.random.default_rng(seed)
    geometry = Geometry((30, 40, 40), SPACING_MM, (-40.0, -40.0, 100.0))
    probability = np.zeros(geometry.shape, np.float32)
    probability[5:15, 5:15, 5:15] = 0.9
    probability[20:24, 30:34, 30:34] = 0.8
    suv = rng.uniform(0, 1, geometry.shape).astype(np.float32)
    suv[5:15, 5:15, 5:15] += 8
    suv[20:24, 30:34, 30:34] += 3
    maps, suvs = folder / "probability.nii.gz", (suv_folder or folder) / "pet.nii.gz"
    write_image(maps, Image(probability, geometry))
    write_image(suvs, Image(suv, geometry))
    return maps, suvs


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "tmtv.csv", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}
