"""`petct.read_exam`: a folder to PET in SUV and CT in HU, by the rules of `tmtv prepare`."""

from __future__ import annotations

import subprocess
import sys
from datetime import time
from pathlib import Path

import numpy as np
import pytest
from cohort_files import GEOMETRY, SUV, write_study
from dicom_files import FACTOR, write_series

import petct
from petct.errors import DicomError, SuvError


def test_a_folder_to_suv_and_hu(tmp_path: Path) -> None:
    """70 kg, 350 MBq, one half-life: factor 4e-4 g/Bq exactly (see `dicom_files`)."""
    exam = petct.read_exam(write_study(tmp_path))
    np.testing.assert_allclose(exam.pet.array, SUV, rtol=1e-6)
    assert exam.pet.geometry.same_grid(GEOMETRY)
    assert exam.suv.factor == pytest.approx(FACTOR)
    assert exam.ct is not None
    assert exam.ct.array.shape[0] == 16
    assert petct.read_exam(tmp_path / "PT").ct is None


def test_own_values_replace_the_headers(tmp_path: Path) -> None:
    exam = petct.read_exam(write_study(tmp_path), weight_kg=35.0, dose_bq=700e6, injection=time(10))
    np.testing.assert_allclose(exam.pet.array, SUV / 4, rtol=1e-6)
    assert exam.suv.overrides["weight_kg"] == 35.0


def test_what_makes_no_exam_is_refused(tmp_path: Path) -> None:
    write_study(tmp_path / "two" / "a", "P1")
    write_study(tmp_path / "two" / "b", "P1", "S2")
    with pytest.raises(DicomError, match="2 PET studies of 1 patient"):
        petct.read_exam(tmp_path / "two")
    pet = write_series(tmp_path / "one", "PT", 4)
    with pytest.raises(DicomError, match="a single slice"):
        petct.read_exam(next(pet.iterdir()))
    with pytest.raises(DicomError, match="no PET series"):
        petct.read_exam(write_series(tmp_path / "ct", "CT", 4))

    def no_weight(ds, k):
        ds.PatientWeight = ""

    with pytest.raises(SuvError, match="PatientWeight"):
        petct.read_exam(write_series(tmp_path / "light", "PT", 4, edit=no_weight))


def test_the_front_door_lists_what_it_offers_and_loads_nothing() -> None:
    assert {"Exam", "Image", "read_exam", "read_image", "read_rois"} <= set(dir(petct))
    code = (
        "import sys, time; start = time.process_time()\n"
        "import petct, postprocess, tmtv_tf\n"
        "assert time.process_time() - start < 0.15\n"
        "heavy = ('numpy', 'pydicom', 'SimpleITK', 'nibabel', 'scipy', 'pydantic', 'keras', 'tensorflow')\n"
        "sys.exit(any(name in sys.modules for name in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
