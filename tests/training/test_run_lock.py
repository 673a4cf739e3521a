"""Who holds the lock of a run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from petct.errors import TmtvError
from petct.files import locked
from training.run_lock import one_training

CHIEF = {"chief": ["a:1"], "worker": ["b:2"]}
TWO = {"cluster": {"worker": ["a:1", "b:2"]}}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


def test_a_second_training_waits_for_nobody(tmp_path: Path) -> None:
    with one_training(tmp_path), pytest.raises(TmtvError), one_training(tmp_path):
        pass
    with one_training(tmp_path):  # the first one has ended
        pass


@pytest.mark.parametrize(
    ("name", "value", "writes"),
    [
        ("SLURM_PROCID", "0", True),
        ("SLURM_PROCID", "1", False),
        ("TF_CONFIG", json.dumps({**TWO, "task": {"type": "worker", "index": 0}}), True),
        ("TF_CONFIG", json.dumps({**TWO, "task": {"type": "worker", "index": 1}}), False),
        (
            "TF_CONFIG",
            json.dumps({"cluster": {"chief": [], "worker": []}, "task": {"type": "worker", "index": 0}}),
            False,
        ),
        ("TF_CONFIG", "{", True),
    ],
)
def test_only_the_first_worker_locks(
    name: str, value: str, writes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    leftover = tmp_path / ".0123abcd.run.json"
    leftover.touch()
    with one_training(tmp_path):
        assert leftover.exists() != writes
        if writes:
            with pytest.raises(TmtvError), locked(tmp_path):
                pass
        else:
            with locked(tmp_path):
                pass
