"""Where the PET comes from: an image, or a DICOM folder under the rules of tmtv prepare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_files import GEOMETRY, roi_mask, write_study
from dicom_files import write_series
from region_files import bare
from roi_files import pet_datasets, write_seg

from petct.errors import DicomError, ImageError, ParameterError, RoiError, SuvError, TmtvError
from petct.image import Geometry, Image, write_image
from postprocess.inputs import MapFile, read_case, read_mask
from postprocess.suv_source import find_suv


def test_another_frame_of_reference_is_refused_where_it_is_known(study: Path, tmp_path: Path) -> None:
    other = pet_datasets(write_study(tmp_path / "other", "P2", roi=False) / "PT")
    write_seg(tmp_path / "other.dcm", other, roi_mask()[..., None])
    for suv in (study, tmp_path / "case" / "pet.nii.gz"):
        with pytest.raises(RoiError, match="FrameOfReferenceUID"):
            read_case(MapFile(tmp_path / "other.dcm", is_mask=True), suv)
        with pytest.raises(RoiError, match="FrameOfReferenceUID"):
            read_mask(tmp_path / "other.dcm", GEOMETRY, find_suv(suv))


def test_what_has_no_place_in_the_patient_is_refused(study: Path, tmp_path: Path) -> None:
    """A single DICOM slice, as anything; a DICOM image as a mask; a folder that is no PET."""
    slice_file = next((study / "PT").iterdir())
    with pytest.raises(ImageError, match="one DICOM file.*give the folder"):
        find_suv(slice_file)
    with pytest.raises(RoiError, match="neither SEG nor RTSTRUCT"):
        read_case(MapFile(slice_file, is_mask=True), bare(tmp_path))
    with pytest.raises(TmtvError, match="not a file of ROIs"):
        read_case(MapFile(slice_file, is_mask=True), study)
    with pytest.raises(ImageError):
        read_case(MapFile(slice_file), study)  # as a probability map
    with pytest.raises(DicomError, match="no PET series"):
        find_suv(study / "CT")
    with pytest.raises(ParameterError, match="--mask-label"):
        read_case(MapFile(tmp_path / "two.dcm", is_mask=True, mask_labels=(1,)), study)
    with pytest.raises(ImageError, match="are one file"):
        read_case(MapFile(bare(tmp_path), is_mask=True), bare(tmp_path))


def test_a_dicom_folder_follows_the_suv_rules_of_prepare(tmp_path: Path) -> None:
    def no_dose(ds, k):
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = ""

    write_series(tmp_path / "pet", "PT", 4, edit=no_dose)
    write_image(
        tmp_path / "mask.nii.gz", Image(np.ones((4, 6, 5), np.uint8), Geometry((4, 6, 5), (3.0, 2.0, 2.5)))
    )
    with pytest.raises(SuvError, match="RadionuclideTotalDose"):
        read_case(MapFile(tmp_path / "mask.nii.gz", is_mask=True), tmp_path / "pet")
