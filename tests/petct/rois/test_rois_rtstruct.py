"""RTSTRUCT in: contours whose voxels are known, in every orientation, and the public masks of another program."""

import numpy as np
import pytest
from dicom_files import write_series
from pydicom import dcmread
from roi_files import write_rtstruct
from roi_series import GEOMETRY, contour
from scipy.spatial.transform import Rotation

from petct.dicom.headers import find_series
from petct.dicom.volume import sort_slices
from petct.errors import RoiError
from petct.image import read_image
from petct.rois.rtstruct import read_rtstruct


def full(roi, shape=GEOMETRY.shape):
    mask = np.zeros(shape, bool)
    mask[roi.slices] = roi.mask
    return mask


def read(tmp_path, pet, rois, geometry=GEOMETRY, **options):
    path = write_rtstruct(tmp_path / "rs.dcm", pet, rois, **options)
    return read_rtstruct(
        path, geometry, frame_of_reference_uid=pet.FrameOfReferenceUID, series_uid=pet.SeriesInstanceUID
    )


def test_boxes_holes_and_overlapping_rois(tmp_path, pet):
    outer = [contour(z, (0.5, 0.5), (4.5, 3.5)) for z in (2, 3)]
    hole = [contour(3, (1.5, 1.5), (2.5, 2.5))]
    (a, b), warnings = read(tmp_path, pet, {"a": outer + hole, "b": outer})
    mask = np.zeros(GEOMETRY.shape, bool)
    mask[2:4, 1:5, 1:4] = True
    assert np.array_equal(full(b), mask)
    mask[3, 2, 2] = False
    assert np.array_equal(full(a), mask)
    assert (a.name, a.corner, a.mask.shape) == ("a", (2, 1, 1), (2, 4, 3))
    assert warnings == []


def test_several_contours_of_one_slice(tmp_path, pet):
    (roi,), _ = read(
        tmp_path, pet, {"a": [contour(1, (-0.5, -0.5), (0.5, 0.5)), contour(1, (3.5, 2.5), (5.5, 4.5))]}
    )
    assert roi.voxels == 1 + 4


def test_contours_between_slices_go_to_the_nearest(tmp_path, pet):
    box = ((0.5, 0.5), (2.5, 2.5))
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, *box) for z in (2.3, 3.3, 4.3)]})
    assert np.flatnonzero(full(roi).any(axis=(1, 2))).tolist() == [2, 3, 4]


def test_coarse_contours_fill_the_slices_between(tmp_path, pet):
    """Planes every 1.6 slices (a CT of 4.8 mm): each slice takes the nearest plane."""
    planes = {1.0: 1.5, 2.6: 2.5, 4.2: 3.5}
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, (0.5, 0.5), (y, 2.5)) for z, y in planes.items()]})
    rows = full(roi).sum(axis=(1, 2)) // 2
    assert rows.tolist() == [0, 1, 2, 2, 3, 0, 0, 0]  # slice 5 is exactly half a spacing (0.8) above 4.2: out


def test_planes_half_way_between_slices_fill_as_many_slices(tmp_path, pet):
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, (0.5, 0.5), (2.5, 2.5)) for z in (2.5, 3.5, 4.5)]})
    assert np.flatnonzero(full(roi).any(axis=(1, 2))).tolist() == [2, 3, 4]
    (single,), _ = read(tmp_path, pet, {"a": [contour(2.5, (0.5, 0.5), (2.5, 2.5))]})
    assert np.flatnonzero(full(single).any(axis=(1, 2))).tolist() == [2]


def test_fine_contours_take_the_nearest_plane_not_their_xor(tmp_path, pet):
    """Four planes within one PET slice (a CT of 0.75 mm) must not cancel each other."""
    planes = np.arange(1.0, 3.01, 0.25)
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, (0.5, 0.5), (2.5, 2.5)) for z in planes]})
    assert np.flatnonzero(full(roi).any(axis=(1, 2))).tolist() == [1, 2, 3]
    assert roi.voxels == 3 * 4


def test_two_parts_apart_are_not_joined(tmp_path, pet):
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, (0.5, 0.5), (2.5, 2.5)) for z in (1, 2, 6)]})
    assert np.flatnonzero(full(roi).any(axis=(1, 2))).tolist() == [1, 2, 6]


def test_slices_of_the_pet_between_two_contours_stay_empty(tmp_path, pet):
    """Drawn on the PET in slices 1 and 5 only: 2 slices; they were read as slabs of four slices each."""
    (roi,), _ = read(tmp_path, pet, {"a": [contour(z, (0.5, 0.5), (2.5, 2.5)) for z in (1, 5)]})
    assert np.flatnonzero(full(roi).any(axis=(1, 2))).tolist() == [1, 5]


def filled(roi):
    return np.flatnonzero(full(roi).any(axis=(1, 2))).tolist()


def box_at(*planes):
    return [contour(z, (0.5, 0.5), (2.5, 2.5)) for z in planes]


@pytest.mark.parametrize("planes", [(1.2, 6.2), (1, 6), (1.2, 3.7, 6.2)])
def test_contours_far_apart_on_a_ct_fill_their_own_slices_only(tmp_path, pet, planes):
    """7.5 mm and more lie between them: no CT slice is so thick. They were read as slabs of 15 mm, 4 to 8 slices."""
    (roi,), (said,) = read(tmp_path, pet, {"a": box_at(*planes)}, series="1.2.3")
    assert filled(roi) == [int(np.ceil(z - 0.5)) for z in planes]
    assert "stay empty" in said


def test_the_other_rois_tell_how_thick_the_slices_are(tmp_path, pet):
    """A CT of 3 mm. A ROI drawn in every second of its slices (6 mm) is as sparse there as one of 15 mm."""
    rois = {
        "dense": box_at(0.2, 1.2, 2.2),
        "b": box_at(3.2, 4.2),
        "second": box_at(1.2, 3.2),
        "far": box_at(1.2, 6.2),
    }
    found, warnings = read(tmp_path, pet, rois, series="1.2.3")
    assert [filled(roi) for roi in found] == [[0, 1, 2], [3, 4], [1, 3], [1, 6]]
    assert [text.split(" lie")[0] for text in warnings] == [
        "rs.dcm: the contours of ROI 3",
        "rs.dcm: the contours of ROI 4",
    ]


def test_a_coarse_ct_is_filled_in_spite_of_a_sparse_roi(tmp_path, pet):
    """A CT of 4.8 mm, 1.6 slices: dense contours have no gap, the one drawn twice 14.4 mm apart has."""
    dense = box_at(1.0, 2.6, 4.2)
    found, warnings = read(tmp_path, pet, {"a": dense, "far": box_at(1.0, 5.8)}, series="1.2.3")
    assert [filled(roi) for roi in found] == [[1, 2, 3, 4], [1, 5, 6]]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "again",
    [
        np.asarray,
        np.flipud,
        lambda points: np.roll(points, 1, axis=0),
        lambda points: points[[0, 1, 2, 3, 0]],
    ],
    ids=["same", "other way round", "other start", "closed"],
)
def test_a_contour_that_stands_twice_is_one(tmp_path, pet, again):
    """By the even-odd rule alone the two cancel, and the lesion was gone without a word."""
    first, second = box_at(2, 3)
    (roi,), (said,) = read(tmp_path, pet, {"a": [first, second, again(second)]})
    assert filled(roi) == [2, 3]
    assert said == "rs.dcm: 1 contours of ROI 1 stand twice; counted once."


@pytest.mark.parametrize(
    ("sequence", "keyword"),
    [("ROIContourSequence", "ReferencedROINumber"), ("StructureSetROISequence", "ROINumber")],
)
def test_two_items_of_one_roi_number_are_refused(tmp_path, pet, sequence, keyword):
    """The contours of one of them were read, those of the other lost."""
    path = write_rtstruct(tmp_path / "rs.dcm", pet, {"a": box_at(2), "b": box_at(4)})
    ds = dcmread(path)
    setattr(ds[sequence][1], keyword, getattr(ds[sequence][0], keyword))
    ds.save_as(path)
    with pytest.raises(RoiError, match="is the same in two items"):
        read_rtstruct(path, GEOMETRY, frame_of_reference_uid=pet.FrameOfReferenceUID)


def test_a_thin_ct_does_not_reach_into_slices_whose_centre_is_outside(tmp_path, pet):
    """A CT of 0.75 mm, a quarter slice: planes 1.3 to 3.3 are a slab from 1.175 to 3.425, as a SEG on that CT has it.

    They were read as slices 1 to 3. A ROI of one plane keeps the slice that it lies in.
    """
    rois = {"a": box_at(*np.arange(1.3, 3.31, 0.25)), "one": box_at(5.3)}
    found, _ = read(tmp_path, pet, rois, series="1.2.3")
    assert [filled(roi) for roi in found] == [[2, 3], [5]]


def test_outside_and_partly_outside(tmp_path, pet):
    rois = {
        "far": [contour(z, (50.5, 50.5), (52.5, 52.5)) for z in (2, 3)],
        "above": [contour(20, (0.5, 0.5), (2.5, 2.5))],
        "cut": [contour(7, (3.5, 2.5), (9.5, 9.5))],
    }
    (far, above, cut), warnings = read(tmp_path, pet, rois)
    assert (far.voxels, above.voxels, cut.voxels) == (0, 0, 4)
    assert ["no voxel" in w for w in warnings] == [True, True, False]
    assert "cut off" in warnings[2]


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (-1, 0, 0, 0, -1, 0),  # prone
        (-1, 0, 0, 0, 1, 0),  # feet first: the slice normal points to the feet
        tuple(Rotation.from_euler("xyz", (9, -7, 15), degrees=True).as_matrix()[:, :2].T.ravel()),
    ],
)
def test_any_orientation(tmp_path, orientation):
    """A landmark: voxel (2, 4, 1) of the array is outlined in LPS mm computed from the DICOM attributes alone."""
    row, column = np.reshape(orientation, (2, 3)).astype(float)
    normal = np.cross(row, column)
    origin = np.array([10.0, -30.0, 50.0])

    def turn(ds, k):
        ds.ImageOrientationPatient = list(map(float, orientation))
        ds.ImagePositionPatient = list(origin + 3.0 * k * normal)

    folder = write_series(tmp_path / "pet", "PT", 8, edit=turn)
    (series,), _ = find_series(folder)
    geometry = sort_slices(series).geometry
    centre = (
        origin + 3.0 * 2 * normal + 2.5 * 1 * row + 2.0 * 4 * column
    )  # PixelSpacing is (2.0 rows, 2.5 columns)
    corners = [centre + a * 1.2 * row + b * 0.9 * column for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    (roi,), _ = read(tmp_path, dcmread(series.files[0]), {"a": [np.array(corners)]}, geometry)
    (index,) = np.argwhere(full(roi, geometry.shape))
    assert index.tolist() == [2, 4, 1]


def test_other_frame_of_reference_is_refused(tmp_path, pet):
    with pytest.raises(RoiError, match=r"ReferencedFrameOfReferenceUID \(3006,0024\) is 1\.2\.3"):
        read(tmp_path, pet, {"a": [contour(1, (0, 0), (2, 2))]}, frame="1.2.3")


def test_no_frame_of_reference_needs_the_series(tmp_path, pet):
    rois = {"a": [contour(1, (0.5, 0.5), (2.5, 2.5))]}
    assert read(tmp_path, pet, rois, frame="")[0][0].voxels == 4
    with pytest.raises(RoiError, match="missing"):
        read(tmp_path, pet, rois, frame="", series="1.2.3")


def test_open_and_tilted_contours_are_refused(tmp_path, pet):
    flat = contour(1, (0.5, 0.5), (2.5, 2.5))
    with pytest.raises(RoiError, match="OPEN_PLANAR"):
        read(tmp_path, pet, {"a": [flat]}, kind="OPEN_PLANAR")
    tilted = flat + np.array([[0, 0, 0], [0, 0, 3.0], [0, 0, 3.0], [0, 0, 0]])
    with pytest.raises(RoiError, match="not parallel"):
        read(tmp_path, pet, {"a": [tilted]})


def test_rois_without_contours_are_left_out_with_a_warning(tmp_path, pet):
    rois, warnings = read(tmp_path, pet, {"empty": [], "a": [contour(1, (0.5, 0.5), (2.5, 2.5))]})
    assert [roi.name for roi in rois] == ["a"]
    assert "ROI 1 has no closed contour" in warnings[0]


def test_no_roi_at_all_is_refused(tmp_path, pet):
    for kind in ("POINT", "CLOSED_PLANAR"):
        with pytest.raises(RoiError, match="none of its 1 ROIs has a closed contour"):
            read(tmp_path, pet, {"a": [contour(1, (0, 0), (2, 2))] if kind == "POINT" else []}, kind=kind)


@pytest.mark.parametrize("case", ["STS_004", "STS_010", "STS_033"])
def test_equals_the_mask_of_another_program(shared_data, case):
    """IBSI's rasterisation of the same contours: Dice 1, voxel by voxel."""
    folder = shared_data / "sts" / case
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    (series,), _ = find_series(folder / "PET" / "image")
    geometry = sort_slices(series).geometry
    (path,) = (folder / "PET" / "mask").iterdir()
    (roi,), _ = read_rtstruct(path, geometry, frame_of_reference_uid=series.frame_of_reference_uid)
    reference = read_image(folder / "PET_mask.nii.gz")
    assert reference.geometry.same_grid(geometry)
    assert np.array_equal(full(roi, geometry.shape), reference.array != 0)
