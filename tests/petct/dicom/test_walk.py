"""Links, loops, depth and what cannot be read: every file once, and nothing passed over in silence."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from dicom_files import write_series

from petct.dicom.geometry import sort_slices
from petct.dicom.headers import find_series
from petct.dicom.walk import SEEN_FILE, SEEN_FOLDER, walk
from petct.errors import DicomError


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    real = write_series(tmp_path / "elsewhere" / "PT")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "patient").symlink_to(real)
    (tree / "same").symlink_to(real)
    (real / "up").symlink_to(tree)
    (real / "self").symlink_to("self")
    (series,), skipped = find_series(tree)
    assert len(series.files) == 4
    reasons = {str(item.path.relative_to(tree)): item.reason for item in skipped}
    assert reasons == {
        "same": SEEN_FOLDER,
        "patient/up": SEEN_FOLDER,
        "patient/self": "a link that leads nowhere",
    }


def test_a_root_inside_another_and_a_second_name_of_a_file_are_read_once(tmp_path: Path) -> None:
    write_series(tmp_path / "PT")
    first = min((tmp_path / "PT").iterdir())
    (tmp_path / "PT" / "a_link").symlink_to(first.name)
    (series,), skipped = find_series([tmp_path, tmp_path / "PT"])
    assert len(series.files) == 4
    assert {(item.path.name, item.reason) for item in skipped} == {("a_link", SEEN_FILE), ("PT", SEEN_FOLDER)}


def test_a_slice_behind_a_broken_link_is_missed(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "PT", n=6)
    for path in sorted(folder.iterdir())[:3]:
        path.unlink()
        path.symlink_to(tmp_path / "unmounted" / path.name)
    (series,), skipped = find_series(tmp_path)
    assert len(skipped) == 3
    with pytest.raises(DicomError, match="not readable as DICOM, and it may be or hold a slice of the PT"):
        sort_slices(series)


def deep_folder(top: Path, levels: int) -> None:
    """A tree that no single path can name: its depth passes the system's limit of 4096 characters."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_tree_2000_levels_deep_is_read_as_far_as_it_can_be_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "PT")
    deep_folder(tmp_path, 2000)
    try:
        (series,), skipped = find_series(tmp_path)
        assert (len(series.files), len(skipped)) == (4, 1)
        assert "cannot be read (File name too long)" in skipped[0].reason
        assert folder == series.folder
    finally:
        remove_deep(tmp_path)


def remove_deep(top: Path) -> None:
    """pytest's own cleaning recurses."""
    here, levels = os.open(top, os.O_RDONLY), []
    while "deep" in os.listdir(here):
        levels.append(here)
        here = os.open("deep", os.O_RDONLY, dir_fd=here)
    os.close(here)
    for folder in reversed(levels):
        os.rmdir("deep", dir_fd=folder)
        os.close(folder)


def test_a_closed_folder_is_named() -> None:
    """Nothing is closed to root, so root becomes nobody here."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    write_series(top / "PT" / "1", slices=range(3), n=6)
    closed = write_series(top / "PT" / "2", slices=range(3, 6), n=6)
    closed.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        (series,), (item,) = find_series(top)
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
        shutil.rmtree(top)
    assert (item.path, item.reason) == (closed, "cannot be read (Permission denied)")
    assert any(f"{closed}: this folder beside the series" in text for text in sort_slices(series).warnings)


def test_a_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no such file or folder"):
        walk([tmp_path / "nowhere"])
