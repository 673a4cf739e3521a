"""What is on disk when a call that promises it returns."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from power import Disk

from petct.errors import TmtvError
from petct.files import make_folder, replace_atomically, sync_tree, write_json, write_private_text, write_text


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
