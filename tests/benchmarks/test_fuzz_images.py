"""A part of benchmarks/fuzz_images.py: changed image files give the right voxels in the right place, or are refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def fuzz():
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_images.py"
    spec = importlib.util.spec_from_file_location("fuzz_images", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_other_programs_agree_on_the_unchanged_files(fuzz, tmp_path: Path) -> None:
    """And the judge is no rubber stamp: a shifted, a mirrored and a changed truth are each told apart."""
    for name, truth in fuzz.write_bases(tmp_path / "base").items():
        path = tmp_path / "base" / name
        assert fuzz.judge(path, truth, False)[0] == "same"
        other = truth.with_array(truth.array + 1)
        assert fuzz.judge(path, other, False)[0] == "legal"  # what the others find, too
        assert fuzz.judge(path, other, True)[0] == "WRONG"


def test_the_judge_sees_a_reader_that_errs(fuzz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = fuzz.write_bases(tmp_path / "base")["a.nii"]
    flipped = truth.with_array(truth.array[:, ::-1])
    for wrong in (flipped, truth.with_array(truth.array * 2)):
        monkeypatch.setattr(fuzz, "read", lambda path, wrong=wrong: wrong)
        assert fuzz.judge(tmp_path / "base" / "a.nii", truth, False)[0] == "WRONG"


def test_changed_files(fuzz) -> None:
    outcomes, wrong, _ = fuzz.run(400, seed=20)
    assert wrong == []
    assert outcomes["refused"] > 150
    assert outcomes["same"] > 60
