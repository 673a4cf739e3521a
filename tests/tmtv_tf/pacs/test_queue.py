"""The queue: steps that are whole or not at all, and that another process sees."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from petct.errors import TmtvError
from tmtv_tf.pacs.queue import Queue


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.arrive("c1", "1.2.3", "p", "CT@127.0.0.1")
    return queue


def state(queue: Queue, case_id: str = "c1") -> str:
    row = queue.study(case_id)
    return row.state if row else "gone"


def test_a_study_goes_its_way_once(queue: Queue) -> None:
    for before, after in [("receiving", "waiting"), ("waiting", "running"), ("running", "done")]:
        assert queue.move("c1", before, after)
        assert not queue.move("c1", before, after)  # a second worker comes too late
    assert queue.counts()["done"] == 1


def test_a_study_that_arrives_twice_is_one(queue: Queue) -> None:
    queue.move("c1", "receiving", "waiting")
    queue.arrive("c1", "1.2.3", "p", "CT@127.0.0.1")
    assert [row.state for row in queue.studies()] == ["waiting"]


def test_a_new_image_takes_a_study_back(queue: Queue) -> None:
    for before, after in [("receiving", "waiting"), ("waiting", "running")]:
        queue.move("c1", before, after)
    queue.begin_series("c1", "1.2.3.1", "a")
    assert state(queue) == "receiving"
    assert not queue.move("c1", "running", "done", ran=True)  # of fewer images: not its result
    assert queue.open_series("c1") == {"1.2.3.1": {"a"}}


def test_only_a_refused_study_may_change(queue: Queue) -> None:
    queue.begin_series("c1", "s", "a")
    assert not queue.studies()[0].may_change
    queue.move("c1", "receiving", "refused", reason="no weight")
    queue.begin_series("c1", "s", "a")
    row = queue.studies()[0]
    assert (row.may_change, row.reason, row.settled_s) == (1, "", None)


def test_a_release_makes_whole_what_dead_associations_cut(queue: Queue) -> None:
    for association in ("dead", "alive", "mine"):
        queue.begin_series("c1", "s", association)
    queue.begin_series("c1", "other", "dead")
    queue.release("c1", ["s"], "mine", alive=["alive", "mine"])
    assert queue.open_series("c1") == {"s": {"alive"}, "other": {"dead"}}


def test_failed_tries_are_counted_until_a_step_succeeds(queue: Queue) -> None:
    for before, after in [("receiving", "waiting"), ("waiting", "running")]:
        queue.move("c1", before, after)
    assert queue.failed("c1", "running", "died") == 1
    queue.move("c1", "running", "waiting", reason="died")
    queue.move("c1", "waiting", "running", ran=True)
    assert queue.failed("c1", "running", "died") == 2
    queue.move("c1", "running", "done")
    assert (queue.studies()[0].attempts, queue.studies()[0].runs) == (0, 1)


def test_ages_are_counted_in_seconds_of_service(queue: Queue) -> None:
    queue.add_service(100.0)
    queue.move("c1", "receiving", "refused", reason="x")
    queue.add_service(50.0)
    assert (queue.studies()[0].settled_s, queue.service_s()) == (100.0, 150.0)


def test_a_person_may_ask_again_and_forget(queue: Queue) -> None:
    assert not queue.again("c1")  # it is still arriving
    assert not queue.forget("c1", "done", "refused")
    queue.move("c1", "receiving", "refused", reason="x")
    assert queue.again("c1")
    assert state(queue) == "waiting"
    queue.move("c1", "waiting", "done")
    assert queue.forget("c1", "done", "refused")
    assert state(queue) == "gone"


def test_two_patients_under_one_uid_are_told_apart(queue: Queue) -> None:
    assert queue.other_patient("1.2.3", "p") is None
    found = queue.other_patient("1.2.3", "q")
    assert found is not None
    assert found.case_id == "c1"


def test_what_another_process_committed_is_there_after_its_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    code = (
        "import os, signal, sys; from pathlib import Path; from tmtv_tf.pacs.queue import Queue\n"
        "q = Queue(Path(sys.argv[1])); q.arrive('c1', '1.2', 'p', ''); q._db.execute('BEGIN IMMEDIATE')\n"
        "q._db.execute(\"UPDATE studies SET state = 'done'\"); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert state(Queue(path)) == "receiving"


def test_what_is_no_queue_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TmtvError, match="no such queue"):
        Queue(tmp_path / "none.sqlite", make=False)
    (tmp_path / "text.sqlite").write_text("nothing of the kind, and long enough to be read as a header" * 20)
    with pytest.raises(TmtvError, match="queue cannot be used"):
        Queue(tmp_path / "text.sqlite")
    later = sqlite3.connect(tmp_path / "later.sqlite")
    later.execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(TmtvError, match="version 99"):
        Queue(tmp_path / "later.sqlite")
