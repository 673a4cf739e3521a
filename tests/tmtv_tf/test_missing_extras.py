"""Commands whose packages come with an extra name it where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules.update({name: None for name in %r}); from tmtv_tf.cli import main; main()"


@pytest.mark.parametrize(
    ("command", "packages", "extra"),
    [
        (["review", "."], ["starlette"], "review"),
        (["review", "."], ["uvicorn"], "review"),
        (["serve", "--out", "out"], ["pynetdicom"], "pacs"),
        (
            ["pull", "--from-pacs", "dicom://A@localhost:1", "--patient", "1", "--out", "out"],
            ["pynetdicom"],
            "pacs",
        ),
        (
            ["pull", "--from-pacs", "http://localhost:1/x", "--patient", "1", "--out", "out"],
            ["requests"],
            "pacs",
        ),
    ],
)
def test_a_missing_extra_is_named(
    command: list[str], packages: list[str], extra: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT % packages, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert f"({packages[0]}" in done.stderr  # or a module of it
    assert f"): pip install '.[{extra}]'" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "out").exists()
