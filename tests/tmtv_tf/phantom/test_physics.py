"""Blur and noise of the scanner."""

from __future__ import annotations

import numpy as np
import pytest
from phantom_paint import blank

from petct.image import Geometry
from tmtv_tf.phantom.physics import FWHM_PER_SIGMA, NOISE_POWER, correlated_noise, scan_pet


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
