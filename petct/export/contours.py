"""Outlines of a mask, slice by slice, that every reader turns back into the same voxels.

The contour runs along the voxels' edges, moved inwards by `INSET` voxel, so that no voxel centre is near it. A hole is
joined to its outline by a keyhole (a path there and back), since readers differ in what they do with nested contours.
Voxels that touch at a corner only get contours of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

# Share of a voxel. Seen with plastimatch and two other readers: 0.05, 0.2 and 0.4 all come back exactly, 0 does not.
INSET = 0.05
# The four directions in which an edge is walked, clockwise on a screen (x to the right, y down): the top, right, bottom
# and left edge of a voxel. The voxel lies on the right-hand side.
_STEP = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])  # (y, x)
_INWARDS = np.array([(1, 0), (0, -1), (-1, 0), (0, 1)])  # (y, x)
_START = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])  # corner of the voxel at which the edge starts
_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = [[False, True, False], [True, True, True], [False, True, False]]


@dataclass(frozen=True)
class Contour:
    """One closed polygon: its slice, and its points (N, 2) as y, x in voxels, first point not repeated."""

    z: int
    points: npt.NDArray[np.float64]


def contours(mask: npt.NDArray[np.bool_]) -> list[Contour]:
    """Outlines of a mask (Z, Y, X), one for each face-connected part of each slice, in the order of the slices.

    Coordinates are those of voxel centres: the mask's first voxel lies at (0, 0). No voxel gives an empty list.
    """
    if not mask.any():
        return []
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    part, _ = ndimage.label(padded, structure=_IN_PLANE)
    edges = _edges(padded, part)
    result: dict[int, tuple[int, list[npt.NDArray]]] = {}
    for first, loop in _loops(edges, padded.shape):
        z, number = int(edges.voxel[first, 0]), int(edges.part[first])
        result.setdefault(number, (z, []))[1].append(
            loop - 1.5
        )  # padding of one; a corner lies half a voxel off
    return [Contour(z, _with_keyholes(loops)) for _, (z, loops) in sorted(result.items())]


@dataclass(frozen=True)
class _Edges:
    voxel: npt.NDArray[np.int64]  # (E, 3) z, y, x
    direction: npt.NDArray[np.int64]  # (E,) 0 to 3
    part: npt.NDArray[np.int64]  # (E,)


def _edges(mask: npt.NDArray[np.bool_], part: npt.NDArray) -> _Edges:
    """Every edge between a voxel of the mask and one outside it."""
    voxels, directions = [], []
    for direction, (dy, dx) in enumerate(-_INWARDS):
        outside = ~np.roll(mask, (-dy, -dx), (1, 2))
        found = np.argwhere(mask & outside)
        voxels.append(found)
        directions.append(np.full(len(found), direction))
    voxel = np.concatenate(voxels)
    return _Edges(voxel, np.concatenate(directions), part[tuple(voxel.T)])


def _loops(edges: _Edges, shape: tuple[int, ...]) -> list[tuple[int, npt.NDArray[np.float64]]]:
    """Closed loops as (index of an edge in it, corner points (N, 2) moved inwards)."""
    start = edges.voxel[:, 1:] + _START[edges.direction]
    end = start + _STEP[edges.direction]
    size = np.array([shape[1] + 1, shape[2] + 1])

    def key(corner: npt.NDArray, direction: npt.NDArray) -> npt.NDArray:
        flat = (edges.voxel[:, 0] * size[0] + corner[:, 0]) * size[1] + corner[:, 1]
        return flat * 4 + direction

    own = key(start, edges.direction)
    order = np.argsort(own)
    sorted_keys = own[order]
    following = np.full(len(own), -1)
    for turn in (3, 0, 1):  # later ones win: left, straight on, right. Right stays on the same voxel.
        wanted = key(end, (edges.direction + turn) % 4)
        at = np.minimum(np.searchsorted(sorted_keys, wanted), len(own) - 1)
        hit = sorted_keys[at] == wanted
        following[hit] = order[at[hit]]
    turns = edges.direction != edges.direction[following]
    corner = end + INSET * (_INWARDS[edges.direction] + _INWARDS[edges.direction[following]])
    return [(loop[0], corner[[e for e in loop if turns[e]]]) for loop in _walk(following.tolist())]


def _walk(following: list[int]) -> list[list[int]]:
    """The cycles of a permutation."""
    seen = bytearray(len(following))
    cycles = []
    for first in range(len(following)):
        if seen[first]:
            continue
        cycle, edge = [], first
        while not seen[edge]:
            seen[edge] = 1
            cycle.append(edge)
            edge = following[edge]
        cycles.append(cycle)
    return cycles


def _with_keyholes(loops: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """The outline of one part with each hole joined to what lies left of it."""
    if len(loops) == 1:
        return loops[0]
    areas = [_signed_area(loop) for loop in loops]
    outer = int(np.argmax(areas))
    polygon = loops[outer]
    holes = sorted((loop for k, loop in enumerate(loops) if k != outer), key=lambda loop: loop[:, 1].min())
    for hole in holes:
        leftmost = int(np.lexsort((hole[:, 0], hole[:, 1]))[0])
        hole = np.roll(hole, -leftmost, axis=0)
        after, bridge = _hit_to_the_left(polygon, hole[0])
        polygon = np.concatenate([polygon[: after + 1], bridge, hole, hole[:1], bridge, polygon[after + 1 :]])
    return polygon


def _hit_to_the_left(
    polygon: npt.NDArray[np.float64], point: npt.NDArray[np.float64]
) -> tuple[int, npt.NDArray[np.float64]]:
    """Index of the polygon's segment that a ray from `point` to lower x meets first, and the place (1, 2) where."""
    following = np.roll(polygon, -1, axis=0)
    low, high = np.minimum(polygon[:, 0], following[:, 0]), np.maximum(polygon[:, 0], following[:, 0])
    upright = polygon[:, 1] == following[:, 1]
    meets = upright & (low <= point[0]) & (point[0] <= high) & (polygon[:, 1] < point[1])
    candidates = np.flatnonzero(meets)
    nearest = int(candidates[np.argmax(polygon[candidates, 1])])
    return nearest, np.array([[point[0], polygon[nearest, 1]]])


def _signed_area(loop: npt.NDArray[np.float64]) -> float:
    """Positive for an outline, negative for a hole (walked the other way round)."""
    y, x = loop.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
