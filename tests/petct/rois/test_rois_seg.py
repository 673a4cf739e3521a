"""DICOM SEG in: written by highdicom and by dcmqi, overlapping, with empty slices left out, on the CT's grid."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from pydicom import dcmread
from roi_files import pet_datasets, write_seg

from petct.errors import RoiError
from petct.image import Geometry
from petct.rois.seg import read_seg

SHAPE = (8, 6, 5)
GEOMETRY = Geometry(SHAPE, (3.0, 2.0, 2.5), (-10.0, -20.0, 0.0))


def full(roi, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[roi.slices] = roi.mask
    return mask


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return pet_datasets(write_series(tmp_path_factory.mktemp("pet"), "PT", 8))


def two_lesions():
    masks = np.zeros((*SHAPE, 2), bool)
    masks[2, 1:4, 1:4, 0] = True
    masks[4, 2, 2, 0] = True  # slices 0, 1, 3 and 5..7 have no frame
    masks[2:5, 2:5, 2:4, 1] = True  # overlaps the first
    return masks


def read(path, slices, geometry=GEOMETRY):
    pet = slices[0]
    return read_seg(
        path, geometry, frame_of_reference_uid=pet.FrameOfReferenceUID, series_uid=pet.SeriesInstanceUID
    )


def test_overlapping_segments_stay_apart(tmp_path, slices):
    masks = two_lesions()
    rois, warnings = read(write_seg(tmp_path / "seg.dcm", slices, masks), slices)
    assert [roi.name for roi in rois] == ["lesion 1", "lesion 2"]
    assert np.array_equal(full(rois[0]), masks[..., 0])
    assert np.array_equal(full(rois[1]), masks[..., 1])
    assert warnings == []


def test_an_empty_segmentation_has_no_roi(tmp_path, slices):
    path = write_seg(tmp_path / "seg.dcm", slices, np.zeros((*SHAPE, 1), bool))
    rois, warnings = read(path, slices)
    assert rois == []
    assert "is empty" in warnings[0]


def test_labelmap(tmp_path, slices):
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 1:4, 1:4] = 1
    labels[5, 5, 4] = 2
    path = write_seg(tmp_path / "seg.dcm", slices, np.stack([labels == 1, labels == 2], -1), kind="LABELMAP")
    rois, _ = read(path, slices)
    assert [full(roi).sum() for roi in rois] == [9, 1]
    assert np.array_equal(full(rois[0]), labels == 1)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_frames_of_a_segment_that_is_not_listed_are_refused(tmp_path, slices, kind):
    """A lesion was lost without a word."""
    masks = two_lesions()
    masks[..., 1] &= ~masks[..., 0]
    path = write_seg(tmp_path / "seg.dcm", slices, masks, kind=kind)
    ds = dcmread(path)
    ds.SegmentSequence = [item for item in ds.SegmentSequence if item.SegmentNumber != 2]
    ds.save_as(path)
    with pytest.raises(
        RoiError, match=r"its frames hold segment 2, which SegmentSequence \(0062,0002\) does not"
    ):
        read(path, slices)


def test_two_segments_of_one_number_are_refused(tmp_path, slices):
    """The same frames were read as two ROIs."""
    path = write_seg(tmp_path / "seg.dcm", slices, two_lesions())
    ds = dcmread(path)
    ds.SegmentSequence = [*ds.SegmentSequence, ds.SegmentSequence[0]]
    ds.save_as(path)
    with pytest.raises(RoiError, match="is the same in two items"):
        read(path, slices)


def test_fractional_is_inside_above_one_half(tmp_path, slices):
    fractions = np.zeros(SHAPE, np.float32)
    fractions[3, 2, 1:4] = [0.2, 0.5, 0.9]
    path = write_seg(
        tmp_path / "seg.dcm",
        slices,
        fractions,
        kind=highdicom.seg.SegmentationTypeValues.FRACTIONAL,
        max_fractional_value=100,
    )
    (roi,), _ = read(path, slices)
    assert np.argwhere(full(roi)).tolist() == [[3, 2, 3]]


def test_another_grid_is_read_at_the_pet_voxels(tmp_path, slices):
    """Drawn on a CT of half the in-plane spacing and twice the slices; frames shuffled by highdicom or not."""

    def fine(ds, k):
        ds.ImagePositionPatient = [-10.0, -20.0, 1.5 * k]
        ds.PixelSpacing = [1.0, 1.25]
        ds.FrameOfReferenceUID = slices[0].FrameOfReferenceUID

    ct = pet_datasets(write_series(tmp_path / "ct", "CT", 15, edit=fine))
    masks = np.zeros((15, 6, 5, 1), bool)
    masks[4:7, 2:5, 2:5, 0] = True  # PET slices 2, 3; rows 1, 2; columns 1, 2
    (roi,), warnings = read(write_seg(tmp_path / "seg.dcm", ct, masks), slices)
    expected = np.zeros(SHAPE, bool)
    expected[2:4, 1:3, 1:3] = True
    assert np.array_equal(full(roi), expected)
    assert "not on the grid" in warnings[0]


def test_other_frame_of_reference_is_refused(tmp_path, slices):
    path = write_seg(tmp_path / "seg.dcm", slices, two_lesions())
    ds = dcmread(path)
    ds.FrameOfReferenceUID = "1.2.3"
    ds.save_as(path)
    with pytest.raises(RoiError, match=r"FrameOfReferenceUID \(0020,0052\) is 1\.2\.3"):
        read(path, slices)


def test_cut_pixels_are_refused(tmp_path, slices):
    path = write_seg(tmp_path / "seg.dcm", slices, two_lesions())
    ds = dcmread(path)
    ds.PixelData = ds.PixelData[:8]
    ds.save_as(path)
    with pytest.raises(RoiError, match=r"PixelData \(7FE0,0010\)"):
        read(path, slices)
    path = write_seg(tmp_path / "seg.dcm", slices, two_lesions())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RoiError, match=r"seg\.dcm: (the file is cut short|not readable)"):
        read(path, slices)


def test_dcmqi_writes_the_same(tmp_path, slices):
    """dcmqi's itkimage2segimage, the other writer in use; its frames are cropped to the lesion's slices."""
    program = shutil.which("itkimage2segimage") or str(Path(sys.executable).with_name("itkimage2segimage"))
    if not Path(program).exists():
        pytest.skip("dcmqi is not installed")
    folder = write_series(tmp_path / "pet", "PT", 8)
    masks = two_lesions()
    names = []
    for k in range(2):
        image = sitk.GetImageFromArray(masks[..., k].astype(np.uint8))
        image.SetSpacing(GEOMETRY.spacing_mm[::-1])
        image.SetOrigin(GEOMETRY.origin_mm)
        names.append(str(tmp_path / f"{k}.nrrd"))
        sitk.WriteImage(image, names[-1])
    code = {
        "CodeValue": "M-01000",
        "CodingSchemeDesignator": "SRT",
        "CodeMeaning": "Morphologically Altered Structure",
    }
    segment = {
        "labelID": 1,
        "SegmentDescription": "lesion",
        "SegmentLabel": "lesion",
        "SegmentAlgorithmType": "MANUAL",
    }
    segment |= {"SegmentedPropertyCategoryCodeSequence": code, "SegmentedPropertyTypeCodeSequence": code}
    meta = {
        "ContentCreatorName": "Reader",
        "SeriesDescription": "lesions",
        "SeriesNumber": "300",
        "InstanceNumber": "1",
        "BodyPartExamined": "CHEST",
        "segmentAttributes": [[segment], [segment]],
    }
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    command = [
        program,
        *("--inputImageList", ",".join(names)),
        *("--inputDICOMDirectory", str(folder)),
        *("--outputDICOM", str(tmp_path / "seg.dcm")),
        *("--inputMetadata", str(tmp_path / "meta.json")),
        "--skip",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    rois, _ = read(tmp_path / "seg.dcm", pet_datasets(folder))
    assert len(rois) == 2
    for k, roi in enumerate(rois):
        assert np.array_equal(full(roi), masks[..., k])


def test_frames_far_apart_without_spacing_are_refused(tmp_path, slices):
    """On a finer grid, slices 1 and 6 of 1 mm, no SpacingBetweenSlices: they were read as slabs of 15 mm each."""
    masks = np.zeros((*SHAPE, 1), bool)
    masks[[1, 6], :4, :4] = True
    path = write_seg(tmp_path / "seg.dcm", slices, masks)
    dataset = dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    measures.PixelSpacing, measures.SliceThickness = [1.0, 1.25], "1"
    dataset.save_as(path)
    with pytest.raises(RoiError, match="how thick its slices are cannot be known"):
        read(path, slices)


def test_a_spacing_that_the_frames_contradict_is_refused(tmp_path, slices):
    """1 mm stated, slices of 3 mm: they were read as slices of 1 mm with gaps, and a third of the lesion was left."""
    masks = np.zeros((*SHAPE, 1), bool)
    masks[2:6, :4, :4] = True
    path = write_seg(tmp_path / "seg.dcm", slices, masks)
    dataset = dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices, measures.SliceThickness = "1", "3"
    dataset.save_as(path)
    assert read(path, slices)[0][0].voxels == 4 * 16  # in the slices of the PET: nothing depends on it
    with pytest.raises(RoiError, match="how thick its slices are cannot be known"):
        read(path, slices, Geometry((9, 6, 5), (2.5, 2.0, 2.5), (-10.0, -20.0, 0.0)))
