"""The farthest two of many points, of many voxels."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

_BLOCK = 1024  # rows of the distance matrix held at once
_ROUNDING = 1e-9  # of distances, relative
_FEW = 512  # fewer points are compared pair by pair without taking their hull first


def farthest_distance(points_mm: npt.NDArray[np.floating]) -> float:
    """Largest Euclidean distance between two of the points (N, 3), N >= 1; one point gives 0."""
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import cdist

    points_mm = _possible_ends(points_mm)
    if len(points_mm) > _FEW:
        with suppress(QhullError):  # all in one plane: compare them all
            points_mm = points_mm[ConvexHull(points_mm).vertices]
    blocks = (points_mm[i : i + _BLOCK] for i in range(0, len(points_mm), _BLOCK))
    return max(float(cdist(block, points_mm).max()) for block in blocks)


def _possible_ends(points_mm: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The points that may be one of the farthest two.

    No point is farther than R from the middle of all, and some two are L apart: each of the farthest two is at least
    L - R from the middle. In a body, which is long, few are.
    """
    from_middle = _distances(points_mm, (points_mm.min(axis=0) + points_mm.max(axis=0)) / 2)
    end = points_mm[from_middle.argmax()]
    end = points_mm[_distances(points_mm, end).argmax()]
    least = _distances(points_mm, end).max() - from_middle.max()
    return points_mm[from_middle >= least - _ROUNDING * from_middle.max()]


def _distances(
    points_mm: npt.NDArray[np.floating], point_mm: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    away = points_mm - point_mm
    return np.sqrt(np.einsum("ij,ij->i", away, away))


def outermost(place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The voxels (N, 3) that are first or last of their line along every axis: the farthest two are among them."""
    size = place.max(axis=0) + 1
    for axis, (a, b) in enumerate(((1, 2), (0, 2), (0, 1))):
        line = place[:, a] * size[b] + place[:, b]
        along = place[:, axis]
        first = np.full(size[a] * size[b], size[axis])
        last = np.full(size[a] * size[b], -1)
        np.minimum.at(first, line, along)
        np.maximum.at(last, line, along)
        place = place[(along == first[line]) | (along == last[line])]
    return place[np.lexsort((place[:, 2], place[:, 0], place[:, 1]))]
