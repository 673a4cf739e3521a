"""A study as a zip file gives what its folder gives."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from study_files import suv_image, write_pet_ct

from petct.errors import DicomError
from petct.image import read_image
from tmtv_tf.cases.inspect import inspect_tree
from tmtv_tf.cases.prepare import Settings
from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort


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
