"""Fiji tables written here by hand-made rules, on a PET whose voxels are all different."""

import numpy as np
import pytest

from petct.errors import RoiError
from petct.image import Geometry, Image
from petct.rois.fiji import read_fiji

SHAPE = (12, 10, 9)
SUV = (np.random.default_rng(5).permutation(np.prod(SHAPE)).reshape(SHAPE) / 100 + 0.5).astype(np.float32)
HEAD_FIRST = (1.0, 0, 0, 0, -1.0, 0, 0, 0, -1.0)
PET = Image(SUV, Geometry(SHAPE, (4.0, 3.0, 2.0)))


def table(rois, drawn=(), lists=(), threshold="0.0"):
    """A file in the viewer's layout; `rois` are the masks behind its results, voxel lists first."""
    low = float(threshold.rstrip("%"))
    lines = [",".join(f"column {i}" for i in range(13))]
    for number, mask in enumerate(rois, start=1):
        values = SUV[mask].astype(float)
        limit = low / 100 * values.max() if threshold.endswith("%") else low
        values = values[values >= limit]
        row = ["roi", str(number), "0", "0", "0", f"{values.mean():.3f}", f"{values.std():.3f}", *"0000"]
        lines.append(",".join([*row, f"{values.max():.3f}", "0"]))
    lines += ["sum,0,0", "2024-01-01,somebody", ""]
    if drawn:
        lines += [f"Number of ROIs = {len(drawn)}", *drawn]
    if lists:
        lines += [f"Number of Nifti ROIs = {len(lists)}"]
        for rows in lists:
            lines += [*rows, ""]
    return "\n".join([*lines, threshold])


def drawn_row(kind, first, last, points):
    fields = ",".join(f"{x} {y}" for x, y in points)
    return f"node,{kind},{first},{last}, num points = {len(points)},{fields}"


def full(roi):
    mask = np.zeros(SHAPE, bool)
    mask[roi.slices] = roi.mask
    return mask


def read(tmp_path, text, pet=PET):
    path = tmp_path / "rois.csv"
    path.write_text(text)
    return read_fiji(path, pet)


SQUARE = [(2, 3), (6, 3), (6, 7), (2, 7)]  # x y: columns 2..5, rows 3..6 where the low side is inside


def test_axial_slices_count_from_the_head(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[12 - 4 : 12 - 1, 3:7, 2:6] = True  # slices 2, 3, 4 from the head; the array starts at the feet
    (roi,) = read(tmp_path, table([mask], [drawn_row(1, 2, 4, SQUARE)]))
    assert np.array_equal(full(roi), mask)
    assert roi.name == "node"


def test_coronal_z_counts_from_the_feet(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[3:7, 4:6, 2:6] = True  # points are x z; slices 5 and 6 are rows 4 and 5
    (roi,) = read(tmp_path, table([mask], [drawn_row(2, 5, 6, SQUARE)]))
    assert np.array_equal(full(roi), mask)


def test_sagittal(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[3:7, 2:6, 0:1] = True  # points are y z; slice 1 is column 0
    (roi,) = read(tmp_path, table([mask], [drawn_row(3, 1, 1, SQUARE)]))
    assert np.array_equal(full(roi), mask)


def test_outline_rule_is_the_one_that_fits_the_table(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[5, 3:8, 2:7] = True  # outline included
    (roi,) = read(tmp_path, table([mask], [drawn_row(1, 7, 7, SQUARE)]))
    assert np.array_equal(full(roi), mask)


def test_ellipsoid_shrinks_to_both_ends(tmp_path):
    z, y, x = np.ogrid[:12, :10, :9]
    number = 12 - z  # slice number from the head
    shrink2 = 1 - ((number - 6) / 3) ** 2
    mask = (((x - 4) / 3) ** 2 + ((y - 5) / 2) ** 2 <= shrink2) & (shrink2 > 0)
    points = [(4, 5), (7, 5), (4, 7)]
    (roi,) = read(tmp_path, table([mask], [drawn_row(11, 3, 9, points)]))
    assert np.array_equal(full(roi), mask)
    assert not full(roi)[12 - 3].any()
    assert full(roi)[12 - 6].sum() > full(roi)[12 - 8].sum() > 0


def test_voxel_lists_come_first_and_wrap(tmp_path):
    voxels = [(1, 2, 0), (1, 2, 1), (3, 4, 1), (8, 9, 11)]  # x y z, z from the feet
    listed = np.zeros(SHAPE, bool)
    for x, y, z in voxels:
        listed[z, y, x] = True
    square = np.zeros(SHAPE, bool)
    square[11, 3:7, 2:6] = True
    fields = [f"{x} {y} {z}" for x, y, z in voxels]
    rows = [f"grown, num points = 4,{fields[0]},{fields[1]}", fields[2], fields[3]]
    rois = read(tmp_path, table([listed, square], [drawn_row(1, 1, 1, SQUARE)], [rows]))
    assert [roi.name for roi in rois] == ["grown", "node"]
    assert np.array_equal(full(rois[0]), listed)
    assert np.array_equal(full(rois[1]), square)


@pytest.mark.parametrize("threshold", ["4.0", "41%"])
def test_table_is_above_the_threshold_and_the_roi_is_whole(tmp_path, threshold):
    mask = np.zeros(SHAPE, bool)
    mask[11, 3:7, 2:6] = True
    (roi,) = read(tmp_path, table([mask], [drawn_row(1, 1, 1, SQUARE)], threshold=threshold))
    assert np.array_equal(full(roi), mask)


def test_image_stored_head_first(tmp_path):
    """The same world, its array the other way up in z and y: the same voxels of the world."""
    flipped = Image(SUV[::-1], Geometry(SHAPE, (4.0, 3.0, 2.0), (0, 0, 44.0), HEAD_FIRST))
    mask = np.zeros(SHAPE, bool)
    mask[8:11, 3:7, 2:6] = True
    (axial,) = read(tmp_path, table([mask], [drawn_row(1, 2, 4, SQUARE)]), flipped)
    assert np.array_equal(full(axial), mask[::-1])
    coronal = np.zeros(SHAPE, bool)
    coronal[3:7, 4:6, 2:6] = True
    (roi,) = read(tmp_path, table([coronal], [drawn_row(2, 5, 6, SQUARE)]), flipped)
    assert np.array_equal(full(roi), coronal[::-1])


def test_table_of_another_image_is_refused(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[8:11, 3:7, 2:6] = True
    text = table([mask], [drawn_row(1, 2, 4, SQUARE)])
    with pytest.raises(RoiError, match=r"SUVm\w+ of ROI 1 is .* in the file's own table"):
        read(tmp_path, text, PET.with_array(SUV[::-1].copy()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("node,1,2,4", "node,7,2,4", "type 7"),
        ("node,1,2,4", "node,1,2,14", "spans slices 2 to 14"),
        ("num points = 4", "num points = 5", "4 points of 5"),
        ("Number of ROIs = 1", "Number of ROIs = 2", "not a ROI row"),
        ("Number of ROIs = 1", "Number of sheep = 1", "no ROI"),
        ("\n0.0", "\nend", "SUV threshold"),
    ],
)
def test_broken_files_are_refused(tmp_path, old, new, message):
    mask = np.zeros(SHAPE, bool)
    mask[8:11, 3:7, 2:6] = True
    text = table([mask], [drawn_row(1, 2, 4, SQUARE)])
    assert old in text
    with pytest.raises(RoiError, match=message):
        read(tmp_path, text.replace(old, new))
