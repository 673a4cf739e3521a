"""A small hospital export: examinations of 8 x 6 x 5 voxels with SUV up to 43, and reader ROIs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_files import stored_values, write_series
from roi_files import pet_datasets, write_rtstruct

from petct.image import Geometry

SHAPE = (8, 6, 5)
GEOMETRY = Geometry(SHAPE, (3.0, 2.0, 2.5), (-10.0, -20.0, 0.0))
# Slope 100 (1 + k / 2) in slice k; 4e-4 g/Bq.
SUV = (stored_values(8) * (100 + 50 * np.arange(8))[:, None, None] * 4e-4).astype(np.float32)


def write_study(
    folder: Path, patient: str = "P1", study: str = "S1", *, ct=True, roi=True, edit=None
) -> Path:
    """PET, CT of twice the slices, and an RTSTRUCT of `roi_mask`; `edit(dataset, k)` changes PET and CT slices."""

    def scale(ds, k):
        if ds.Modality == "PT":
            ds.RescaleSlope = f"{100 + 50 * k}"
        else:
            ds.ImagePositionPatient = [-10.0, -20.0, 1.5 * k]
        return edit(ds, k) if edit else None

    write_series(folder / "PT", "PT", 8, series="pet", patient=patient, study=study, edit=scale)
    if ct:
        write_series(folder / "CT", "CT", 16, series="ct", patient=patient, study=study, edit=scale)
    if roi:
        pet = pet_datasets(folder / "PT")[0]
        contours = [
            GEOMETRY.to_world([(z, 0.5, 0.5), (z, 0.5, 3.5), (z, 4.5, 3.5), (z, 4.5, 0.5)]) for z in (3, 4, 5)
        ]
        write_rtstruct(folder / "RS" / "rs.dcm", pet, {"Lymph node of somebody": contours})
    return folder


def roi_mask() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[3:6, 1:5, 1:4] = True
    return mask
