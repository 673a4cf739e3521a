from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import export_files
import numpy as np
import pytest
import SimpleITK as sitk
from export_files import dciodvfy_errors, lesions, oblique, orientations, pet_source
from pydicom import dcmread

from petct.errors import ParameterError
from petct.export import Provenance, write_rtstruct
from petct.rois.files import RoiTarget, read_rois

PROVENANCE = Provenance("41", "test network", "0.2.0")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("orientation", [*orientations(), oblique()])
def test_every_orientation_comes_back_in_place(
    tmp_path: Path, orientation: tuple[float, ...], descending: bool
) -> None:
    source, image = pet_source(tmp_path / "pet", orientation, descending=descending)
    labels = lesions()
    write_rtstruct(tmp_path / "rt.dcm", labels, source, PROVENANCE)
    target = RoiTarget(image, source.first.SeriesInstanceUID, source.first.FrameOfReferenceUID)
    rois, warnings = read_rois(tmp_path / "rt.dcm", target)
    assert warnings == []
    assert [roi.name for roi in rois] == ["Lesion 1", "Lesion 2", "Lesion 4", "Lesion 5"]
    for roi, label in zip(rois, (1, 2, 4, 5)):
        mask = np.zeros(labels.shape, bool)
        mask[roi.slices] = roi.mask
        assert np.array_equal(mask, labels == label)


def test_platipy_finds_the_same_voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second reader. It mixes up the numbers of rows and columns, so they are equal here."""
    reader = pytest.importorskip(
        "platipy.dicom.io.rtstruct_to_nifti", reason="platipy is not installed (make test)"
    )
    monkeypatch.setattr(export_files, "SHAPE", (12, 26, 26))
    source, image = pet_source(tmp_path / "pet")
    labels = lesions()
    write_rtstruct(tmp_path / "rt.dcm", labels, source, PROVENANCE)
    pet = sitk.GetImageFromArray(image.array)
    pet.SetSpacing(image.spacing_mm[::-1])
    pet.SetOrigin(image.geometry.origin_mm)
    masks, names = reader.transform_point_set_from_dicom_struct(pet, dcmread(tmp_path / "rt.dcm"))
    assert names == ["Lesion_1", "Lesion_2", "Lesion_4", "Lesion_5"]
    for mask, label in zip(masks, (1, 2, 4, 5), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) > 0, labels == label)


@pytest.mark.skipif(
    shutil.which("plastimatch") is None, reason="plastimatch is not installed (make test-tools)"
)
@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0)],
    ids=["supine", "prone"],
)
def test_plastimatch_finds_the_same_voxels(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    source, _ = pet_source(tmp_path / "pet", orientation)
    labels = lesions()
    write_rtstruct(tmp_path / "rt.dcm", labels, source, PROVENANCE)
    command = ["plastimatch", "convert", "--input", tmp_path / "rt.dcm", "--referenced-ct", tmp_path / "pet",
               "--output-prefix", tmp_path / "out", "--prefix-format", "nrrd"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    for label in (1, 2, 4, 5):
        found = sitk.ReadImage(str(tmp_path / "out" / f"Lesion {label}.nrrd"))
        points = [found.TransformIndexToPhysicalPoint([int(v) for v in p[::-1]])
                  for p in np.argwhere(sitk.GetArrayFromImage(found))]  # fmt: skip
        wanted = source.geometry.to_world(np.argwhere(labels == label))
        assert np.allclose(
            sorted(map(tuple, np.round(points, 3))), sorted(map(tuple, np.round(wanted, 3))), atol=2e-3
        )


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed (make test-tools)")
def test_dciodvfy_has_no_error(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    write_rtstruct(tmp_path / "rt.dcm", lesions(), source, PROVENANCE)
    assert dciodvfy_errors(tmp_path / "rt.dcm") == []


def test_points_lie_in_the_plane_of_their_slice_and_have_four_decimals(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    write_rtstruct(tmp_path / "rt.dcm", lesions(), source, PROVENANCE)
    dataset = dcmread(tmp_path / "rt.dcm")
    positions = {h.SOPInstanceUID: float(h.ImagePositionPatient[2]) for h in source.headers}
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            texts = [str(v) for v in contour.ContourData]
            assert all(len(text) <= 16 and len(text.partition(".")[2]) <= 4 for text in texts)
            assert len(texts) == 3 * contour.NumberOfContourPoints
            assert {float(v) for v in texts[2::3]} == {
                positions[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            }


def test_the_same_lesions_give_the_same_uid_and_other_lesions_another(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    first = write_rtstruct(tmp_path / "a.dcm", labels, source, PROVENANCE)
    again = write_rtstruct(tmp_path / "b.dcm", labels.astype(np.uint16), source, PROVENANCE)
    assert first.SOPInstanceUID == again.SOPInstanceUID
    labels[0, 0, 24] = 4
    assert (
        write_rtstruct(tmp_path / "c.dcm", labels, source, PROVENANCE).SOPInstanceUID != first.SOPInstanceUID
    )


def test_nothing_of_the_source_but_patient_and_study_is_copied(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    for header in source.headers:
        header.InstitutionName, header.PatientComments, header.OperatorsName = "Secret", "Secret", "Secret"
        header.PhysiciansOfRecord = header.PatientAddress = "Secret"
    write_rtstruct(tmp_path / "rt.dcm", lesions(), source, PROVENANCE)
    dataset = dcmread(tmp_path / "rt.dcm")
    assert dataset.PatientName == source.first.PatientName
    assert dataset.StudyInstanceUID == source.first.StudyInstanceUID
    assert b"Secret" not in (tmp_path / "rt.dcm").read_bytes()


def test_no_lesion_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    source, image = pet_source(tmp_path / "pet")
    with pytest.raises(ParameterError, match="no lesion"):
        write_rtstruct(tmp_path / "rt.dcm", np.zeros(image.array.shape, int), source, PROVENANCE)
    with pytest.raises(ParameterError, match="shape"):
        write_rtstruct(tmp_path / "rt.dcm", np.ones((2, 2, 2), int), source, PROVENANCE)
    assert not (tmp_path / "rt.dcm").exists()
