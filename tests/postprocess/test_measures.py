"""Numbers against geometry, SimpleITK, MIRP and the digital phantom of IBSI (Image Biomarker Standardisation)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.errors import ImageError
from petct.image import Geometry
from petct.suv.patient import body_surface_m2
from postprocess import lesion_table, patient_measures, segment
from postprocess.measures import lesions_of_voxels, outer_voxels, summarize
from postprocess.segmentation import Lesions

# The digital phantom (IBSI reference manual, section 5.1): 2 mm voxels, (Z, Y, X); 0 marks voxels outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    np.float32,
)
# The published image holds 1 in the six voxels outside the region, but 9 in the one amidst it.
PHANTOM_IMAGE = np.where(PHANTOM == 0, np.float32(1), PHANTOM)
PHANTOM_IMAGE[2, 2, 2] = 9


def test_the_digital_phantom_of_ibsi() -> None:
    (row,) = lesion_table((PHANTOM > 0).astype(np.int32), PHANTOM_IMAGE, (2.0, 2.0, 2.0))
    assert row.volume_ml * 1000 == 592  # RNU0, volume by voxel counting
    assert row.suv_mean == pytest.approx(2.15, abs=0.005)  # Q4LE
    assert row.suv_sd**2 == pytest.approx(3.05, abs=0.005)  # ECT3
    assert row.suv_max == 6  # 84IY
    assert row.suv_peak_at_max == pytest.approx(2.6, abs=0.05)  # VJGA, local intensity peak
    assert row.suv_peak == pytest.approx(3.1, abs=0.05)  # 0F91, global intensity peak
    assert row.sphericity == pytest.approx(0.843, abs=0.0005)  # QCFX


def random_labels(seed: int, shape: tuple[int, ...] = (24, 30, 28)) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    suv = (gaussian_filter(rng.normal(size=shape), 2) * 40 + 5).astype(np.float32)
    return segment(suv > 7, suv, (3.0, 2.0, 1.5), "raw"), suv


def test_equal_to_simpleitk() -> None:
    """With SimpleITK: LabelIntensityStatisticsImageFilter().Execute(labels, suv), GetMean, GetPhysicalSize, ..."""
    import SimpleITK as sitk

    labels, suv = random_labels(1)
    geometry = Geometry(labels.shape, (3.0, 2.0, 1.5), (-10.0, 20.0, 300.0), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    images = [sitk.GetImageFromArray(labels), sitk.GetImageFromArray(suv)]
    for image in images:
        image.SetSpacing(geometry.spacing_mm[::-1])
        image.SetOrigin(geometry.origin_mm)
        image.SetDirection(geometry.direction)
    statistics = sitk.LabelIntensityStatisticsImageFilter()
    statistics.Execute(*images)
    rows = lesion_table(labels, suv, geometry.spacing_mm, geometry)
    assert len(rows) == statistics.GetNumberOfLabels() > 10
    for row in rows:
        n = statistics.GetNumberOfPixels(row.label)
        assert row.volume_ml == pytest.approx(statistics.GetPhysicalSize(row.label) / 1000, rel=1e-12)
        assert row.suv_mean == pytest.approx(statistics.GetMean(row.label), rel=1e-12)
        assert row.suv_max == statistics.GetMaximum(row.label)
        if n > 1:  # SimpleITK divides by n - 1
            sd = statistics.GetStandardDeviation(row.label) * math.sqrt((n - 1) / n)
            assert row.suv_sd == pytest.approx(sd, rel=1e-9)
        assert row.tlg == pytest.approx(statistics.GetSum(row.label) * 9e-3, rel=1e-12)
        assert (row.x_mm, row.y_mm, row.z_mm) == pytest.approx(statistics.GetCentroid(row.label), abs=1e-9)


def test_equal_to_mirp() -> None:
    mirp = pytest.importorskip("mirp")
    labels, suv = random_labels(0)
    suv = np.maximum(suv, 0)  # MIRP does so by itself
    mask = (labels == 3).astype(np.uint8)  # 80 voxels; above 300 MIRP counts voxels outside the image as 0
    (found,) = mirp.extract_features(
        image=suv,
        mask=mask,
        image_modality="pet",
        base_feature_families=["local_intensity", "statistics", "morphology"],
    )
    (row,) = lesion_table(mask.astype(np.int32), suv, (1.0, 1.0, 1.0))
    assert row.suv_mean == pytest.approx(float(found["stat_mean"].iloc[0]), rel=1e-5)
    assert row.suv_sd**2 == pytest.approx(float(found["stat_var"].iloc[0]), rel=1e-5)
    assert row.sphericity == pytest.approx(float(found["morph_sphericity"].iloc[0]), rel=1e-4)
    assert row.suv_peak == pytest.approx(float(found["loc_peak_glob"].iloc[0]), rel=1e-5)
    assert row.suv_peak_at_max == pytest.approx(float(found["loc_peak_loc"].iloc[0]), rel=1e-5)


def test_a_sphere_with_unequal_spacing() -> None:
    spacing_mm, radius_mm = (3.0, 2.0, 1.0), 20.0
    z, y, x = (np.arange(-n, n + 1) * s for n, s in zip((9, 14, 27), spacing_mm))
    labels = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius_mm**2).astype(np.int32)
    suv = np.full(labels.shape, 7, np.float32)
    geometry = Geometry(labels.shape, spacing_mm, (x[0] + 5, y[0] + 6, z[0] + 7))
    (row,) = lesion_table(labels, suv, spacing_mm, geometry)
    assert row.volume_ml == pytest.approx(4 / 3 * math.pi * 8, rel=0.01)
    assert (row.suv_mean, row.suv_sd, row.suv_peak) == pytest.approx((7, 0, 7))
    assert row.tlg == pytest.approx(7 * row.volume_ml)
    assert (row.x_mm, row.y_mm, row.z_mm) == pytest.approx((5, 6, 7))
    assert 0.85 < row.sphericity < 0.9  # a staircase, not a sphere
    assert (row.x_min_mm, row.x_max_mm) == (5 - 20.5, 5 + 20.5)
    assert (row.z_min_mm, row.z_max_mm) == (7 - 18 - 1.5, 7 + 18 + 1.5)
    found = patient_measures(labels, suv, spacing_mm)
    assert found.dmax_voxel_mm == pytest.approx(40)
    assert (found.dmax_mm, found.dmax_bulk_mm, found.lesion_count) == (0, 0, 1)


def test_the_three_dmax() -> None:
    labels = np.zeros((1, 40, 60), np.int32)
    labels[0, 0, 0:5] = 1
    labels[0, 30, 2] = 2
    labels[0, 30, 42] = 3
    found = patient_measures(labels, np.ones(labels.shape, np.float32), (9.0, 1.0, 2.0))
    # Centroids (y, x) in mm: (0, 4), (30, 4), (30, 84).
    assert found.dmax_mm == pytest.approx(math.hypot(30, 80))
    assert found.dmax_bulk_mm == pytest.approx(math.hypot(30, 80))
    assert found.dmax_voxel_mm == pytest.approx(math.hypot(30, 84))
    labels[labels == 1] = 0
    labels[0, 30, 2:8] = 1
    found = patient_measures(labels, np.ones(labels.shape, np.float32), (9.0, 1.0, 2.0))
    assert found.dmax_mm == found.dmax_bulk_mm == pytest.approx(84 - 9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_farthest_voxels_equal_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 12, 3))
    labels = (rng.random(shape) < 0.4).astype(np.int32)
    labels[0, 0, 0] = 1
    spacing_mm = (4.0, 2.5, 1.0)
    points = np.argwhere(labels) * spacing_mm
    expected = max(np.linalg.norm(points - p, axis=1).max() for p in points)
    found = patient_measures(labels, np.ones(shape, np.float32), spacing_mm)
    assert found.dmax_voxel_mm == pytest.approx(expected)


def test_nothing_found_is_zeros_and_undefined() -> None:
    empty = np.zeros((3, 4, 5), np.int32)
    suv = np.ones(empty.shape, np.float32)
    assert lesion_table(empty, suv, (1.0, 1.0, 1.0)) == []
    assert patient_measures(empty, suv, (1.0, 1.0, 1.0)).as_dict() == {
        "tmtv_ml": 0.0,
        "tlg": 0.0,
        "lesion_count": 0,
        "suv_max": None,
        "suv_peak": None,
        "dmax_mm": None,
        "dmax_voxel_mm": None,
        "dmax_bulk_mm": None,
    }


def test_body_surface_of_a_standard_adult() -> None:
    assert body_surface_m2(170, 70) == pytest.approx(1.81, abs=0.005)


def test_positions_are_lps_only_where_the_geometry_is_known() -> None:
    """`x_mm` without a geometry was no LPS, and looked it (issue 12, item 8)."""
    geometry = Geometry((4, 5, 6), (4.0, 3.0, 2.0), (10.0, 20.0, 30.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    labels = np.zeros(geometry.shape, np.int32)
    labels[1, 2, 3] = labels[1, 2, 4] = 1
    suv = np.full(geometry.shape, 3, np.float32)
    (here,) = lesion_table(labels, suv, geometry.spacing_mm)
    (there,) = lesion_table(labels, suv, geometry.spacing_mm, geometry)
    place = here.x_from_first_voxel_mm, here.y_from_first_voxel_mm, here.z_from_first_voxel_mm
    assert place == (7, 6, 4)
    assert (there.x_mm, there.y_mm, there.z_mm) == (10 - 7, 20 - 6, 30 + 4)
    assert (here.x_min_from_first_voxel_mm, here.x_max_from_first_voxel_mm) == (5, 9)
    assert not any(hasattr(here, name) for name in ("x_mm", "x_min_mm", "z_max_mm"))
    assert (here.volume_ml, here.tlg, here.suv_peak) == (there.volume_ml, there.tlg, there.suv_peak)


def test_arrays_that_do_not_agree_are_refused() -> None:
    labels, suv = np.ones((2, 3, 4), np.int32), np.ones((2, 3, 4), np.float32)
    with pytest.raises(ImageError, match="one shape"):
        lesion_table(labels[1:], suv, (1.0, 1.0, 1.0))
    for geometry in (Geometry((2, 3, 4), (1.0, 1.0, 2.0)), Geometry((4, 3, 2), (1.0, 1.0, 1.0))):
        with pytest.raises(ImageError, match="The geometry is of"):
            lesion_table(labels, suv, (1.0, 1.0, 1.0), geometry)


def test_measures_equal_scikit_image_s_regionprops() -> None:
    """`skimage.measure.regionprops_table(labels, suv, properties=(...), spacing=spacing_mm)`, which sums in float32."""
    from skimage.measure import regionprops_table

    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (7, 8, 9)).astype(np.int32)
    suv, spacing_mm = rng.gamma(2, 3, labels.shape).astype(np.float32), (3.0, 2.0, 1.0)
    names = ("area", "intensity_max", "intensity_mean", "intensity_std", "centroid")
    expected = regionprops_table(labels, suv, properties=names, spacing=spacing_mm)
    rows = lesion_table(labels, suv, spacing_mm)
    for name, of in {
        "area": lambda row: row.volume_ml * 1000,
        "intensity_max": lambda row: row.suv_max,
        "intensity_mean": lambda row: row.suv_mean,
        "intensity_std": lambda row: row.suv_sd,
        "centroid-0": lambda row: row.z_from_first_voxel_mm,
        "centroid-1": lambda row: row.y_from_first_voxel_mm,
        "centroid-2": lambda row: row.x_from_first_voxel_mm,
    }.items():
        np.testing.assert_allclose([of(row) for row in rows], expected[name], rtol=1e-5, err_msg=name)


def test_the_outer_voxels_of_each_lesion_give_the_dmax_of_all_voxels() -> None:
    """The farthest two voxels of a patient are among the outer ones of their lesions."""
    rng = np.random.default_rng(5)
    labels = np.zeros((30, 40, 50), np.int32)
    for label in range(1, 6):
        low = rng.integers(0, (20, 30, 40))
        box = tuple(slice(a, a + n) for a, n in zip(low, rng.integers(1, 10, 3)))
        labels[box] = np.where(rng.random(labels[box].shape) < 0.7, label, labels[box])
    geometry = Geometry(labels.shape, (3.0, 2.0, 2.5))
    index = np.flatnonzero(labels)
    voxels = Lesions(index, labels.reshape(-1)[index], labels.shape)
    rows = lesions_of_voxels(voxels, np.ones(labels.shape, np.float32), geometry)
    found = [outer_voxels(index[voxels.label == row.label], labels.shape) for row in rows]
    outer = np.concatenate(found)
    assert outer.size < index.size
    assert summarize(rows, voxels, geometry, outer) == summarize(rows, voxels, geometry)
