"""Shapes, lesions, blur and noise against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.image import Geometry
from tmtv_tf.phantom.canvas import Canvas, smooth_noise
from tmtv_tf.phantom.lesions import MAX_LESION_ML, Lesion, draw_lesions, paint_lesions
from tmtv_tf.phantom.patient import draw_patient
from tmtv_tf.phantom.physics import FWHM_PER_SIGMA, NOISE_POWER, correlated_noise, scan_pet
from tmtv_tf.phantom.reader import AVOIDED_SUV, draw_outlines


def blank(size_mm: float = 120.0, scale=(1.0, 1.0, 1.0), voxel_mm: float = 3.0) -> Canvas:
    n = int(size_mm / voxel_mm)
    grid = Geometry((n, n, n), (voxel_mm,) * 3, (-size_mm / 2, -size_mm / 2, -size_mm / 2))
    return Canvas(grid, scale, 0.0, np.random.default_rng(0))


def test_a_sphere_has_its_volume():
    canvas = blank()
    canvas.ellipsoid((1, 2, -3), (30, 30, 30), suv=1.0)
    assert canvas.suv.sum() * canvas.geometry.voxel_ml == pytest.approx(4 / 3 * np.pi * 27, rel=0.005)


def test_a_shape_grows_with_the_patient_axis_by_axis():
    canvas = blank(scale=(1.2, 0.9, 1.1))
    canvas.ellipsoid((0, 0, 0), (30, 30, 30), suv=1.0)
    extent = [np.count_nonzero((canvas.suv > 0.5).any(axis=axes)) * 3 for axes in ((1, 2), (0, 2), (0, 1))]
    np.testing.assert_allclose(extent, (66, 54, 72), atol=3)


def test_a_tube_has_the_volume_of_a_cylinder_with_round_ends_and_its_uptake_runs_along():
    canvas = blank()
    canvas.tube([(0, 0, -30), (0, 0, 30)], 12, suv=[1.0, 1.0])
    expected = np.pi * 144 * 60 + 4 / 3 * np.pi * 12**3
    assert canvas.suv.sum() * 27 == pytest.approx(expected, rel=0.02)
    canvas.tube([(0, 0, -30), (0, 0, 30)], 12, suv=[2.0, 6.0])
    middle = canvas.geometry.to_index([(0, 0, 0)])[0].round().astype(int)
    assert canvas.suv[tuple(middle)] == pytest.approx(4.0, abs=0.15)


def test_painting_replaces_by_share():
    canvas = blank()
    canvas.ellipsoid((0, 0, 0), (40, 40, 40), suv=2.0, hu=50)
    canvas.ellipsoid((0, 0, 0), (20, 20, 20), suv=7.0)
    assert canvas.suv.max() == pytest.approx(7.0)
    assert set(np.unique(canvas.hu[19:22, 19:22, 19:22])) == {50.0}


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 9999), seed=st.integers(0, 2**32 - 1))
def test_every_patient_has_1_to_40_lesions_of_allowed_size_and_uptake(number, seed):
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(number, rng)
    lesions = draw_lesions(patient, rng)
    assert 1 <= len(lesions) <= 40
    for lesion in lesions:
        assert 2.5 <= lesion.suv <= 35
        radii = np.array([r for _, r in lesion.parts])
        largest_ml = 4 / 3 * np.pi * radii.prod(axis=1).max() / 1000 * np.prod(patient.scale_xyz)
        assert 0.29 <= largest_ml <= MAX_LESION_ML * 1.01
    assert 1.3 <= patient.height_m <= 2.1
    assert 35 <= patient.weight_kg <= 180


def test_subtypes_differ_in_burden():
    """FL has the most lesions, DLBCL the hottest; medians over 120 patients each."""
    count: dict[str, list[float]] = {"HL": [], "DLBCL": [], "FL": []}
    suv: dict[str, list[float]] = {"HL": [], "DLBCL": [], "FL": []}
    for number in range(1, 601):
        rng = np.random.default_rng((1, number))
        patient = draw_patient(number, rng)
        lesions = draw_lesions(patient, rng)
        count[patient.subtype].append(len(lesions))
        suv[patient.subtype].append(max(lesion.suv for lesion in lesions))
    assert np.median(count["FL"]) > 1.3 * np.median(count["HL"])
    assert np.median(suv["DLBCL"]) > 1.2 * np.median(suv["HL"]) > 1.2 * np.median(suv["FL"])


def test_a_painted_lesion_has_its_volume_and_a_cold_centre_where_necrotic():
    canvas = blank(160)
    lesion = Lesion("test", (((0.0, 0.0, 0.0), (40.0, 40.0, 40.0)),), 10.0, 0.0, 0.0, 45.0)
    labels = paint_lesions(canvas, [lesion], np.random.default_rng(1))
    assert np.count_nonzero(labels) * canvas.geometry.voxel_ml == pytest.approx(268, rel=0.2)  # ragged edge
    assert np.median(canvas.suv[labels == 1]) == pytest.approx(10, rel=0.02)
    necrotic = Lesion("test", lesion.parts, 10.0, 0.0, 0.5, 45.0)
    paint_lesions(canvas, [necrotic], np.random.default_rng(1))
    assert canvas.suv[tuple(n // 2 for n in canvas.suv.shape)] < 3


@pytest.mark.parametrize("fwhm_mm", [5.0, 6.0, 7.0])
def test_the_scanner_blurs_to_the_stated_width(fwhm_mm):
    """A sheet, finely sampled: its second moment must be FWHM^2 / (8 ln 2), and nothing may be lost."""
    canvas = blank(150)
    canvas.suv[25, :, :] = 100.0
    centre = canvas.geometry.to_world([(25, 0, 0)])[0][2]
    grid = Geometry((81, 11, 11), (0.5, 4.0, 4.0), (-20.0, -20.0, centre - 20))
    profile = scan_pet(canvas, grid, fwhm_mm, 0.0, np.random.default_rng(0)).mean(axis=(1, 2), dtype=float)
    z = grid.origin_mm[2] + 0.5 * np.arange(81) - centre
    second_moment = (
        profile * z**2
    ).sum() / profile.sum() + 3.0**2 / 12  # the sheet is one canvas voxel thick
    assert profile.sum() * 0.5 == pytest.approx(100 * 3, rel=0.01)
    assert np.sqrt(second_moment) * FWHM_PER_SIGMA == pytest.approx(fwhm_mm, rel=0.05)


def test_noise_grows_with_activity_and_leaves_the_mean():
    canvas = blank(240)
    canvas.suv[:] = 2.3
    grid = Geometry((50, 50, 50), (4.0, 4.0, 4.0), (-100.0, -100.0, -100.0))
    low = scan_pet(canvas, grid, 6.0, 0.12, np.random.default_rng(1))
    assert low.mean() == pytest.approx(2.3, rel=0.005)
    assert low.std() / low.mean() == pytest.approx(0.12, rel=0.05)
    canvas.suv[:] = 23.0
    high = scan_pet(canvas, grid, 6.0, 0.12, np.random.default_rng(1))
    assert high.std() / low.std() == pytest.approx(10**NOISE_POWER, rel=0.05)


def test_noise_has_unit_variance_and_its_length():
    grid = Geometry((60, 60, 60), (2.0, 2.0, 2.0))
    noise = correlated_noise(grid, 6.0, np.random.default_rng(2))
    assert noise.std() == pytest.approx(1.0)
    sigma = 6.0 / FWHM_PER_SIGMA
    lag = np.mean(noise[1:] * noise[:-1])
    assert lag == pytest.approx(np.exp(-(2.0**2) / (4 * sigma**2)), abs=0.03)


def test_smooth_noise_is_centred():
    field = smooth_noise(Geometry((80, 80, 80), (3.0, 3.0, 3.0)), 15.0, np.random.default_rng(3))
    assert abs(field.mean()) < 0.1
    assert 0.4 < field.std() < 1.0  # knots have unit variance, linear interpolation lowers it in between


def test_the_reader_draws_generously_but_keeps_off_hot_organs():
    geometry = Geometry((30, 40, 40), (4.0, 4.0, 4.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[12:18, 15:21, 15:21] = 1
    organ = np.full(geometry.shape, 1.0, np.float32)
    organ[:, :, 22:] = AVOIDED_SUV + 1
    (outline,) = draw_outlines(labels, organ, geometry, np.random.default_rng(0))
    slices = {k for k, _ in outline.contours}
    assert slices >= set(range(12, 18))
    points = np.concatenate([line for _, line in outline.contours])
    assert points[:, 0].min() < 14.5  # a margin towards the cold side
    assert points[:, 0].max() < 22  # none into the organ


def test_a_very_large_mass_is_drawn_in_two_overlapping_pieces():
    geometry = Geometry((40, 40, 40), (4.0, 4.0, 4.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[8:32, 10:30, 10:30] = 1  # 614 mL
    first, second = draw_outlines(
        labels, np.zeros(geometry.shape, np.float32), geometry, np.random.default_rng(0)
    )
    shared = {k for k, _ in first.contours} & {k for k, _ in second.contours}
    assert 2 <= len(shared) <= 8
