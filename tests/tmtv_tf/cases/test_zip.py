"""A study as a zip file gives what its folder gives."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from study_files import suv_image, write_pet_ct
from typer.testing import CliRunner

import petct
import tmtv_tf
from petct.errors import DicomError
from petct.image import Image, read_image, write_image
from tmtv_tf.cases.inspect import inspect_tree
from tmtv_tf.cases.prepare import Settings
from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort
from tmtv_tf.cli import app


def test_prepare_and_inspect_read_zip_files(tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", study))
    request = Request((archive,), tmp_path / "cases", settings=Settings(grid=None), key_file=tmp_path / "key")
    (outcome,) = prepare_cohort(request).outcomes
    assert outcome.error is None
    pet = read_image(tmp_path / "cases" / outcome.case_id / "pet.nii.gz")
    assert np.allclose(pet.array, suv_image(), rtol=1e-3)
    found, wanted = (inspect_tree([path]).series for path in (archive, study))
    assert [row["suv_factor"] for row in found] == [row["suv_factor"] for row in wanted]


def _bad_zip(folder: Path) -> Path:
    """A study without weight, flat in its archive."""
    study = write_pet_ct(folder / "dicom", ct=False) / "pet"
    for path in study.iterdir():
        header = dcmread(path)
        header.PatientWeight = ""
        header.save_as(path)
    return Path(shutil.make_archive(str(folder / "study"), "zip", study))


def test_what_is_said_of_a_zip_file_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never the temporary folder, which is gone when the user reads of it."""
    archive, empty = _bad_zip(tmp_path), tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("a.txt", "no DICOM")
    run = ["--model", "synthetic-pet", "--key-file", str(tmp_path / "key")]
    paths = tmp_path / "paths.csv"
    for said, *command in [
        (archive, "inspect", archive),
        (archive, "run", archive, "--out", tmp_path / "out", *run),
        (empty, "inspect", empty),
        (empty, "run", empty, "--out", tmp_path / "out2", *run),
        (empty, "prepare", empty, "--out", tmp_path / "cases"),
        (
            paths,
            "prepare",
            archive,
            "--out",
            tmp_path / "c",
            "--key-file",
            tmp_path / "key",
            "--path-list",
            paths,
        ),
    ]:
        done = CliRunner().invoke(app, list(map(str, command)))
        text = done.output + str(done.exception) + capsys.readouterr().err
        assert done.exit_code != 0
        assert "tmtv-zip-" not in text, command
        if said != paths:
            assert str(said) in text, command
    assert f"{archive}/" in paths.read_text()
    assert "tmtv-zip-" not in paths.read_text()


def test_a_result_of_a_zip_file_names_it_and_is_kept(tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", study))
    mask = tmp_path / "mask.nii.gz"
    write_image(mask, Image(suv_image() > 4, petct.read_exam(study).pet.geometry))
    for wanted in ("done", "kept"):
        result = tmtv_tf.run(archive, mask=mask, out=tmp_path / "out", key_file=tmp_path / "key")
        ((case_id, ran),) = result.studies.items()
        assert ran.status == wanted
    source = json.loads((tmp_path / "out" / case_id / "source.json").read_text())
    assert source["dicom_folder"] == f"{archive}/pet"


def test_a_zip_file_that_lies_about_its_size_or_is_cut_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("a", bytes(2_000_000))
    monkeypatch.setattr("petct.dicom.archive.MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(DicomError, match="more than there is room for"):
        inspect_tree([tmp_path / "bomb.zip"])
    monkeypatch.undo()
    whole = (tmp_path / "bomb.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:40] + bytes(20) + whole[60:])
    with pytest.raises(DicomError, match="zip"):
        inspect_tree([tmp_path / "cut.zip"])
