"""Training hours in run.json, for the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from petct.errors import CaseError
from petct.files import read_json, write_json
from tmtv_tf.evaluation.training_hours import read_hours, record_hours


def test_hours_are_kept_beside_what_the_run_says(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"config": {"seed": 4}})
    record_hours(tmp_path, 5400)
    assert read_hours(tmp_path) == 1.5
    assert read_json(tmp_path / "run.json")["config"] == {"seed": 4}


def test_a_run_without_hours_is_no_zero(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no such file; expected the folder that training wrote"):
        read_hours(tmp_path)
    write_json(tmp_path / "run.json", {"config": {}})
    with pytest.raises(CaseError, match="does not say how long"):
        read_hours(tmp_path)
    record_hours(tmp_path / "elsewhere", 1)  # a training without run.json, as a benchmark's
    assert not (tmp_path / "elsewhere").exists()
