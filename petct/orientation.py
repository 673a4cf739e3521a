"""One axis order for every file: results must not depend on how a file stores its axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from petct.image import Geometry, Image


@dataclass(frozen=True)
class Orientation:
    """How the array axes of a grid (Z, Y, X as stored) map to world axes: `order` first, then `flipped` ones."""

    order: tuple[int, int, int]
    flipped: tuple[int, ...]

    def apply(self, array: npt.NDArray) -> npt.NDArray:
        """The array with axes running along LPS z, y and x; contiguous, the same object if nothing changes."""
        return np.ascontiguousarray(np.flip(array.transpose(self.order), self.flipped))

    def undo(self, array: npt.NDArray) -> npt.NDArray:
        """The inverse of `apply`."""
        return np.ascontiguousarray(np.flip(array, self.flipped).transpose(np.argsort(self.order)))


def orientation_of(geometry: Geometry) -> Orientation:
    """The permutation and flips that turn a grid's axes as near as possible to LPS z, y, x."""
    columns = np.asarray(geometry.direction).reshape(3, 3)
    axes = columns[::-1, ::-1]  # row: world z, y, x; column: array Z, Y, X
    order = max(permutations((0, 1, 2)), key=lambda p: sum(abs(axes[world, p[world]]) for world in range(3)))
    flipped = tuple(world for world in range(3) if axes[world, order[world]] < 0)
    return Orientation((order[0], order[1], order[2]), flipped)


def to_canonical(image: Image) -> Image:
    """The same image with its axes reordered and flipped to run along LPS z, y and x; no interpolation."""
    turn = orientation_of(image.geometry)
    return Image(turn.apply(image.array), canonical_geometry(image.geometry))


def canonical_geometry(geometry: Geometry) -> Geometry:
    """The grid that `to_canonical` gives."""
    turn = orientation_of(geometry)
    if turn == Orientation((0, 1, 2), ()):
        return geometry
    sign = np.array([-1.0 if world in turn.flipped else 1.0 for world in range(3)])
    columns = np.asarray(geometry.direction).reshape(3, 3)
    first = np.array([0 if s > 0 else geometry.shape[axis] - 1 for s, axis in zip(sign, turn.order)])
    index = np.empty(3)
    index[list(turn.order)] = first
    # Direction columns are X, Y, Z: world order z, y, x reversed, each array axis counted from the other end.
    direction = np.stack([columns[:, 2 - turn.order[w]] * sign[w] for w in (2, 1, 0)], axis=1)
    a, b, c = turn.order
    x, y, z = geometry.to_world(index)[0].tolist()
    return Geometry(
        shape=(geometry.shape[a], geometry.shape[b], geometry.shape[c]),
        spacing_mm=(geometry.spacing_mm[a], geometry.spacing_mm[b], geometry.spacing_mm[c]),
        origin_mm=(x, y, z),
        direction=tuple(float(v) for v in direction.reshape(-1)),
    )
