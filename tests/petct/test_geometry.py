"""Grids: what is one, and where its voxels lie."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ImageError
from petct.geometry import Geometry


def test_the_grid_of_a_part_keeps_every_voxel_in_its_place():
    oblique = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, -1.0)
    grid = Geometry((6, 7, 8), (3.0, 2.0, 2.5), (-10.0, 20.0, 5.0), oblique)
    part = grid.part((slice(2, 5), slice(1, 7), slice(3, 4)))
    assert part.shape == (3, 6, 1)
    np.testing.assert_allclose(part.to_world([2, 5, 0]), grid.to_world([4, 6, 3]))


SHAPE, SPACING = (2, 3, 4), (3.0, 2.0, 1.0)


@pytest.mark.parametrize("spacing", [(-3, 2, 1), (0, 2, 1), (np.nan, 2, 1), (3, 2), (3, 2, "1 mm"), 3, None])
def test_a_grid_has_a_positive_spacing(spacing: object) -> None:
    with pytest.raises(ImageError, match="`spacing_mm` must be"):
        Geometry(SHAPE, spacing)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 4), (2.5, 3, 4), (-2, 3, 4), 24])
def test_a_grid_has_a_whole_shape(shape: object) -> None:
    with pytest.raises(ImageError, match="`shape` must be"):
        Geometry(shape, SPACING)  # type: ignore[arg-type]


def test_a_grid_lies_somewhere_and_its_axes_are_unit_vectors() -> None:
    with pytest.raises(ImageError, match="`origin_mm` must be 3 finite numbers"):
        Geometry(SHAPE, SPACING, (0.0, np.inf, 0.0))
    with pytest.raises(ImageError, match="`direction` must be 9 finite numbers"):
        Geometry(SHAPE, SPACING, direction=(1.0, 0.0, 0.0))
    with pytest.raises(
        ImageError, match="unit vectors"
    ):  # the spacing is in it once more: volumes would be wrong
        Geometry(SHAPE, SPACING, direction=(1.0, 0, 0, 0, 2.0, 0, 0, 0, 3.0))
