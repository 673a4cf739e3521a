"""What becomes of worker processes and of cases that fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from petct.errors import ImageError, ParameterError
from petct.parallel import exit_status, run_cases


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


def test_no_workers_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 1"):
        run_cases(halve, [], workers=0)


def write_pid_and_wait(folder: str, name: str) -> None:
    Path(folder, name).write_text(str(os.getpid()))
    time.sleep(60)


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
