"""Killed at every stage, and a disk that is full: nothing half-written, nothing twice, the same call goes on."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from orthanc import Orthanc, data_set
from study_files import SHAPE, write_pet_ct

from petct.errors import TmtvError
from tmtv_tf.pacs.archive import StudyQuery, open_archive
from tmtv_tf.pacs.credentials import Credentials
from tmtv_tf.pacs.pull import pull
from tmtv_tf.pacs.push import push

KILLS = 20
FORK = multiprocessing.get_context(
    "fork"
)  # everything is loaded, so that a kill meets the work and not the imports


def duration_s(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    process = FORK.Process(target=call)
    process.start()
    process.join()
    assert process.exitcode == 0
    return time.perf_counter() - start


def killed_after(call: Callable[[], object], seconds: float) -> bool:
    """Whether it was killed before it ended by itself."""
    process = FORK.Process(target=call)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_pull_killed_at_every_stage(orthanc: Orthanc, tmp_path: Path, kind: str) -> None:
    source = write_pet_ct(tmp_path / "dicom")
    orthanc.upload(source)
    archive, query = (
        open_archive(getattr(orthanc, kind), credentials=Credentials()),
        StudyQuery(patient_id="P1"),
    )
    whole_s = duration_s(lambda: pull(archive, query, tmp_path / "first"))
    times = random.Random(1)
    for number in range(KILLS):
        out = tmp_path / f"in{number % 4}"  # several kills into the same folder
        killed_after(lambda out=out: pull(archive, query, out), times.uniform(0, whole_s))  # type: ignore[misc]
        for series in out.glob("[0-9]*/[0-9]*"):
            assert len(list(series.iterdir())) == SHAPE[0]
    wanted = sorted(data_set(path.read_bytes()) for path in source.rglob("*") if path.is_file())
    for number in range(4):
        out = tmp_path / f"in{number}"
        (outcome,) = pull(archive, query, out)
        assert outcome.error is None
        assert sorted(data_set(path.read_bytes()) for path in out.rglob("*.dcm")) == wanted
        assert [path for path in out.rglob(".*") if path.name != ".lock"] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_push_killed_at_every_stage(orthanc: Orthanc, result: Path, kind: str) -> None:
    archive = open_archive(getattr(orthanc, kind), credentials=Credentials())
    whole_s = duration_s(lambda: push(result, archive))
    orthanc.clear()
    times, stopped = random.Random(2), 0
    for number in range(KILLS):
        if number % 4 == 0:
            orthanc.clear()
        stopped += killed_after(lambda: push(result, archive), times.uniform(0, whole_s))
    assert stopped > 0
    time.sleep(0.5)  # what was under way reaches the archive
    push(result, archive)
    wanted = sorted(data_set((result / name).read_bytes()) for name in
                    ("seg.dcm", "rtstruct.dcm", "sr.dcm", "report.dcm"))  # fmt: skip
    assert sorted(map(data_set, orthanc.files().values())) == wanted
    assert push(result, archive).sent == ()


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_a_full_disk_leaves_nothing(orthanc: Orthanc, tmp_path: Path, kind: str) -> None:
    orthanc.upload(write_pet_ct(tmp_path / "dicom"))
    archive, query = (
        open_archive(getattr(orthanc, kind), credentials=Credentials()),
        StudyQuery(patient_id="P1"),
    )

    def on_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))  # no file of an image fits
        try:
            (outcome,) = pull(archive, query, tmp_path / "in")
            text = str(outcome.error)
        except TmtvError as error:
            text = str(error)
        raise SystemExit(0 if "cannot be written (File too large)." in text else 1)

    duration_s(on_a_full_disk)
    assert [
        path
        for path in (tmp_path / "in").rglob("*")
        if path.is_file() and path.name not in (".lock", ".unfinished")
    ] == []
    (outcome,) = pull(archive, query, tmp_path / "in")
    assert outcome.error is None
