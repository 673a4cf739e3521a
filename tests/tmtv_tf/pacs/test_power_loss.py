"""What `tmtv serve` has on disk when it says so: images, the queue, results. Seen at the system's own calls."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from arriving import encoded, images
from dicom_files import write_series
from power import Disk
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from serving import Serving, require_dcmtk, storescu, wait_until
from study_files import write_pet_ct

from petct.files import make_folder, write_text
from tmtv_tf.cases.pseudonym import load_key
from tmtv_tf.pacs import arrived
from tmtv_tf.pacs.archive import StudyFound
from tmtv_tf.pacs.arrived import Job, run_arrived
from tmtv_tf.pacs.incoming import Incoming, Limits
from tmtv_tf.pacs.landing import Landing
from tmtv_tf.pacs.queue import Queue
from tmtv_tf.pipeline.options import RunOptions

CALLS = "fsync,fdatasync,write,sendto"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_an_image_is_on_disk_before_its_sender_is_told_so(disk: Disk, tmp_path: Path) -> None:
    queue = Queue(tmp_path / "serve" / "queue.sqlite")
    incoming = Incoming(tmp_path / "serve" / "received", queue, bytes(range(32)), Limits(min_free_bytes=0))
    incoming.recover()
    assert disk.keeps(incoming.folder)
    for number, ds in enumerate([*images("PT"), *images("CT")], 1):
        answer = incoming.store(
            encoded(ds), ds.SOPClassUID, ds.SOPInstanceUID, ExplicitVRLittleEndian, association="a"
        )
        assert answer.status == 0
        kept = [path for path in incoming.folder.glob("*/*.dcm") if disk.keeps(path)]
        assert len(kept) == number


def test_the_secret_of_the_case_ids_is_kept(disk: Disk, tmp_path: Path) -> None:
    """With another one the same study would get another case id, and be run twice."""
    load_key(tmp_path / "config" / "key")
    assert disk.keeps(tmp_path / "config" / "key")


def test_a_result_is_on_disk_before_the_queue_says_that_it_was_run(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path) -> None:
        for name in ("seg.dcm", "review/1/seg.dcm", "source.json"):
            write_text(folder / name, name)

    monkeypatch.setattr(arrived, "study_of", lambda found, case_id, out, *_: out / case_id)
    monkeypatch.setattr(arrived, "run_study", run)
    source = write_pet_ct(tmp_path / "dicom")
    make_folder(tmp_path / "out", durable=True)
    ended = run_arrived(Job("c1", source, tmp_path / "out", None, RunOptions(), again=False, threads=1))
    assert ended.reason == ""
    assert len(list((tmp_path / "out").rglob("*.*"))) >= 3
    assert [path for path in disk.loses(tmp_path / "out" / "c1") if not path.endswith(".lock")] == []


def test_a_fetched_series_is_on_disk_when_it_appears(disk: Disk, tmp_path: Path) -> None:
    """The next call keeps it without fetching it again."""
    files = sorted(write_series(tmp_path / "dicom").iterdir())
    headers = [dcmread(path) for path in files]
    study = StudyFound(str(headers[0].StudyInstanceUID), "P1", "", "", ())
    uids = [str(ds.SOPInstanceUID) for ds in headers]
    landing = Landing(study, str(headers[0].SeriesInstanceUID), uids, tmp_path / "in", "archive")
    make_folder(tmp_path / "in", durable=True)
    with landing:
        for path in files:
            landing.add(path.read_bytes())
        came = landing.finish()
    assert len(came) == len(files)
    assert all(map(disk.keeps, came))


def require_strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (make test-tools)")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process may be traced here")


def ended_calls(trace: Path) -> list[tuple[str, str]]:
    """(name, what is in its brackets) of each call in the order in which they ended."""
    begun: dict[str, str] = {}
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = begun.pop(thread, "") + resumed[1]
        if call := re.match(r"(\w+)\((.*)\)\s*= \d", rest):
            found.append((call[1], call[2].strip()))
    return found


def test_a_step_of_the_queue_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    """SQLite with a write-ahead log and synchronous=FULL: fdatasync of the log at the end of each transaction."""
    require_strace()
    steps = [("receiving", "waiting"), ("waiting", "running"), ("running", "sending"), ("sending", "done")]
    code = (
        "import os, sys; from pathlib import Path; from tmtv_tf.pacs.queue import Queue\n"
        "q = Queue(Path(sys.argv[1])); q.arrive('c1', '1.2', 'p', ''); os.write(1, b'arrived')\n"
        f"for before, after in {steps}: assert q.move('c1', before, after); os.write(1, after.encode())\n"
    )
    command = [
        "strace",
        "-f",
        "-y",
        "-e",
        f"trace={CALLS}",
        "-o",
        tmp_path / "trace",
        sys.executable,
        "-c",
        code,
    ]
    said = subprocess.run([*command, tmp_path / "queue.sqlite"], check=True, capture_output=True, text=True)
    assert said.stdout == "arrivedwaitingrunningsendingdone"
    synced, after_each = 0, []
    for name, what in ended_calls(tmp_path / "trace"):
        synced += name in ("fsync", "fdatasync") and "queue.sqlite-wal>" in what
        if name == "write" and what.startswith("1<"):
            after_each.append(synced)
            synced = 0
    assert len(after_each) == 1 + len(steps)
    assert all(after_each)


@contextmanager
def traced(serving: Serving, trace: Path) -> Iterator[SimpleNamespace]:
    """The calls of a running service."""
    assert serving.process is not None
    command = [
        "strace",
        "-f",
        "-y",
        "-s",
        "16",
        "-e",
        f"trace={CALLS}",
        "-o",
        trace,
        "-p",
        serving.process.pid,
    ]
    strace = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    assert "attached" in strace.stderr.readline()
    found = SimpleNamespace(calls=[])
    try:
        yield found
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=60)
    found.calls = ended_calls(trace)


@pytest.mark.slow
def test_no_success_goes_out_before_its_image_is_on_disk(tmp_path: Path) -> None:
    require_dcmtk()
    require_strace()
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(tmp_path / "out", ("--quiet-s", "3600", "--patience-s", "3600")).start()
    try:
        with traced(serving, tmp_path / "trace") as found:
            assert storescu(serving.port, study).returncode == 0
        wait_until(lambda: len(list(serving.out.glob("serve/received/*/*.dcm"))) == 32)
    finally:
        serving.kill()
    files, folders, answers = set(), 0, 0
    for name, what in found.calls:
        if name == "fsync":
            path = what.partition("<")[2].rstrip(">")
            folders += "/received/" in path and not path.endswith(".dcm")
            files |= {path} if path.endswith(".dcm") else set()
        elif name == "sendto" and r'"\4\0' in what:  # P-DATA-TF: the answer to one image
            answers += 1
            assert len(files) >= answers
            assert folders >= answers
    assert (answers, len(files)) == (32, 32)
