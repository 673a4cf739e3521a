"""A part of benchmarks/fuzz_json.py: spoiled JSON files are refused or read, and nothing is written elsewhere."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.fuzz_json", reason="the tests run from the repository's root")
from benchmarks import fuzz_json


def test_spoiled_files_of_a_case(tmp_path: Path) -> None:
    outcomes, faults = fuzz_json.run(20, seed=7, folder=tmp_path)
    assert faults == []
    assert outcomes.total() > 30  # two to five readers a file


def test_variants_are_of_every_kind() -> None:
    rng = random.Random(0)
    kinds = Counter(fuzz_json.spoil('{"case_id": "a", "x": [1, "b"]}', rng)[1].split()[0] for _ in range(300))
    assert set(kinds) == {"bytes", "cut", "flip", "value", "path", "gone", "key"}


def test_a_reader_that_falls_over_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over() -> None:
        raise KeyError("case_id")

    monkeypatch.setattr(fuzz_json, "readers", lambda root: dict.fromkeys(fuzz_json.FILES, [fall_over]))
    outcomes, faults = fuzz_json.run(3, seed=1, folder=tmp_path)
    assert outcomes == {"traceback": 3}
    assert "KeyError" in faults[0]
