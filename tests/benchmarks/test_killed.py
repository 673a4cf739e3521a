"""The small version of benchmarks/killed.py: six kills, and nothing is lost or half-made."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.killed import run


@pytest.mark.slow
def test_killed_six_times_nothing_is_lost(tmp_path: Path) -> None:
    assert run(tmp_path, 6, 0, ["prepare", "postprocess"]) == 0
