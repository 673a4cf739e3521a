"""`tmtv run` killed at each file, on a full disk, beside another run: nothing half-made, and the rerun finishes."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from pydicom import dcmread
from study_files import suv_image, write_pet_ct

import petct
import tmtv_tf
from petct.errors import TmtvError
from petct.export.source import Provenance
from petct.files import locked
from petct.image import Image, write_image
from tmtv_tf.pipeline.export import export

FORK = multiprocessing.get_context("fork")  # everything is loaded: a kill meets the work and not the imports
OF_ONE_RUN = {"run.csv", ".lock"}  # seconds, a lock


class Setting:
    """A study, a mask of it, and what an undisturbed run makes of them."""

    def __init__(self, base: Path) -> None:
        self.study = write_pet_ct(base / "dicom")
        self.mask = base / "mask.nii.gz"
        write_image(self.mask, Image(suv_image() > 4, petct.read_exam(self.study).pet.geometry))
        assert self.run(base / "whole").failed == {}
        self.whole = contents(base / "whole")

    def run(self, out: Path) -> tmtv_tf.RunResult:
        return tmtv_tf.run(self.study, mask=self.mask, out=out)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    at_once = partial(Provenance, created=datetime(2026, 1, 2, 3, 4, 5))
    monkeypatch.setattr("tmtv_tf.pipeline.outputs.Provenance", at_once)
    return Setting(tmp_path)


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in OF_ONE_RUN]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def exit_code(call: Callable[[], object]) -> int | None:
    process = FORK.Process(target=call)
    process.start()
    process.join()
    return process.exitcode


def killed_at_file(setting: Setting, out: Path, number: int) -> bool:
    """Run, and SIGKILL at the n-th file, in turn before and after it gets its name; whether there was one."""
    replace, seen = os.replace, 0

    def counted(*names: Path) -> None:
        nonlocal seen
        seen += 1
        if seen == number and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names)
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        os.replace = counted  # type: ignore[assignment]  # in this process, which ends with the call
        setting.run(out)

    return exit_code(work) == -signal.SIGKILL


def check_nothing_is_half_made(out: Path, whole: dict[str, bytes]) -> None:
    """Every file with a name of its own is whole; a finished case has all files."""
    found = {name: data for name, data in contents(out).items() if not Path(name).name.startswith(".")}
    for name, data in found.items():
        assert data == whole[name] or Path(name).name == "tmtv.csv", name
    for path in out.rglob("[!.]*.dcm"):
        dcmread(path)
    if any(Path(name).name == "source.json" for name in found):
        assert {name for name in whole if "/" in name} <= found.keys()


def test_killed_at_every_file_it_leaves_nothing_half_made(setting: Setting, tmp_path: Path) -> None:
    out, number = tmp_path / "killed", 1
    while killed_at_file(setting, out, number):
        check_nothing_is_half_made(out, setting.whole)
        number += 1
    assert number > len(setting.whole)  # it was killed at each of them
    assert setting.run(out).failed == {}
    left = {name: data for name, data in contents(out).items() if not Path(name).name.startswith(".")}
    assert left == setting.whole


@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_made(
    setting: Setting, tmp_path: Path, share: float
) -> None:
    """Full for the largest file alone, for three in ten, for six in ten."""
    out = tmp_path / "full"
    sizes = sorted(map(len, setting.whole.values()))
    room_bytes = sizes[round(share * (len(sizes) - 1))] - 1

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, room_bytes))  # of one file
        (reason,) = setting.run(out).failed.values()
        os._exit(7 if "cannot be written" in reason and "fault of this software" not in reason else 8)

    assert exit_code(work) == 7
    check_nothing_is_half_made(out, setting.whole)
    assert setting.run(out).failed == {}
    assert contents(out) == setting.whole


def test_a_second_run_into_the_folder_is_refused(setting: Setting, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with locked(out), pytest.raises(TmtvError, match="another run is writing into this folder"):
        setting.run(out)


def test_a_place_that_cannot_be_written_is_named(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (Path("/proc/tmtv"), tmp_path / "file" / "out"):
        with pytest.raises(TmtvError, match=str(out)):
            setting.run(out)
        with pytest.raises(TmtvError, match=str(out)):
            export(setting.mask, setting.study, out)
