"""Label maps and 4-D masks, on the PET grid and on others."""

import numpy as np
import pytest
import SimpleITK as sitk

from petct.errors import ImageError, RoiError
from petct.image import Geometry, Image, write_image
from petct.rois.nifti import read_label_image

GEOMETRY = Geometry((6, 5, 4), (3.0, 2.0, 2.5), (-10.0, -20.0, 100.0))


def full(roi):
    mask = np.zeros(GEOMETRY.shape, bool)
    mask[roi.slices] = roi.mask
    return mask


def test_one_roi_per_label(tmp_path):
    labels = np.zeros(GEOMETRY.shape, np.uint16)
    labels[1, 1:3, 1] = 7
    labels[4, 4, 3] = 3
    write_image(tmp_path / "rois.nii.gz", Image(labels, GEOMETRY))
    rois, warnings = read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)
    assert [roi.name for roi in rois] == ["3", "7"]
    assert np.array_equal(full(rois[1]), labels == 7)
    assert warnings == []


def test_empty_map_has_no_roi(tmp_path):
    write_image(tmp_path / "rois.nii.gz", Image(np.zeros(GEOMETRY.shape, np.uint8), GEOMETRY))
    assert read_label_image(tmp_path / "rois.nii.gz", GEOMETRY) == ([], [])


def test_four_dimensions_overlap(tmp_path):
    stack = np.zeros((2, *GEOMETRY.shape), np.uint8)
    stack[0, 1:4] = 1
    stack[1, 2:5] = 1
    image = sitk.GetImageFromArray(stack, isVector=False)
    image.SetSpacing([*GEOMETRY.spacing_mm[::-1], 1.0])
    image.SetOrigin([*GEOMETRY.origin_mm, 0.0])
    sitk.WriteImage(image, str(tmp_path / "rois.nii.gz"))
    rois, _ = read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)
    assert [np.array_equal(full(roi), mask != 0) for roi, mask in zip(rois, stack)] == [True, True]


def test_flipped_file_is_the_same_roi(tmp_path):
    labels = np.zeros(GEOMETRY.shape, np.uint8)
    labels[1, 2:4, 1] = 1
    turned = Geometry(
        GEOMETRY.shape,
        GEOMETRY.spacing_mm,
        tuple(GEOMETRY.to_world([(0, 4, 3)])[0]),
        (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0),
    )
    write_image(tmp_path / "rois.nii.gz", Image(labels[:, ::-1, ::-1].copy(), turned))
    (roi,), warnings = read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)
    assert np.array_equal(full(roi), labels != 0)
    assert len(warnings) == 1


def test_label_lost_between_the_pet_voxels_is_said(tmp_path):
    fine = Geometry((12, 10, 8), (1.5, 1.0, 1.25), GEOMETRY.origin_mm)
    labels = np.zeros(fine.shape, np.uint8)
    labels[2, 2, 2] = 1
    labels[3, 3, 3] = 2
    write_image(tmp_path / "rois.nii.gz", Image(labels, fine))
    rois, warnings = read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)
    assert [roi.voxels for roi in rois] == [1, 0]
    assert any("ROI 2 holds no voxel" in warning for warning in warnings)


@pytest.mark.parametrize(("value", "message"), [(0.5, "whole numbers"), (-1.0, "0 to 65535")])
def test_values_that_are_no_labels_are_refused(tmp_path, value, message):
    labels = np.zeros(GEOMETRY.shape, np.float32)
    labels[1, 1, 1] = value
    write_image(tmp_path / "rois.nii.gz", Image(labels, GEOMETRY))
    with pytest.raises(RoiError, match=message):
        read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)


def test_elsewhere_in_space_is_refused(tmp_path):
    far = Geometry(GEOMETRY.shape, GEOMETRY.spacing_mm, (500.0, 0.0, 0.0))
    write_image(tmp_path / "rois.nii.gz", Image(np.ones(far.shape, np.uint8), far))
    with pytest.raises(RoiError, match="share no space"):
        read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)


def test_no_image(tmp_path):
    (tmp_path / "rois.nii.gz").write_text("hello")
    with pytest.raises(ImageError, match="not a readable image"):
        read_label_image(tmp_path / "rois.nii.gz", GEOMETRY)
