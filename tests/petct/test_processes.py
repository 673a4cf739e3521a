"""Worker processes that die, and whose parent dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from petct.parallel import run_cases


def fall(name: str, log: str) -> str:
    """Append the name to a log; two names take their process with them, one is told to leave, one needs no memory."""
    with open(log, "a") as file:
        file.write(name + "\n")
    if name == "abort":
        os.abort()
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "leaves":
        raise SystemExit(3)
    if name == "memory":
        raise MemoryError
    return name


@pytest.mark.parametrize("workers", [1, 3])
def test_a_process_that_dies_takes_its_case_only(workers: int, tmp_path: Path) -> None:
    names = ["a", "abort", "b", "killed", "c", "leaves", "d", "memory", "e", "f"]
    log = tmp_path / "log"
    outcomes = run_cases(fall, [(n, (n, str(log))) for n in names], workers=workers)
    assert [o.case_id for o in outcomes] == names
    assert [o.value for o in outcomes if o.error is None] == list("abcdef")
    errors = {o.case_id: o.error or "" for o in outcomes}
    assert "SIGABRT" in errors["abort"]
    assert "SIGKILL" in errors["killed"]
    assert "memory" in errors["killed"]
    assert "SystemExit" in errors["leaves"]
    assert "memory" in errors["memory"]
    assert "fault" not in errors["memory"]
    tries = log.read_text().split()
    assert all(tries.count(n) == 1 for n in "abcdef")
    # beside others a lost case is tried once more, alone: the others may have taken its memory
    assert tries.count("abort") == tries.count("killed") == (1 if workers == 1 else 2)


def unpicklable(number: int) -> object:
    return (lambda: number) if number else number


def test_a_result_that_cannot_be_sent_fails_its_case_only() -> None:
    outcomes = run_cases(unpicklable, [("a", (0,)), ("b", (1,)), ("c", (0,))], workers=2)
    assert [o.error is None for o in outcomes] == [True, False, True]
    assert [o.case_id for o in outcomes] == ["a", "b", "c"]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from test_parallel import write_pid_and_wait; from petct.parallel import run_cases\n"
        "if __name__ == '__main__':\n"
        "    run_cases(write_pid_and_wait, [(n, (sys.argv[1], n)) for n in 'ab'], workers=2)\n"
    )
    (tmp_path / "pids").mkdir()
    script = tmp_path / "main.py"
    script.write_text(code)
    found = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path / "pids"], env={**os.environ, "PYTHONPATH": found}
    )
    deadline = time.monotonic() + 60
    while (
        sum(path.stat().st_size > 0 for path in (tmp_path / "pids").iterdir()) < 2
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    pids = [int(path.read_text()) for path in (tmp_path / "pids").iterdir()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, pids))
