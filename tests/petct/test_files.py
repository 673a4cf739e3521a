"""What is on disk when a call that promises it returns."""

from __future__ import annotations

import csv
import errno
import io
import math
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from power import Disk

from petct.errors import TmtvError
from petct.files import (
    csv_text,
    locked,
    make_folder,
    remove_leftovers,
    replace_atomically,
    sync_tree,
    write_json,
    write_private_text,
    write_text,
)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_durable_file_is_kept_under_its_name_and_in_new_folders(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "file"
    for text in ("first", "second"):
        write_text(path, text, durable=True)
        assert disk.keeps(path)
    write_private_text(tmp_path / "key", "secret", durable=True)
    write_json(tmp_path / "a.json", {}, durable=True)
    assert disk.loses(tmp_path) == []
    write_text(path, "third")
    assert disk.loses(tmp_path) == [str(path)]


def test_what_a_durable_file_names_is_kept_before_it_appears(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that names a mask which a power loss took cannot be read any more."""
    mask, replace = tmp_path / "masks" / "mask", os.replace
    make_folder(mask.parent, durable=True)
    write_text(mask, "mask")
    assert not disk.keeps(mask)
    kept = []

    def replaced(source: Path, target: Path) -> None:
        kept.append(disk.keeps(mask))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    write_json(tmp_path / "log.json", {}, durable=True, after=(mask, mask.parent))
    assert kept == [True]
    assert disk.loses(tmp_path) == []


def test_a_folder_is_kept_with_all_that_is_in_it(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    for name in ("a", "below/b"):
        write_text(folder / name, name)
    assert len(disk.loses(tmp_path)) == 2
    sync_tree(folder)
    assert disk.loses(tmp_path) == []


def test_a_disk_that_fails_is_one_sentence_and_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "file", "before")

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(TmtvError, match="file: cannot be written"):
        write_text(tmp_path / "file", "after", durable=True)
    assert (tmp_path / "file").read_text() == "before"


def test_a_file_system_that_cannot_sync_folders_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", unknown)
    with replace_atomically(tmp_path / "file", durable=True) as temporary:
        temporary.write_text("x")
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=1", "-1_0", "-inf "]
)
def test_text_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    """OWASP, "CSV injection": a cell must not start with these; a quote in front makes it text."""
    for rows in ([{"case_id": text}], [[text]]):
        (header, row) = csv.reader(io.StringIO(csv_text(["case_id"], rows), newline=""))
        assert (header, row) == (["case_id"], ["'" + text.replace("\r", "\n")])
    assert csv_text([text], []).startswith(("'", "\"'"))


def test_numbers_and_names_stay_as_they_are() -> None:
    row = ["P-1", -21, -21.5, "-21.5", "+1e3", True, np.float32(2.5), np.int64(-3), "a,b"]
    assert csv_text(range(0), [row]) == '\nP-1,-21,-21.5,-21.5,+1e3,True,2.5,-3,"a,b"\n'


def test_numbers_have_six_significant_digits_and_what_is_missing_is_empty() -> None:
    row = {"a": 1 / 3, "b": 1234567.8, "c": math.nan, "d": None, "e": 12345678, "f": np.float64("nan")}
    assert csv_text("abcdefg", [row]) == "a,b,c,d,e,f,g\n0.333333,1.23457e+06,,,12345678,,\n"
    assert csv_text("a", [row], digits=None) == "a\n0.3333333333333333\n"


def hold(folder: Path, ready: multiprocessing.synchronize.Event) -> None:
    with locked(folder):
        ready.set()
        signal.pause()


def test_another_run_is_refused_until_the_first_ends_even_if_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold, args=(tmp_path / "out", ready))
    other.start()
    assert ready.wait(60)
    with pytest.raises(TmtvError, match="another run is writing into this folder"), locked(tmp_path / "out"):
        pytest.fail("two runs hold one lock")
    with locked(tmp_path / "another"):
        pass
    os.kill(other.pid, signal.SIGKILL)  # type: ignore[arg-type]
    other.join()
    with locked(tmp_path / "out"):
        pass


def test_a_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TmtvError, match="cannot be written"), locked(tmp_path / "file" / "out"):
        pass


def test_leftovers_go_by_their_exact_names(tmp_path: Path) -> None:
    gone = [".0123abcd.tmtv.json", "a/.89abcdef.lesions_41.nii.gz", "a/review/.0123abcd.x"]
    kept = [".0123abc.tmtv.json", ".hidden", "notes.part", "a/b/c/.0123abcd.x", "a/0123abcd.x", ".0123ABCD.x"]
    for name in (*gone, *kept):
        write_text(tmp_path / name, "x")
    remove_leftovers(tmp_path)
    assert not any((tmp_path / name).exists() for name in gone)
    assert all((tmp_path / name).exists() for name in kept)


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    from petct.errors import TmtvError
    from petct.files import read_json

    (tmp_path / "case.json").write_text("[" * 100_000)
    with pytest.raises(TmtvError, match="not readable as JSON"):
        read_json(tmp_path / "case.json")


def test_a_name_that_is_no_text_survives_json(tmp_path: Path) -> None:
    from petct.files import read_json

    name = os.fsdecode(b"M\xfcller")
    write_json(tmp_path / "x.json", {"file": name})
    assert read_json(tmp_path / "x.json") == {"file": name}
