"""Projections: left is left at every angle, nothing hot is lost, a polygon holds what the picture shows in it."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image as Pillow

from petct.errors import TmtvError
from petct.image import Geometry, Image
from petct.palette import lesion_color
from postprocess.segmentation import Lesions
from tmtv_tf.review.mip import ANGLES, Projections

GRID = Geometry((10, 21, 31), (5.0, 2.0, 1.5), (-100.0, -50.0, 30.0))
SPOT = (7, 4, 25)  # head, front, left


def spot(place: tuple[int, int, int] = SPOT) -> Projections:
    array = np.zeros(GRID.shape, np.float32)
    array[place] = 12.5
    return Projections(Image(array, GRID))


def expected(angle: int, place: tuple[int, int, int]) -> tuple[float, float]:
    """Row and column in mm from the middle, by the rotation written out."""
    z, y, x = place
    right = (x - 15) * 1.5 * math.cos(math.radians(angle)) + (y - 10) * 2.0 * math.sin(math.radians(angle))
    return (9 - z) * 5.0, right


@pytest.mark.parametrize("angle", range(0, 360, 10))
def test_a_spot_is_where_it_belongs_at_every_angle(angle: int) -> None:
    made = spot()
    suv = made.suv(angle)
    assert suv.max() == pytest.approx(12.5, abs=1 / 500)
    rows, columns = np.nonzero(suv)
    row_mm, column_mm = expected(angle, SPOT)
    assert set(rows.tolist()) == {row_mm / made.mm_per_pixel[0]}
    middle = (columns + 0.5 - made.width / 2) * made.mm_per_pixel[1]
    assert np.abs(middle - column_mm).max() <= 2 * made.mm_per_pixel[1]  # blocks of 2 x 2 voxels
    row, column = made.place(angle, np.array([np.ravel_multi_index(SPOT, GRID.shape)]))
    assert row[0] == 9 - SPOT[0] + 0.5
    assert (column[0] - made.width / 2) * made.mm_per_pixel[1] == pytest.approx(column_mm)


def test_from_the_front_the_left_side_is_on_the_right_and_the_head_on_top() -> None:
    rows, columns = np.nonzero(spot().suv(0))
    assert columns.mean() > spot().width / 2
    assert rows.max() < spot().height / 2
    assert np.nonzero(spot().suv(180))[1].mean() < spot().width / 2  # from the back
    assert np.nonzero(spot().suv(90))[1].mean() < spot().width / 2  # from the left: the front is on the left


def test_the_projection_is_the_maximum_of_the_body() -> None:
    """At 0 degrees it is numpy's maximum along y, joined in blocks along x."""
    array = np.random.default_rng(0).uniform(0, 30, GRID.shape).astype(np.float32)
    made = Projections(Image(array, GRID))
    blocks = np.maximum.reduceat(array.max(axis=1), np.arange(0, 31, 2), axis=1)[::-1]
    found = made.suv(0)
    for k in range(blocks.shape[1]):
        middle = min(k * 2 + 0.5, 30)
        column = int((middle - 15) * 1.5 / made.mm_per_pixel[1] + made.width / 2)
        assert (found[:, column] >= blocks[:, k] - 0.01).all()
    for row, values in zip(found, blocks):
        known = np.append(values, 0)
        assert np.abs(row[:, None] - known).min(axis=1).max() < 0.01  # nothing that is not in the body
        assert row.max() == pytest.approx(values.max(), abs=0.01)


def test_the_picture_is_inverted_grey_in_the_window_asked_for() -> None:
    for high, grey in ((12.5, 0), (25.0, 128), (125.0, 230)):
        picture = np.array(Pillow.open(io.BytesIO(spot().png(0, high))))
        assert picture.max() == 255
        assert abs(int(picture.min()) - grey) <= 1


@pytest.mark.parametrize("angle", [0, 40, 130, 270])
def test_lesions_have_their_colours_where_the_spot_is(angle: int) -> None:
    made = spot()
    index = np.array([np.ravel_multi_index(SPOT, GRID.shape)])
    array = np.zeros(GRID.shape, np.float32)
    png = made.label_png(angle, Lesions(index, np.array([3], np.int32), GRID.shape), array)
    picture = np.array(Pillow.open(io.BytesIO(png)))
    assert picture.shape == (made.height, made.width, 4)
    rows, columns = np.nonzero(picture[..., 3])
    assert {tuple(p) for p in picture[rows, columns, :3].tolist()} == {lesion_color(3)}
    assert made.suv(angle)[rows, columns].max() > 0


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_a_lasso_holds_the_voxels_that_the_picture_shows_in_it(angle: int) -> None:
    made = spot()
    index = np.arange(np.prod(GRID.shape))
    row, column = (float(v[0]) for v in made.place(angle, np.array([np.ravel_multi_index(SPOT, GRID.shape)])))
    square = [(column + a, row + b) for a, b in ((-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (-0.4, 0.4))]
    inside = made.inside(angle, square, index)
    rows, columns = made.place(angle, index)
    by_hand = (np.abs(rows - row) < 0.4) & (np.abs(columns - column) < 0.4)
    np.testing.assert_array_equal(inside, by_hand)
    assert inside[np.ravel_multi_index(SPOT, GRID.shape)]
    whole = [(0, 0), (made.width, 0), (made.width, made.height), (0, made.height)]
    assert made.inside(angle, whole, index).all()


def test_what_cannot_be_asked() -> None:
    for angle in (-10, 5, 360):
        with pytest.raises(TmtvError, match="every 10 degrees"):
            spot().suv(angle)
    for high in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(TmtvError, match="window"):
            spot().png(0, high)
    assert ANGLES == 36
