"""The loop of `tmtv serve` where runs go wrong: studies that kill or hang their process, a full disk, old studies."""

from __future__ import annotations

import errno
import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
import stand_in_runs
from arriving import encoded, images
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from serving import wait_until
from study_files import write_pet_ct

from petct.errors import TmtvError
from tmtv_tf.pacs import arrived, audit, queue, sender, serve
from tmtv_tf.pacs.arrived import Job
from tmtv_tf.pacs.incoming import Limits
from tmtv_tf.pacs.options import ServeOptions
from tmtv_tf.pacs.serve import Service
from tmtv_tf.pipeline.options import RunOptions


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(serve, "TIDY_S", 0.2)


class Running:
    """The service in a thread; studies come without a network."""

    def __init__(self, out: Path, **options) -> None:
        out.mkdir(exist_ok=True)
        self.out = out
        self.service = Service(
            ServeOptions(
                out,
                port=0,
                page_port=None,
                key_file=out.parent / "key",
                limits=Limits(0.05, 0.1, min_free_bytes=0),
                **options,
            )  # fmt: skip
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.service.run, args=(self.stop,))

    def arrive(self, *patients: str) -> list[str]:
        """Case ids of studies that have arrived whole."""
        for patient in patients:
            self.service.incoming.begin(patient)
            for ds in [
                *images("PT", patient=patient, study=patient),
                *images("CT", patient=patient, study=patient),
            ]:
                answer = self.service.incoming.store(
                    encoded(ds),
                    ds.SOPClassUID,
                    ds.SOPInstanceUID,
                    ExplicitVRLittleEndian,
                    association=patient,
                )
                assert answer.status == 0
            self.service.incoming.end(patient, released=True)
        return [row.case_id for row in self.service.queue.studies()]

    def states(self) -> dict[str, str]:
        return {row.case_id: row.state for row in self.service.queue.studies()}

    def close(self) -> None:
        self.stop.set()
        if self.thread.ident is not None:
            self.thread.join()
        self.service.close()


@pytest.fixture
def running(tmp_path: Path, quick: None) -> Iterator[Running]:
    one = Running(tmp_path / "out", run_minutes=0.2)  # a loaded computer starts a process in seconds
    yield one
    one.close()


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (stand_in_runs.die_on_the_first, "Its process died (SIGKILL"),
        (stand_in_runs.hang_on_the_first, "--run-minutes"),
    ],
)
def test_a_study_that_takes_its_process_along_does_not_stop_the_next(
    running: Running, monkeypatch: pytest.MonkeyPatch, run, said: str
) -> None:
    monkeypatch.setattr(serve, "run_arrived", run)
    if run is stand_in_runs.die_on_the_first:
        monkeypatch.setattr(serve, "LOST_TRIES", 2)
    first, second = running.arrive("P1", "P2")
    (running.out / "first").write_text(first)
    object.__setattr__(running.service.options, "run_minutes", 0.2 if "died" in said else 0.1)
    running.thread.start()
    wait_until(
        lambda: running.states() == {first: "refused", second: "done"}, 120, what=str(running.states())
    )
    row = running.service.queue.study(first)
    assert row is not None
    assert said in row.reason


def test_a_full_disk_is_tried_again(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "run_arrived", stand_in_runs.disk_full_twice)
    object.__setattr__(running.service.options, "run_minutes", 5.0)
    (case_id,) = running.arrive("P1")
    running.thread.start()
    wait_until(lambda: running.states() == {case_id: "done"}, 120)
    assert (running.out / "tries").read_text() == "3"


def test_old_studies_are_removed_by_rule_and_come_anew(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "run_arrived", stand_in_runs.disk_full_twice)
    object.__setattr__(running.service.options, "run_minutes", 5.0)
    (running.out / "tries").write_text("2")
    (case_id,) = running.arrive("P1")
    running.thread.start()
    wait_until(lambda: running.states() == {case_id: "done"}, 120)
    object.__setattr__(running.service.options, "keep_days", 0.0)
    wait_until(lambda: running.states() == {}, 60)
    wait_until(lambda: not list((running.out / "serve" / "received").iterdir()), 10)
    object.__setattr__(running.service.options, "keep_days", 7.0)
    assert running.arrive("P1") == [case_id]
    assert len(list((running.out / "serve" / "received").glob("*/*.dcm"))) == 6


def test_a_clock_that_jumps_changes_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a year before or after the last: studies keep their order, nothing is old too early."""

    class Jumping(datetime):
        years = itertools.cycle([2036, 2035, 1999, 2026])

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime(next(cls.years), 1, 1, tzinfo=tz)

    monkeypatch.setattr(time, "time", lambda: Jumping.now(UTC).timestamp())
    for module in (queue, audit):
        monkeypatch.setattr(module, "datetime", Jumping)
    monkeypatch.setattr(serve, "run_arrived", stand_in_runs.die_on_the_first)
    object.__setattr__(running.service.options, "run_minutes", 5.0)
    (running.out / "first").write_text("nobody")
    cases = running.arrive("P1", "P2", "P3")
    running.thread.start()
    wait_until(lambda: set(running.states().values()) == {"done"}, 120)
    so_far = running.service.queue.service_s()
    wait_until(lambda: running.service.queue.service_s() > so_far + 0.5, 60)  # old studies were looked for
    assert running.states() == dict.fromkeys(cases, "done")
    assert [row.runs for row in running.service.queue.studies()] == [1, 1, 1]
    assert len(list((running.out / "serve" / "received").glob("*/*.dcm"))) == 18


def test_a_disk_that_is_full_is_not_the_fault_of_the_study() -> None:
    error = TmtvError("seg.dcm: cannot be written.")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert arrived._is_of_the_computer(error)
    assert not arrived._is_of_the_computer(TmtvError("PatientWeight (0010,1030) is missing."))


def test_a_reason_names_the_case_and_no_path(tmp_path: Path) -> None:
    received = tmp_path / "out" / "serve" / "received" / "c4se"
    received.mkdir(parents=True)
    for path in write_pet_ct(tmp_path / "dicom").glob("*/*"):
        ds = dcmread(path)
        if ds.Modality == "PT":
            ds.DecayCorrection = "\x1b[31mNEVER"  # would colour the terminal of `tmtv serve --status`
        ds.save_as(received / f"{ds.Modality}{path.name}.dcm")
    ended = arrived.run_arrived(Job("c4se", received, tmp_path / "out", None, RunOptions(), False, 1))
    assert ended.reason.startswith("c4se: SUV cannot be computed: DecayCorrection (0054,1102)")
    assert ended.reason.isprintable()


def test_removed_while_its_sender_is_still_connected(running: Running) -> None:
    """A duplicate that comes after the removal is a new image, not one that is there already."""
    (case_id,) = running.arrive("P1")
    incoming, queue = running.service.incoming, running.service.queue
    queue.move(case_id, "receiving", "done")
    incoming._studies.clear()
    (ds, *_) = images("PT", patient="P1", study="P1")
    incoming.begin("late")
    for expected in (6, 1):
        assert incoming.store(
            encoded(ds), ds.SOPClassUID, ds.SOPInstanceUID, ExplicitVRLittleEndian, association="late"
        ).status == 0  # fmt: skip
        assert len(list((running.out / "serve" / "received").glob("*/*.dcm"))) == expected
        queue.forget(case_id, "done")
        incoming.remove(case_id)
