"""A reader's point: the SUV there, and the hottest voxel near it. Unequal spacing, so that a swapped axis fails."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess.seeds import snap_seed

GRID = Geometry((12, 14, 16), (5.0, 3.0, 2.0), (-30.0, 15.0, 200.0))


def world(z: float, y: float, x: float) -> tuple[float, float, float]:
    px, py, pz = GRID.to_world((z, y, x))[0].tolist()
    return px, py, pz


def test_a_point_moves_to_the_hottest_voxel_within_10_mm() -> None:
    suv = np.ones(GRID.shape, np.float32)
    suv[6, 7, 12] = 8  # 4 voxels of 2 mm along x: 8 mm away
    suv[8, 7, 8] = 9  # 2 voxels of 5 mm along z: exactly 10 mm away
    suv[6, 11, 8] = 20  # 4 voxels of 3 mm along y: 12 mm away
    point, said = snap_seed(suv, GRID, world(6, 7, 8))
    np.testing.assert_allclose(point, world(8, 7, 8))
    assert said.startswith("SUV 1.00 at the point -14, 36, 230 mm; moved by 10.0 mm")
    assert "-14, 36, 240 mm (SUV 9.00)" in said
    np.testing.assert_allclose(snap_seed(suv, GRID, world(6, 7, 8), 9.9)[0], world(6, 7, 12))


def test_a_point_on_the_hottest_voxel_stays_to_the_tenth_of_a_millimetre() -> None:
    suv = np.ones(GRID.shape, np.float32)
    suv[6, 7, 8] = suv[6, 7, 9] = 5
    point = world(6.2, 6.9, 8.1)
    assert snap_seed(suv, GRID, point) == (point, "SUV 5.00 at the point -13.8, 35.7, 231 mm.")
    assert snap_seed(suv, GRID, world(6, 7, 6), 0.0)[0] == world(6, 7, 6)


def test_at_a_border_and_outside() -> None:
    suv = np.ones(GRID.shape, np.float32)
    suv[0, 0, 1] = 3
    np.testing.assert_allclose(snap_seed(suv, GRID, world(-0.4, -0.4, -0.4))[0], world(0, 0, 1))
    with pytest.raises(ParameterError, match="lies outside the PET"):
        snap_seed(suv, GRID, world(-0.6, 0, 0))
