"""The canonical orientation and the way back."""

from __future__ import annotations

import itertools

import numpy as np
from stored_images import stored

from petct.image import Geometry, Image
from petct.orientation import canonical_geometry, orientation_of, to_canonical


def test_all_48_orientations_come_back_and_forth() -> None:
    image = Image(
        np.arange(2 * 3 * 4).reshape(2, 3, 4), Geometry((2, 3, 4), (5.0, 3.0, 2.0), (1.0, 2.0, 3.0))
    )
    for order in itertools.permutations(range(3)):
        for flips in itertools.chain.from_iterable(itertools.combinations(range(3), n) for n in range(4)):
            other = stored(image, order, flips)
            back = to_canonical(other)
            np.testing.assert_array_equal(back.array, image.array)
            assert back.geometry.same_grid(image.geometry)
            np.testing.assert_array_equal(orientation_of(other.geometry).undo(back.array), other.array)


def test_an_oblique_grid_keeps_its_world_positions() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    grid = Geometry((4, 5, 6), (5.0, 3.0, 2.0), (7.0, 8.0, 9.0), (-c, s, 0, -s, -c, 0, 0, 0, 1))
    image = Image(np.arange(120).reshape(4, 5, 6), grid)
    turned = to_canonical(image)
    for value in (0, 17, 119):
        at = [np.argwhere(i.array == value) for i in (image, turned)]
        np.testing.assert_allclose(grid.to_world(at[0]), turned.geometry.to_world(at[1]), atol=1e-9)
    assert canonical_geometry(turned.geometry) == turned.geometry
