"""`tmtv serve` on a small disk that is full: nothing that was acknowledged is lost, and it goes on with room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Serving, require_dcmtk, storescu, threshold_openvino, wait_until
from study_files import write_pet_ct

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Half a megabyte."""
    require_dcmtk()
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk of a chosen size: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves so many bytes free."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    path = disk / "other"
    path.write_bytes(bytes(free - left))
    return path


def test_a_disk_that_is_full_while_a_study_arrives(
    disk: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    options = ("--model", threshold_openvino(folder), "--min-free-gb", "0", "--patience-s", "600")
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(disk / "here" / "out", options).start()
    try:
        other = fill(disk, left=64 * 1024)
        sent = storescu(serving.port, study)
        assert "Refused: OutOfResources" in sent.stdout + sent.stderr
        kept = {path: path.read_bytes() for path in serving.out.glob("serve/received/*/*.dcm")}
        assert 0 < len(kept) < 32
        serving.kill()  # and the power goes as well
        other.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        serving.start()
        assert storescu(serving.port, study).returncode == 0
        wait_until(lambda: serving.status()["counts"]["done"] == 1, 300)
        assert {path: path.read_bytes() for path in kept} == kept
        assert len(list(serving.out.glob("serve/received/*/*.dcm"))) == 32
        assert len(list(serving.out.glob("*/source.json"))) == 1
        assert sum(event["event"] == "run" for event in serving.audit()) == 1
    finally:
        serving.kill()
