"""A part of benchmarks/fuzz_dicom.py: changed headers give the right SUV or a named refusal."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def fuzz():
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_dicom.py"
    spec = importlib.util.spec_from_file_location("fuzz_dicom", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_unchanged_series_of_every_style_is_right(fuzz, tmp_path: Path) -> None:
    for style, truth in fuzz.truths(tmp_path).items():
        assert fuzz.judge(tmp_path / style, truth)[0] == "same"


def test_changed_headers(fuzz) -> None:
    outcomes, wrong, _ = fuzz.run(150, seed=20)
    assert wrong == []
    assert outcomes["refused"] > 30
    assert outcomes["same"] > 30
