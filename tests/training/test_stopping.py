"""Asked to stop before there is anything to save."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import os, sys
from training.stopping import TrainingStopped, stop_at_once_when_asked
stop_at_once_when_asked()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
except TrainingStopped as stopped:
    print(stopped, stopped.exit_status, "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_and_says_so(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(int(number))], capture_output=True, text=True, check=True
    )
    said = f"Stopped by {number.name} before a training step; the same command goes on from there. 75 False"
    assert done.stdout.strip() == said
