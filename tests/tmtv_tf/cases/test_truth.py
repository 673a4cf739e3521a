"""The truth of each threshold, drawn by hand; inequalities tested exactly on them."""

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from petct.rois import Roi
from tmtv_tf.cases.truth import METHODS, make_truth, tmtv_probability

SUV = np.zeros((3, 4, 5), np.float32)
SUV[1, 1, :] = [10.0, 4.1, 4.0, 2.5, 2.6]


def row_roi(values_mask):
    mask = np.zeros(SUV.shape, bool)
    mask[1, 1] = values_mask
    return Roi.from_mask("row", mask)


def test_inequalities_exactly_on_the_thresholds():
    truth = make_truth(SUV, [row_roi(True)], voxel_ml=0.5)
    kept = {method: truth.mask(method)[1, 1].tolist() for method in METHODS}
    assert kept["41"] == [True, True, False, False, False]  # 4.1 >= 0.41 * 10
    assert kept["4.0"] == [True, True, False, False, False]  # 4.0 is not > 4.0
    assert kept["2.5"] == [True, True, True, False, True]  # 2.5 is not > 2.5
    otsu = threshold_otsu(SUV[1, 1], nbins=256)
    assert kept["otsu"] == (SUV[1, 1] > otsu).tolist()
    assert truth.probability()[1, 1].tolist() == [1.0, 1.0, 0.25, 0.0, 0.25]
    assert truth.probability().dtype == np.float32


def test_rows_measure_each_roi():
    (row,) = make_truth(SUV, [row_roi(True)], voxel_ml=0.5).rows
    assert row["roi"] == 1
    assert row["voxels"] == 5
    assert row["volume_ml"] == 2.5
    assert row["suv_max"] == 10
    assert row["suv_mean"] == pytest.approx((10 + 4.1 + 4.0 + 2.5 + 2.6) / 5, rel=1e-6)
    assert row["volume_41_ml"] == 1.0
    assert row["volume_2.5_ml"] == 2.0


def test_overlapping_rois_keep_their_own_suvmax():
    """The second ROI lacks the hot voxel: its 41 % is of 4.1, so 4.0, 2.5 and 2.6 count there."""
    hot, cold = row_roi([1, 1, 0, 0, 0]), row_roi([0, 1, 1, 1, 1])
    truth = make_truth(SUV, [hot, cold], voxel_ml=1.0)
    assert truth.mask("41")[1, 1].tolist() == [True, True, True, True, True]
    union = make_truth(SUV, [row_roi(True)], voxel_ml=1.0)
    assert union.mask("41").sum() == 2


def test_roi_wholly_below_the_thresholds():
    suv = np.full((2, 2, 2), 1.0, np.float32)
    suv[0, 0, 0] = 2.0
    truth = make_truth(suv, [Roi.from_mask("cold", np.ones(suv.shape, bool))], voxel_ml=1.0)
    assert not truth.mask("2.5").any()
    assert not truth.mask("4.0").any()
    assert truth.mask("41").all()  # 1 >= 0.82
    assert truth.mask("otsu").sum() == 1
    assert set(np.unique(truth.probability())) == {0.25, 0.5}


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0, 5.0]])
def test_otsu_of_one_voxel_or_a_constant_is_the_roi(values):
    assert METHODS["otsu"](np.array(values, np.float32)).all()


def test_zero_uptake():
    assert METHODS["41"](np.zeros(3, np.float32)).all()  # 0 >= 0, as the inequality says


def test_no_roi_and_roi_outside_are_empty():
    assert not tmtv_probability(SUV, []).any()
    outside = Roi.from_mask("outside", np.zeros(SUV.shape, bool))
    truth = make_truth(SUV, [outside], voxel_ml=1.0)
    assert not truth.probability().any()
    assert truth.rows[0]["voxels"] == 0
    assert truth.rows[0]["suv_max"] is None


def test_input_is_left_alone():
    before = SUV.copy()
    tmtv_probability(SUV, [row_roi(True)])
    assert np.array_equal(SUV, before)


def test_components_of_a_roi():
    mask = np.zeros((3, 4, 5), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[1, 1, 2] = True  # touching by a corner only
    parts = Roi.from_mask("a", mask).components()
    assert sorted(part.voxels for part in parts) == [1, 2]
    rebuilt = np.zeros(mask.shape, bool)
    for part in parts:
        rebuilt[part.slices] |= part.mask
    assert np.array_equal(rebuilt, mask)
