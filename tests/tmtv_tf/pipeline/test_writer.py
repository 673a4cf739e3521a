"""The second process of `tmtv run`: the same files with it, without it, and where it dies."""

from __future__ import annotations

import os
import signal
import subprocess
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from study_files import suv_image, write_pet_ct

import petct
import tmtv_tf
from petct.export.source import Provenance
from petct.image import Image, write_image
from tmtv_tf.pipeline import writer

DICOM = ("seg.dcm", "rtstruct.dcm", "sr.dcm")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    at_once = partial(Provenance, created=datetime(2026, 1, 2, 3, 4, 5))
    monkeypatch.setattr("tmtv_tf.pipeline.outputs.Provenance", at_once)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    folder = write_pet_ct(tmp_path / "dicom")
    write_image(tmp_path / "mask.nii.gz", Image(suv_image() > 4, petct.read_exam(folder).pet.geometry))
    return folder


def dicom(study: Path, out: str) -> dict[str, bytes]:
    result = tmtv_tf.run(study, mask=study.parent / "mask.nii.gz", out=study.parent / out)
    assert result.failed == {}
    (case_id,) = result.studies
    return {name: (result.out / case_id / name).read_bytes() for name in DICOM}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen]:
    """The processes that were started; small studies are worth one."""
    monkeypatch.setattr(writer, "WORTH_A_PROCESS_SLICES", 1)
    processes: list[subprocess.Popen] = []
    start = subprocess.Popen

    def remember(*arguments: object, **options: object) -> subprocess.Popen:
        processes.append(start(*arguments, **options))  # type: ignore[call-overload]
        return processes[-1]

    monkeypatch.setattr(writer.subprocess, "Popen", remember)
    return processes


def test_the_second_process_writes_the_same_bytes(
    study: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = writer.write_lesions
    monkeypatch.setattr(writer, "write_lesions", None)  # the first process writes none
    with_it = dicom(study, "with")
    (process,) = started
    assert process.returncode is not None
    monkeypatch.setattr(writer, "write_lesions", here)
    monkeypatch.setattr("tmtv_tf.pipeline.outputs.write_lesions", here)
    monkeypatch.setattr(writer, "WORTH_A_PROCESS_SLICES", 10_000)
    assert dicom(study, "without") == with_it
    assert len(started) == 1


def test_files_of_the_working_folder_are_not_taken_for_modules(
    study: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`python -c` would run them: a folder of a user may hold a queue.py."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "queue.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(writer, "write_lesions", None)  # the first process writes none
    assert set(dicom(study, "out")) == set(DICOM)
    assert len(started) == 1


def test_the_first_process_writes_what_a_dead_second_one_did_not(
    study: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = writer.DicomWriter._send

    def send_and_kill(self: writer.DicomWriter, *values: object) -> None:
        send(self, *values)
        if isinstance(values[0], Path):  # the order to write
            self._process.send_signal(signal.SIGKILL)

    wanted = dicom(study, "whole")
    monkeypatch.setattr(writer.DicomWriter, "_send", send_and_kill)
    assert dicom(study, "killed") == wanted
    assert [process.returncode for process in started][-1] == -signal.SIGKILL


def test_other_headers_than_those_of_the_images_are_not_written(
    study: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are replaced while a run reads them: the objects refer to the images that were measured."""
    wanted = dicom(study, "whole")
    monkeypatch.setattr(writer.DicomWriter, "_answer", lambda self: ("1.2.3",))
    assert dicom(study, "other") == wanted


def test_a_file_that_cannot_be_written_is_one_sentence(
    study: Path, started: list[subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        writer.DicomWriter,
        "write",
        lambda self, source, folder, *rest: _write_below_a_file(self, source, folder, rest),
    )
    result = tmtv_tf.run(study, mask=study.parent / "mask.nii.gz", out=study.parent / "out")
    (reason,) = result.failed.values()
    assert "seg.dcm: cannot be written" in reason


def _write_below_a_file(self: writer.DicomWriter, source: object, folder: Path, rest: tuple) -> list[str]:
    write = WRITE
    (folder / "file").touch()
    return write(self, source, folder / "file", *rest)  # type: ignore[arg-type]


WRITE = writer.DicomWriter.write


def test_it_ends_when_its_owner_is_gone(study: Path, started: list[subprocess.Popen]) -> None:
    second = writer.DicomWriter(petct.read_exam(study).pet_series)
    second._process.stdin.close()  # type: ignore[union-attr]  # as at the death of its owner
    assert second._process.wait(30) == 1
    second._process.stdout.close()  # type: ignore[union-attr]
