"""A part of benchmarks/fuzz_dicom_structure.py: files of odd structure give the right SUV or a named refusal."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def fuzz():
    sys.path.append(str(BENCHMARKS))
    try:
        import fuzz_dicom_structure

        yield fuzz_dicom_structure
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_every_style_and_encoding_unchanged_is_right(fuzz, tmp_path: Path) -> None:
    """The truth is computed without pydicom and without this software."""
    seen = set()
    for number in range(44):
        rng = random.Random(number)
        model = fuzz.new_model(rng)
        files = fuzz.frame_file(model) if number % 3 == 0 else fuzz.slice_files(model)
        syntax = (fuzz.EXPLICIT, fuzz.IMPLICIT, fuzz.BIG, fuzz.DEFLATED)[number % 4]
        folder = tmp_path / str(number)
        folder.mkdir()
        for k, elements in enumerate(files):
            (folder / f"{k}.dcm").write_bytes(fuzz.encode(elements, syntax))
        assert fuzz.judge(fuzz.Case(model, files, syntax), folder) == ("right", "")
        seen.add(model.style)
    assert len(seen) >= 10


def test_changed_structure(fuzz) -> None:
    outcomes, wrong = fuzz.run(120, seed=7)
    assert wrong == []
    assert outcomes["refused"] > 35
    assert outcomes["right"] > 35


def test_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "fuzz_dicom_structure.py", "--cases", "5"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.startswith("5 series (seed 1)")
