"""The audit log: whole lines, no names, several writers, a torn last line."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path

import pytest

from petct.errors import ParameterError, TmtvError
from tmtv_tf.pacs.audit import events, record


def test_an_event_is_one_line_that_only_its_owner_reads(tmp_path: Path) -> None:
    log = tmp_path / "state" / "audit.jsonl"
    record(log, "received", study_uid="1.2.3", peer="CT 01@127.0.0.1", count=700, case_id=None)
    (line,) = log.read_text().splitlines()
    said = json.loads(line)
    assert (said["event"], said["study_uid"], said["count"]) == ("received", "1.2.3", 700)
    assert "case_id" not in said
    assert said["user"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient", "DOE^JANE"),
        ("patient", "4711"),
        ("study_uid", "Doe"),
        ("study_uid", "1.2\n"),
        ("count", "Doe"),
        ("state", "Jane Doe"),
        ("peer", "CT\n{}"),
    ],
)
def test_what_could_be_a_name_is_refused_and_not_shown(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ParameterError) as error:
        record(tmp_path / "audit.jsonl", "sent", **{field: value})
    assert value not in str(error.value)
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_field_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no field 'patient_name'"):
        record(tmp_path / "audit.jsonl", "sent", patient_name="x")


def test_a_torn_line_costs_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    record(log, "sent", count=1)
    with open(log, "ab") as file:
        file.write(b'{"time": "2026-11-')  # the power went
    record(log, "sent", count=2)
    assert [event["count"] for event in events(log)] == [1, 2]


def _write_many(log: Path, who: int) -> None:
    for count in range(50):
        record(log, "sent", count=count, attempt=who)


def test_several_processes_write_whole_lines_in_order(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(log, who)) for who in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = events(log)
    assert len(found) == len(log.read_text().splitlines()) == 150
    for who in range(3):
        assert [event["count"] for event in found if event["attempt"] == who] == list(range(50))


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(TmtvError, match="audit log cannot be written"):
        record(tmp_path / "audit.jsonl", "sent")
