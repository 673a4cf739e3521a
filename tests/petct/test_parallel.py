"""What becomes of worker processes and of cases that fail."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from petct.errors import ImageError, ParameterError, TmtvError
from petct.parallel import exit_status, progress, run_cases, say_stage

FOUND = (Path(__file__).parent, Path(__file__).parents[2])
# Two seconds, and what a busy test machine may add.
ALLOWED_S = 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def halve(number: int) -> int:
    if number == 0:
        raise ImageError("zero is refused.")
    if number % 2:
        raise KeyError("odd")
    return number // 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_case_does_not_stop_the_rest(workers: int) -> None:
    cases = [(f"c{n}", (n,)) for n in (4, 0, 3, 2)]
    outcomes = run_cases(halve, cases, workers=workers)
    assert [outcome.value for outcome in outcomes] == [2, None, None, 1]
    assert outcomes[1].error == "zero is refused."
    assert "unexpected KeyError" in str(outcomes[2].error)
    assert exit_status(outcomes) == 1
    assert exit_status(outcomes[1:3]) == 2
    assert exit_status(outcomes[:1]) == 0


def test_what_nobody_foresaw_keeps_its_traceback() -> None:
    (outcome,) = run_cases(halve, [("c", (3,))])
    assert "KeyError" in outcome.traceback
    assert not run_cases(halve, [("c", (0,))])[0].traceback


def test_no_workers_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 1"):
        run_cases(halve, [], workers=0)


def write_pid_and_wait(folder: str, name: str) -> None:
    Path(folder, name).write_text(str(os.getpid()))
    time.sleep(60)


INTERRUPTED = """
import sys, time
from pathlib import Path
import typer
from petct.console import run_app
from petct.parallel import run_cases

def slowly(folder, name):
    Path(folder, name).touch()
    end = time.monotonic() + (0 if name == "c0" else 120)
    while time.monotonic() < end:
        sum(range(10000))

app = typer.Typer()

@app.command()
def main(folder: str, workers: int, cases: int):
    names = [f"c{n}" for n in range(cases)] if cases > 1 else ["alone"]
    run_cases(slowly, [(name, (folder, name)) for name in names], workers=workers)

if __name__ == "__main__":
    run_app(app)
"""


@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "one process"])
@pytest.mark.parametrize(("workers", "cases"), [(1, 1), (1, 10), (2, 10)])
def test_ctrl_c_ends_within_two_seconds(to_group: bool, workers: int, cases: int, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(INTERRUPTED)
    begun = tmp_path / "begun"
    begun.mkdir()
    run = subprocess.Popen(
        [sys.executable, script, begun, str(workers), str(cases)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    expected = 1 if cases == 1 else 1 + workers
    deadline = time.monotonic() + 120
    while len(list(begun.iterdir())) < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    start = time.monotonic()
    (os.killpg if to_group else os.kill)(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert time.monotonic() - start < ALLOWED_S
    assert f"{1 if cases > 1 else 0} of {cases} cases are done" in said
    assert "The same command goes on" in said
    assert "Traceback" not in said
    assert run.returncode == 130
    assert len(list(begun.iterdir())) == expected, "a case that waited was begun"


class TestDask:
    """A real scheduler and a real worker, each a process."""

    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen]]:
        pytest.importorskip("distributed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
        process = subprocess.Popen(
            [*dask, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, FOUND))},  # it reads what is computed
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}", process
        process.kill()
        process.wait()

    def test_no_worker_is_one_sentence(self, scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
        from petct import cluster

        monkeypatch.setattr(cluster, "PATIENCE_S", 2.0)
        start = time.monotonic()
        with pytest.raises(TmtvError, match=r"no worker.*2 of 2 cases"):
            run_cases(halve, [("a", (4,)), ("b", (2,))], scheduler=scheduler[0])
        assert time.monotonic() - start < 30

    def test_a_scheduler_that_dies_is_one_sentence(self, scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
        from petct import cluster

        address, process = scheduler
        monkeypatch.setattr(cluster, "PATIENCE_S", 4.0)
        threading.Timer(2.0, process.kill).start()
        start = time.monotonic()
        with pytest.raises(TmtvError, match="Dask scheduler"):
            run_cases(halve, [("a", (4,)), ("b", (2,))], scheduler=address)
        assert time.monotonic() - start < 40

    def test_no_scheduler_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("distributed")
        from petct import cluster

        monkeypatch.setattr(cluster, "ANSWER_S", 1.0)
        with pytest.raises(ParameterError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
            run_cases(halve, [("a", (4,))], scheduler="tcp://127.0.0.1:9")


def says_its_stage(case_id: str) -> str:
    say_stage(f"reading {case_id}")
    return case_id


def test_a_stage_in_a_worker_process_stands_beside_the_bar_of_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("petct.parallel._BARS", [seen.append])
    outcomes = run_cases(says_its_stage, [("a", ("a",)), ("b", ("b",)), ("c", ("c",))], workers=2)
    assert [outcome.value for outcome in outcomes] == ["a", "b", "c"]
    assert sorted(seen) == ["reading a", "reading b", "reading c"]


def test_a_stage_stands_beside_the_bar_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    say_stage("before")
    with progress("Studies", 1) as advance:
        say_stage("reading DICOM")
        advance(1)
    say_stage("after")
    said = terminal.getvalue()
    assert "Studies: reading DICOM" in said
    assert "before" not in said
    assert "after" not in said
