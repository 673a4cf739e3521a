"""`tmtv evaluate` on the cohort of `small_cohort`, in this process, and what it wrote."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from petct.console import run_app
from tmtv_tf.cli import app

TEST_CASES = [f"case{i:02d}" for i in range(6, 11)]


def evaluate(root: Path, *more: str) -> int:
    arguments = [str(root / "results"), "--cases", str(root / "cases"), "--out", str(root / "report"), *more]
    with pytest.raises(SystemExit) as left:
        run_app(app, ["evaluate", *arguments])
    return int(left.value.code or 0)


def summary(root: Path) -> dict:
    return json.loads((root / "report" / "evaluation.json").read_text())


def rows(root: Path, name: str) -> list[dict[str, str]]:
    with (root / "report" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]*"', "", page.read_text()))
