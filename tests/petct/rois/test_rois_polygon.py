"""Even-odd filling against shapes whose voxels are counted by hand, and against matplotlib's point in polygon."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from petct.rois.polygon import fill_loops


def square(low, high):
    return np.array([(low, low), (low, high), (high, high), (high, low)], float)


def test_square_on_voxel_edges():
    mask = fill_loops([square(1.5, 4.5)], (8, 8))
    assert mask.sum() == 9
    assert mask[2:5, 2:5].all()


def test_nested_loops_are_holes_and_islands():
    mask = fill_loops([square(0.5, 7.5), square(1.5, 6.5), square(2.5, 5.5)], (9, 9))
    assert mask.sum() == 49 - 25 + 9


def test_keyhole_channel_cancels():
    """One loop walks the outer square, a slanted channel, the inner square the other way round, and back."""
    outer, inner = square(0.5, 7.5), square(2.5, 5.5)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])
    assert np.array_equal(fill_loops([keyhole], (9, 9)), fill_loops([outer, inner], (9, 9)))


def test_outline_through_voxel_centres_keeps_its_area():
    mask = fill_loops([square(2, 5)], (8, 8))
    assert mask.sum() == 9
    assert mask[2:5, 2:5].all()


def test_neighbours_share_no_voxel():
    left = np.array([(0, 0), (0, 3), (6, 3), (6, 0)], float)
    right = np.array([(0, 3), (0, 6), (6, 6), (6, 3)], float)
    a, b = fill_loops([left], (7, 7)), fill_loops([right], (7, 7))
    assert not (a & b).any()
    assert (a | b).sum() == 36


def test_loops_beyond_the_plane_are_cut():
    assert fill_loops([square(-5.5, 20.5)], (4, 6)).all()
    assert not fill_loops([square(-9.5, -3.5)], (4, 6)).any()
    assert fill_loops([square(-9.5, 2.5)], (4, 6)).sum() == 9


def test_nothing_encloses_nothing():
    assert not fill_loops([], (3, 3)).any()
    assert not fill_loops([np.array([(1.0, 1.0), (2.0, 2.0)])], (3, 3)).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 15)), min_size=3, max_size=9))
def test_simple_polygons_equal_matplotlib(points):
    """Star-shaped around their mean, hence without self-intersection; centres on an outline left out."""
    loop = np.round(np.array(points), 3) + 0.00037
    offset = loop - loop.mean(axis=0)
    loop = loop[np.argsort(np.arctan2(offset[:, 0], offset[:, 1]))]
    centres = np.stack(np.meshgrid(np.arange(12), np.arange(13), indexing="ij"), -1).reshape(-1, 2)
    expected = Path(loop).contains_points(centres)
    sure = np.min([distance(centres, a, b) for a, b in zip(loop, np.roll(loop, -1, axis=0))], axis=0) > 1e-6
    assert np.array_equal(fill_loops([loop], (12, 13)).ravel()[sure], expected[sure])


def distance(points, a, b):
    """Of each point (N, 2) from the edge a-b."""
    along = np.clip((points - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
    return np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
