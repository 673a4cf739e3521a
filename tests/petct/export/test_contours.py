"""Outlines against drawn masks; the even-odd rule at voxel centres is matplotlib's, an independent one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon
from scipy import ndimage

from petct.export.contours import INSET, contours


def filled(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    centres = np.argwhere(np.ones(shape, bool))
    return Polygon(np.vstack([points, points[:1]])).contains_points(centres).reshape(shape)


def test_one_voxel_is_a_square_moved_inwards() -> None:
    (contour,) = contours(np.ones((1, 1, 1), bool))
    half = 0.5 - INSET
    assert contour.z == 0
    assert {tuple(p) for p in contour.points.round(9)} == {
        (a, b) for a in (-half, half) for b in (-half, half)
    }


def test_corner_touching_voxels_stay_apart() -> None:
    found = contours(np.eye(2, dtype=bool)[None])
    assert len(found) == 2
    assert [len(c.points) for c in found] == [4, 4]


def test_a_hole_is_a_keyhole_in_one_contour() -> None:
    mask = np.ones((1, 5, 5), bool)
    mask[0, 2, 2] = False
    (contour,) = contours(mask)
    assert np.array_equal(filled(contour.points, (5, 5)), mask[0])


def test_nothing_has_no_contour() -> None:
    assert contours(np.zeros((2, 3, 4), bool)) == []


def test_slices_come_in_order() -> None:
    mask = np.zeros((4, 3, 3), bool)
    mask[[1, 3], 1, 1] = True
    assert [c.z for c in contours(mask)] == [1, 3]


@settings(max_examples=300)
@given(arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))))
def test_every_mask_comes_back(mask: np.ndarray) -> None:
    """One contour for each face-connected part of a slice; their union is the mask, and no two overlap."""
    found = contours(mask)
    again = np.zeros(mask.shape, int)
    for contour in found:
        again[contour.z] += filled(contour.points, mask.shape[1:])
    assert np.array_equal(again, mask)
    assert len(found) == sum(ndimage.label(plane)[1] for plane in mask)


@pytest.mark.parametrize("side", [12, 30])
def test_many_holes(side: int) -> None:
    mask = np.random.default_rng(side).random((1, side, side)) > 0.35
    again = sum(filled(c.points, (side, side)).astype(int) for c in contours(mask))
    assert np.array_equal(again, mask[0])
