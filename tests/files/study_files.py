"""A PET/CT study as DICOM with two hot boxes of known SUV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_files import FACTOR, write_series
from pydicom.dataset import Dataset

SHAPE = (16, 24, 28)  # 3 x 2 x 2.5 mm voxels
BOXES = {8.0: (slice(4, 8), slice(5, 12), slice(6, 14)), 5.0: (slice(11, 14), slice(15, 20), slice(18, 24))}
VOXEL_ML = 3 * 2 * 2.5 / 1000


def suv_image() -> np.ndarray:
    suv = np.full(SHAPE, 1.0)
    for value, box in BOXES.items():
        suv[box] = value
    return suv


def write_pet_ct(
    folder: Path, *, patient: str = "P1", study: str = "S1", hot: bool = True, ct: bool = True
) -> Path:
    """The series; without `hot` a patient without lesion."""
    suv = suv_image() if hot else np.full(SHAPE, 1.0)

    def pet(ds: Dataset, k: int) -> None:
        ds.RescaleSlope = "0.5"
        ds.PixelData = np.rint(suv[k] / FACTOR / 0.5).astype("<u2").tobytes()
        ds.StudyTime, ds.StudyID, ds.PatientBirthDate = "101500", "7", "19500101"

    write_series(folder / "pet", "PT", SHAPE[0], patient=patient, study=study, edit=pet, matrix=SHAPE[1:])
    if ct:
        write_series(
            folder / "ct", "CT", SHAPE[0], series="2", patient=patient, study=study, matrix=SHAPE[1:]
        )
    return folder
