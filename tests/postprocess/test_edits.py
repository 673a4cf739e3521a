"""A reader's changes: none is undone in silence, no number changes its meaning, a replay gives the same bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edit_files import contents, edit, table

from petct.errors import TmtvError
from postprocess.case import Job, run_case
from postprocess.cohort import write_table
from postprocess.edits import read_log


def table_of(job: Job) -> dict[str, dict[str, str]]:
    assert write_table(job.folder.parent) == []
    return table(job)


# The log and its two results


# When the automatic result changes


def test_edits_of_a_version_before_the_log_are_named(job: Job) -> None:
    run_case(job)
    path = job.folder / "tmtv.json"
    old = json.loads(path.read_text())
    old["parameters"] |= {"exclude": ["41:2"], "include_seed_mm": [[1.0, 2.0, 3.0]]}
    path.write_text(json.dumps(old))
    told = " ".join(run_case(job)["warnings"])
    assert "give them again: --exclude 41:2 --include-seed 1.0,2.0,3.0" in told


# Voxels


# edits.json of a stranger

WHO = {"by": "anna", "time": "2026-01-02T03:04:05Z"}
GOOD = {
    "version": 1,
    "edits": [
        {
            "kind": "exclude_lesion",
            "method": "41",
            "label": 3,
            "hottest_mm": [1, 2.5, -3e2],
            "suv_max": 8,
            "volume_ml": 1.5,
            **WHO,
        },
        {
            "kind": "exclude_mask",
            "sha256": "0" * 64,
            "source": "b.nii",
            "hottest_mm": None,
            "suv_max": None,
            **WHO,
        },
        {"kind": "clear", **WHO},
        {
            "kind": "include_seed",
            "asked_mm": [0, 0, 0],
            "point_mm": [0, 0, 1],
            "limit_mm": 30,
            "suv": 2.0,
            **WHO,
        },
    ],
}


def refused(folder: Path, text: str | bytes) -> str:
    (folder / "edits.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TmtvError) as told:
        read_log(folder)
    said = str(told.value)
    assert said.startswith(f"{folder / 'edits.json'}: ")
    assert said.isprintable()
    assert len(said) < 500
    return said


def test_a_good_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "edits.json").write_text(json.dumps(GOOD))
    log = read_log(tmp_path)
    assert [entry.kind for entry in log.entries] == [entry["kind"] for entry in GOOD["edits"]]
    assert [entry.kind for entry in log.in_force] == ["include_seed"]
    assert read_log(tmp_path / "nowhere").entries == ()


BROKEN: dict[str, Callable[[dict], Any]] = {
    "unknown key": lambda log: log["edits"][0].update(extra=1),
    "unknown key on top": lambda log: log.update(edit=[]),
    "unknown kind": lambda log: log["edits"][0].update(kind="paint"),
    "later version": lambda log: log.update(version=2),
    "version as text": lambda log: log.update(version="1"),
    "label 0": lambda log: log["edits"][0].update(label=0),
    "label 65536": lambda log: log["edits"][0].update(label=65536),
    "label 3.5": lambda log: log["edits"][0].update(label=3.5),
    "label true": lambda log: log["edits"][0].update(label=True),
    "NaN": lambda log: log["edits"][0].update(suv_max=float("nan")),
    "infinite": lambda log: log["edits"][0].update(hottest_mm=[float("inf"), 0, 0]),
    "two coordinates": lambda log: log["edits"][0].update(hottest_mm=[0, 0]),
    "far away": lambda log: log["edits"][0].update(hottest_mm=[1e9, 0, 0]),
    "no volume": lambda log: log["edits"][0].update(volume_ml=0),
    "path for a mask": lambda log: log["edits"][1].update(sha256="../../etc/passwd"),
    "line break after the sum": lambda log: log["edits"][1].update(sha256="0" * 64 + "\n"),
    "no reader": lambda log: log["edits"][0].pop("by"),
    "local time": lambda log: log["edits"][0].update(time="2026-01-02 03:04"),
    "negative limit": lambda log: log["edits"][3].update(limit_mm=-1),
    "no list": lambda log: log.update(edits={}),
    "too many": lambda log: log.update(edits=[log["edits"][2]] * 10_001),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_log_that_is_wrong_is_one_sentence(tmp_path: Path, name: str) -> None:
    log = copy.deepcopy(GOOD)
    BROKEN[name](log)
    refused(tmp_path, json.dumps(log))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not a log of edits"),
        (b"\xff\xfe{}", "cannot be read"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"version": 1, "edits": [], "edits": []}', "a key stands twice"),
        (b'{"version": 1, "edits": [1e999]}', "not a log"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not a log"),
        (b'{"version": 1, "edits": []} {}', "Extra data"),
        (b'{"version": 1, "\\u001b[31m\\n": []}', "not a log"),
        (b"null", "not a log"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_log_is_one_sentence(tmp_path: Path, text: bytes, says: str) -> None:
    assert says in refused(tmp_path, text)


def test_two_gigabytes_are_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "edits.json", "wb") as file:
        file.truncate(2 << 30)  # a hole: it costs no disk
    with pytest.raises(TmtvError, match="larger than 16 MiB"):
        read_log(tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "edits.json").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "edits.json").symlink_to(tmp_path / "nowhere")
    for folder in ("a", "b"):
        with pytest.raises(TmtvError, match=r"edits\.json: (not a file|a link)"):
            read_log(tmp_path / folder)


def test_two_thousand_logs_of_a_stranger(tmp_path: Path) -> None:
    """Bytes changed, cut, doubled; values put in place of others: read, or refused in one sentence; never otherwise."""
    rng = random.Random(12)
    values = [
        None,
        True,
        -1,
        0,
        1e308,
        2**70,
        "",
        "x" * 5000,
        "\ud800",
        [],
        {},
        [[]],
        "41",
        "../x",
        float("nan"),
    ]
    text = json.dumps(GOOD)
    read = 0
    for _ in range(2000):
        log, data = copy.deepcopy(GOOD), bytearray(text.encode())
        if rng.random() < 0.5:
            place: Any = log if rng.random() < 0.2 else rng.choice(log["edits"])
            place[rng.choice([*place, "new"])] = rng.choice(values)
            data = bytearray(json.dumps(log).encode())
        else:
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(data))
                data[at : at + rng.randint(0, 3)] = rng.choice(
                    [b"", bytes([rng.randrange(256)]), b"[{", b"}]", b"1e9", b'"', data[at : at + 40]]
                )
        (tmp_path / "edits.json").write_bytes(bytes(data))
        try:
            read_log(tmp_path)
        except TmtvError as told:
            said = str(told)
        else:
            said, read = "", read + 1
        assert said == "" or (said.isprintable() and len(said) < 500)
    assert 0 < read < 1000


def test_a_broken_log_fails_the_case_and_keeps_its_files(job: Job) -> None:
    edit(job, exclude=(("41", 1),))
    (job.folder / "edits.json").write_text('{"version": 1, "edits": [')
    before = contents(job.folder)
    for request in ({}, {"exclude": (("41", 2),)}, {"clear": True}):
        with pytest.raises(TmtvError, match=r"edits\.json: not a log of edits"):
            edit(job, **request)
        assert contents(job.folder) == before


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", '{"methods": {"41": 3}, "inputs": {}}', '{"methods": {}, "inputs": {"model": 4}}'],
)
@pytest.mark.parametrize("name", ["tmtv.json", "review/1/tmtv.json", "review/1/review.json"])
def test_a_broken_result_is_made_anew(job: Job, name: str, text: str) -> None:
    edit(job, exclude=(("41", 1),))
    before = table_of(job)
    (job.folder / name).write_text(text)
    write_table(job.folder.parent)  # nothing is read from it
    assert run_case(job)["edits"] == 1
    assert table_of(job) == before
