"""Zip files while they are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from petct.dicom import archive
from petct.dicom.archive import unpacked
from petct.errors import DicomError


def write_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name, content in members.items():
            written.writestr(name, content)
    return path


def test_there_while_it_is_read_and_gone_afterwards(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "study.zip", a=b"one")
    with unpacked([tmp_path, path]) as found:
        assert found.folders[0] == tmp_path
        assert (found.folders[1] / "a").read_bytes() == b"one"
        assert found.named(f"{found.folders[1]}/a: odd") == f"{path}/a: odd"
    assert not found.folders[1].exists()


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "study.zip", **{"../../out": b"x", "/root": b"y"})
    with unpacked([path]) as found:
        inside = [file.name for file in found.folders[0].rglob("*") if file.is_file()]
    assert sorted(inside) == ["out", "root"]


def test_an_error_meanwhile_names_the_zip_file(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "study.zip", a=b"one")
    with pytest.raises(DicomError) as caught, unpacked([path]) as found:  # noqa: PT012
        raise DicomError(f"{found.folders[0]}/a: no pixels.")
    assert str(caught.value) == f"{path}/a: no pixels."


def test_what_has_no_room_or_is_cut_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "study.zip", a=bytes(1000))
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 1000)
    with unpacked([path]):
        pass
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 999)
    with pytest.raises(DicomError, match="more than there is room for"), unpacked([path]):
        pass
    monkeypatch.undo()
    data = path.read_bytes()
    path.write_bytes(data[:30] + b"\xff" * 40 + data[70:])  # the member no longer has its checksum
    with pytest.raises(DicomError, match="not a zip file that can be unpacked"), unpacked([path]):
        pass
