"""The command line: files and exit statuses of DESIGN sections 5 and 6, on real files in real processes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from postprocess.image import Geometry, Image, read_image, write_image

SPACING_MM = (3.0, 2.0, 2.0)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postprocess", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


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


def test_one_case_writes_what_the_contract_says(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "case7")
    done = run("--probability", maps, "--suv", suvs, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "case7"
    result = json.loads((folder / "tmtv.json").read_text())
    assert result["case_id"] == "case7"
    assert list(result["methods"]) == ["raw", "41", "2.5", "4.0"]
    assert result["inputs"]["suv"]["file"] == "pet.nii.gz"
    assert len(result["inputs"]["probability"]["sha256"]) == 64
    assert result["methods"]["raw"]["tmtv_ml"] == pytest.approx((1000 + 64) * 12 / 1000)
    assert result["methods"]["4.0"]["lesion_count"] == 1
    labels = read_image(folder / "lesions_raw.nii.gz")
    assert labels.array.dtype == np.uint16
    assert np.bincount(labels.array.ravel())[1:].tolist() == [1000, 64]
    assert labels.geometry.same_grid(read_image(suvs).geometry)
    with open(folder / "lesions_raw.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = ["label", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "x_mm", "y_mm", "z_mm"]
    assert list(rows[0])[:9] == expected
    assert [float(rows[0][c]) for c in ("x_mm", "y_mm", "z_mm")] == pytest.approx([-21, -21, 128.5])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_cohort_goes_on_past_a_bad_case_and_skips_finished_ones(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_pair(tmp_path / "maps" / name, seed=ord(name), suv_folder=tmp_path / "cases" / name)
    (tmp_path / "cases" / "b" / "pet.nii.gz").write_bytes(b"no image")
    command = (
        "--probability",
        tmp_path / "maps",
        "--suv",
        tmp_path / "cases",
        "--out",
        tmp_path / "out",
        "-m",
        "41",
    )
    done = run(*command)
    assert done.returncode == 1
    assert "Failed: b:" in done.stderr
    assert "Traceback" not in done.stderr
    with open(tmp_path / "out" / "tmtv.csv", newline="") as file:
        assert [row["case_id"] for row in csv.DictReader(file)] == ["a", "c"]
    before = (tmp_path / "out" / "a" / "tmtv.json").stat().st_mtime_ns
    again = run(*command)
    assert "2 were finished before" in again.stdout
    assert (tmp_path / "out" / "a" / "tmtv.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--method", "42%"), "No method '42%'"),
        (("--connectivity", "8"), "Connectivity must be 6, 18 or 26"),
        (("--suv", "missing.nii.gz"), "no such file"),
    ],
)
def test_refusals_are_one_sentence_and_status_2(tmp_path: Path, arguments: tuple, says: str) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    done = run("--probability", maps, "--suv", suvs, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
