"""Which voxels a sphere holds."""

from __future__ import annotations

from postprocess.ball import ball


def test_a_distance_equal_to_the_radius_is_within() -> None:
    assert ball(4.0, (2.0, 4.0, 4.1)).shape == (5, 3, 1)
    assert ball(4.0, (2.0, 4.0, 4.1)).sum() == 5 + 2
