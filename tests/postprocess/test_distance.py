"""The farthest two of many points, and which voxels can be among them."""

from __future__ import annotations

import numpy as np
import pytest

from postprocess.distance import farthest_distance, outermost


def test_farthest_of_many_points_in_a_plane_and_in_space() -> None:
    rng = np.random.default_rng(0)
    for points in (rng.normal(size=(2000, 3)), rng.normal(size=(2000, 3)) * (1, 1, 0)):
        expected = max(np.linalg.norm(points - p, axis=1).max() for p in points)
        assert farthest_distance(points) == pytest.approx(expected)


def test_the_outermost_voxels_are_those_at_an_end_of_every_line() -> None:
    """Axis by axis, among those that are left: looked up line by line here."""
    rng = np.random.default_rng(5)
    for share in (0.05, 0.4, 0.95):
        place = np.argwhere(rng.random((5, 7, 6)) < share) + [3, 0, 11]
        left = {tuple(p) for p in place.tolist()}
        for axis in range(3):
            lines: dict[tuple[int, ...], list[int]] = {}
            for voxel in left:
                lines.setdefault(voxel[:axis] + voxel[axis + 1 :], []).append(voxel[axis])
            left = {v for v in left if v[axis] in (min(line := lines[v[:axis] + v[axis + 1 :]]), max(line))}
        assert {tuple(p) for p in outermost(place).tolist()} == left
