"""Ctrl-C in every command on cases: within two seconds, exit status 130, and the same command goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cohort_files import write_study
from threshold_model import write_threshold_model

BIN = Path(sys.executable).parent
CASES = 12
# What a command writes when a case is done.
DONE = {
    "prepare": "*/case.json",
    "predict": "*/probability.nii.gz",
    "postprocess": "*/tmtv.json",
    "evaluate": "mips/*",
    "run": "*/source.json",
    "phantom": "truth/*/phantom.json",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = str(tmp_path_factory.mktemp("home"))
    found = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "PYTHONPATH": found}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """A model, DICOM of a few patients, and what the commands make of it: `cases`, `results`."""
    folder = tmp_path_factory.mktemp("cohort")
    from tmtv_tf.inference.openvino_file import convert

    convert(write_threshold_model(folder / "model.keras", shape=(16, 16, 16)), folder / "model.openvino")
    for i in range(CASES):
        write_study(folder / "dicom" / f"p{i}", f"P{i}", f"S{i}")
    for name, out in (("prepare", "cases"), ("postprocess", "results")):
        subprocess.run([*command(name, folder, folder / out), "--workers", "2"], check=True, env=environment)
    return folder


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[str]:
    """A Dask scheduler and a worker, each a process."""
    pytest.importorskip("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port, quiet = address.rsplit(":", 1)[1], {"stderr": subprocess.DEVNULL, "env": environment}
    here, dask = tmp_path_factory.mktemp("dask"), [sys.executable, "-m", "distributed.cli"]
    lines = [
        [f"{dask[2]}.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        [f"{dask[2]}.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "100"],
    ]
    processes = [subprocess.Popen([*dask[:2], *line], cwd=here, **quiet) for line in lines]
    yield address
    for process in processes[::-1]:
        process.terminate()
        process.wait(30)


def command(name: str, folder: Path, out: Path) -> list[str]:
    dicom, cases, model = folder / "dicom", folder / "cases", folder / "model.openvino"
    line = {
        "prepare": ["tmtv", "prepare", dicom, "--out", out, "--no-model-grid"],
        "predict": ["tmtv", "predict", cases, "--model", folder / "model.keras", "--out", out],
        "postprocess": ["tmtv-postprocess", "--mask", cases, "--suv", cases, "--out", out],
        "evaluate": ["tmtv", "evaluate", folder / "results", "--cases", cases, "--out", out],
        "run": ["tmtv", "run", dicom, "--model", model, "--out", out],
        "phantom": ["tmtv", "phantom", out, "--cases", 4, "--voxel-mm", 10],
    }[name]
    return [str(BIN / line[0]), *map(str, line[1:])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name in DONE
        for how in ("workers", "scheduler")
        if (name, how) != ("phantom", "scheduler")
    ],
)
def test_ctrl_c_ends_a_command_and_it_goes_on(
    name: str,
    how: str,
    folder: Path,
    environment: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    out = tmp_path / "out"
    where = ["--workers", "2"] if how == "workers" else ["--scheduler", request.getfixturevalue("scheduler")]
    line = [*command(name, folder, out), *where]
    run = subprocess.Popen(
        line,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # the shell of a background job ignores it
    )
    while not list(out.glob(DONE[name])) and run.poll() is None:
        time.sleep(0.01)
    allowed_s = 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # a busy machine needs longer
    assert run.poll() is None, run.communicate()[1]
    start = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert time.monotonic() - start < allowed_s
    assert run.returncode == 130, said
    assert "The same command goes on" in said
    assert "Traceback" not in said
    first = {path: path.read_bytes() for path in out.glob(DONE[name])}
    assert 0 < len(first) < (4 if name == "phantom" else CASES)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob(DONE[name]))) >= (4 if name == "phantom" else CASES)
    assert {path: path.read_bytes() for path in first} == first
