"""One axis order for every file: results must not depend on how a file stores its axes. nibabel turns them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

from petct.geometry import Geometry, Image

_UNTURNED = np.array([(0, 1), (1, 1), (2, 1)], float)


@dataclass(frozen=True, eq=False)
class Orientation:
    """Where the array axes of a grid run. `turn`: nibabel's (world axis z, y, x; flip) for each of them."""

    turn: npt.NDArray[np.float64]

    @property
    def order(self) -> tuple[int, ...]:
        """The array axes that run along world z, y and x."""
        return tuple(np.argsort(self.turn[:, 0]).tolist())

    @property
    def flipped(self) -> tuple[int, ...]:
        """The world axes (0 = z, 1 = y, 2 = x) that run backwards."""
        return tuple(world for world, axis in enumerate(self.order) if self.turn[axis, 1] < 0)

    def apply(self, array: npt.NDArray) -> npt.NDArray:
        """The array with axes running along LPS z, y and x; contiguous, its own memory if nothing changes."""
        return np.ascontiguousarray(apply_orientation(array, self.turn))

    def undo(self, array: npt.NDArray) -> npt.NDArray:
        """The inverse of `apply`."""
        return np.ascontiguousarray(apply_orientation(array, ornt_transform(_UNTURNED, self.turn)))


def orientation_of(geometry: Geometry) -> Orientation:
    """The permutation and flips that turn a grid's axes as near as possible to LPS z, y, x."""
    return Orientation(io_orientation(geometry.index_to_world[[2, 1, 0, 3]]))


def to_canonical(image: Image) -> Image:
    """The same image with its axes reordered and flipped to run along LPS z, y and x; no interpolation."""
    return Image(orientation_of(image.geometry).apply(image.array), canonical_geometry(image.geometry))


def canonical_geometry(geometry: Geometry) -> Geometry:
    """The grid that `to_canonical` gives."""
    found = orientation_of(geometry)
    if np.array_equal(found.turn, _UNTURNED):
        return geometry
    spacing = np.array(geometry.spacing_mm)[list(found.order)]
    matrix = geometry.index_to_world @ inv_ornt_aff(found.turn, geometry.shape)
    z, y, x = spacing.tolist()
    ox, oy, oz = matrix[:3, 3].tolist()
    a, b, c = found.order
    return Geometry(
        shape=(geometry.shape[a], geometry.shape[b], geometry.shape[c]),
        spacing_mm=(z, y, x),
        origin_mm=(ox, oy, oz),
        direction=tuple((matrix[:3, :3] / spacing)[:, ::-1].ravel().tolist()),
    )
