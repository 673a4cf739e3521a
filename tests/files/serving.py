"""A real `tmtv serve` in a process of its own, and dcmtk's tools as the other side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

START_S = 60.0  # other tests may load the computer
# pip's pynetdicom brings tools of the same names, so dcmtk's are taken by path.
DCMTK = Path("/usr/bin")


def require_dcmtk() -> None:
    if not (DCMTK / "storescu").is_file():
        pytest.skip("dcmtk is not installed (make test-tools)")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def storescu(port: int, *paths: Path, called: str = "TMTV", calling: str = "STORESCU", more: tuple = ()):
    """Send files or folders with dcmtk; the finished process."""
    command = [
        DCMTK / "storescu",
        "-v",
        "-aet",
        calling,
        "-aec",
        called,
        *more,
        "+sd",
        "+r",
        "127.0.0.1",
        port,
        *paths,
    ]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)


def wait_until(true: Callable[[], object], seconds: float = START_S, what: str = "") -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise TimeoutError(what or "it did not come about")


@dataclass
class Serving:
    """A running `tmtv serve`; it may be killed and started again on the same folder and port."""

    out: Path
    arguments: tuple[Any, ...] = ()
    port: int = field(default_factory=free_port)
    page_port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def start(self, wait: bool = True) -> Serving:
        command = [sys.executable, "-m", "tmtv_tf.cli", "serve", "--out", self.out, "--port", self.port,
                   "--status-port", self.page_port, "--quiet-s", "0.5", "--patience-s", "3",
                   "--key-file", self.out.parent / "key", "--min-free-gb", "0.1", *self.arguments]  # fmt: skip
        self.out.mkdir(parents=True, exist_ok=True)
        with open(self.out.parent / "serve.log", "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)), stdout=log, stderr=log, start_new_session=True, env=os.environ
            )
        if wait:
            wait_until(self.is_up, what=self.log())
        return self

    def is_up(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"tmtv serve ended with {self.process.returncode}: {self.log()}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def log(self) -> str:
        return (self.out.parent / "serve.log").read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page_port}/status.json", timeout=30) as answer:
            return json.load(answer)

    def studies(self) -> list[dict[str, Any]]:
        return self.status()["studies"]

    def wait_for(self, **counts: int) -> None:
        """Until that many studies are in these states."""
        wait_until(
            lambda: all(self.status()["counts"][state] == count for state, count in counts.items()),
            120.0,
            what=f"{counts} wanted",
        )

    def audit(self) -> list[dict[str, Any]]:
        from tmtv_tf.pacs.audit import events

        return events(self.out / "serve" / "audit.jsonl")

    def kill(self) -> None:
        """SIGKILL, its workers too, as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(START_S)


def threshold_openvino(folder: Path) -> Path:
    """A model file that runs without TensorFlow, for studies of `study_files`; made once in this folder."""
    from filelock import FileLock
    from threshold_model import write_threshold_model

    path = folder / "threshold.openvino"
    with FileLock(folder / "model.lock"):
        if not path.is_file():
            from tmtv_tf.inference.openvino_file import convert

            convert(write_threshold_model(folder / "threshold.keras"), path)
    return path


def copy_tree(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))
