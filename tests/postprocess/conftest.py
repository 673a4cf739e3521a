from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_files import GEOMETRY, SUV, write_study
from edit_files import GRID, images
from region_files import two_masks
from roi_files import pet_datasets, write_rtstruct, write_seg

from petct.files import write_json
from petct.image import Image, write_image
from postprocess.case import Job
from postprocess.config import Config
from postprocess.inputs import MapFile


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of the images of `edit_files`."""
    probability, suv = images()
    write_image(tmp_path / "in" / "p" / "probability.nii.gz", Image(probability, GRID))
    write_image(tmp_path / "in" / "p" / "pet.nii.gz", Image(suv, GRID))
    return Job(
        case_id="p",
        map_file=MapFile(tmp_path / "in" / "p" / "probability.nii.gz"),
        suv_path=tmp_path / "in" / "p" / "pet.nii.gz",
        folder=tmp_path / "out" / "p",
        methods=("raw", "41"),
        config=Config(split_above_ml=10.0),
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """PET and CT as DICOM, `pet.nii.gz` with its case.json as `tmtv prepare` writes them, SEG and label image."""
    folder = write_study(tmp_path / "study", roi=False)
    slices = pet_datasets(folder / "PT")
    write_seg(tmp_path / "two.dcm", slices, np.stack(two_masks(), axis=-1))
    write_seg(tmp_path / "one.dcm", slices, np.any(two_masks(), axis=0)[..., None])
    contours = {
        f"lesion {k}": [
            GEOMETRY.to_world(
                [
                    (z, y0 - 0.5, x0 - 0.5),
                    (z, y0 - 0.5, x1 + 0.5),
                    (z, y1 + 0.5, x1 + 0.5),
                    (z, y1 + 0.5, x0 - 0.5),
                ]
            )
            for z in range(z0, z1 + 1)
        ]
        for k, ((z0, z1), (y0, y1), (x0, x1)) in enumerate(
            (((1, 3), (1, 4), (1, 3)), ((4, 6), (1, 2), (1, 4)))
        )
    }
    write_rtstruct(tmp_path / "two_rs.dcm", slices[0], contours)
    write_image(tmp_path / "case" / "pet.nii.gz", Image(SUV, GEOMETRY))
    info = {
        "pet_series_uid": slices[0].SeriesInstanceUID,
        "frame_of_reference_uid": slices[0].FrameOfReferenceUID,
        "suv": {"factor": 4e-4},
    }
    write_json(tmp_path / "case" / "case.json", info)
    labels = two_masks()[0] * np.uint16(1) + two_masks()[1] * np.uint16(2)
    write_image(tmp_path / "rois.nii.gz", Image(labels, GEOMETRY))
    write_image(tmp_path / "labels.nii.gz", Image(labels, GEOMETRY))
    return folder
