"""What organs are painted with: shapes of known volume."""

from __future__ import annotations

import numpy as np
import pytest
from phantom_paint import blank

from petct.image import Geometry
from tmtv_tf.phantom.canvas import smooth_noise


def test_smooth_noise_is_centred():
    field = smooth_noise(Geometry((80, 80, 80), (3.0, 3.0, 3.0)), 15.0, np.random.default_rng(3))
    assert abs(field.mean()) < 0.1
    assert 0.4 < field.std() < 1.0  # knots have unit variance, linear interpolation lowers it in between


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
