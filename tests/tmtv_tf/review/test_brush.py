"""A stroke covers the voxels whose centre is near its line: counted voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from petct.errors import TmtvError
from petct.image import Geometry
from tmtv_tf.review.brush import stroke

GRID = Geometry((9, 15, 21), (4.0, 3.0, 2.0), (-20.0, 10.0, 5.0))
PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}


def world(place: tuple[float, float, float]) -> list[float]:
    return GRID.to_world(place)[0].tolist()


def covered(*asked: Any) -> np.ndarray:
    mask = np.zeros(GRID.shape, bool)
    index = stroke(GRID, *asked)
    assert (np.diff(index) > 0).all()
    mask.reshape(-1)[index] = True
    return mask


def by_hand(points: list[list[float]], radius_mm: float) -> np.ndarray:
    place = GRID.to_world(np.argwhere(np.ones(GRID.shape, bool)))
    near = np.zeros(len(place), bool)
    for a, b in zip(np.array(points), np.array(points[1:] or points)):
        line = b - a
        share = np.clip((place - a) @ line / max(line @ line, 1e-12), 0, 1)
        near |= (
            np.linalg.norm(place - a - share[:, None] * line, axis=1) <= radius_mm + 1e-9
        )  # spacings are whole
    return near.reshape(GRID.shape)


@pytest.mark.parametrize("radius_mm", [0.5, 3.0, 4.1, 9.0])
def test_a_ball_drawn_along_a_line(radius_mm: float) -> None:
    points = [world((4, 7, 3)), world((4.3, 6.2, 15)), world((1, 2, 15))]
    found = covered(points, radius_mm)
    held = np.zeros(GRID.shape, bool)
    held[tuple(np.array([(4, 7, 3), (4, 6, 15), (1, 2, 15)]).T)] = True
    np.testing.assert_array_equal(found, by_hand(points, radius_mm) | held)


@pytest.mark.parametrize("plane", PLANES)
def test_a_disc_stays_on_its_slice(plane: str) -> None:
    axis = PLANES[plane]
    point = (4, 7, 10)
    found = covered([world(point)], 7.0, plane)
    expected = by_hand([world(point)], 7.0)
    slices = [slice(None)] * 3
    slices[axis] = point[axis]  # type: ignore[call-overload]
    only = np.zeros(GRID.shape, bool)
    only[tuple(slices)] = True
    np.testing.assert_array_equal(found, expected & only)


def test_a_stroke_that_reaches_beyond_the_image_ends_there() -> None:
    found = covered([world((0, 0, 0))], 5.0)
    np.testing.assert_array_equal(found, by_hand([world((0, 0, 0))], 5.0))


def test_what_is_refused() -> None:
    with pytest.raises(TmtvError, match="outside the PET"):
        stroke(GRID, [world((4, 7, 40))], 5.0)
    with pytest.raises(TmtvError, match="one slice"):
        stroke(GRID, [world((4, 7, 4)), world((7, 7, 4))], 5.0, "axial")
