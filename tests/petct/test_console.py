"""What the command lines share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNFORESEEN = """
import typer
from petct.console import run_app
app = typer.Typer()
@app.command()
def main():
    raise LookupError("nobody foresaw this")
run_app(app)
"""


def test_what_nobody_foresaw_is_one_sentence(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", UNFORESEEN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Error: unexpected LookupError: nobody foresaw this" in done.stderr
    assert "report" in done.stderr
    assert "Traceback" not in done.stderr
    (log,) = tmp_path.glob("tmtv-*.log")
    assert "Traceback" in log.read_text()
    assert str(log) in done.stderr
    assert log.stat().st_mode & 0o077 == 0
    environment["TMTV_DEBUG"] = "1"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
