"""Closed contours in a plane to voxels: which voxel centres do the loops enclose?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Contour coordinates are rounded to this many decimals of a voxel: only the noise of the arithmetic goes, so that a
# contour through voxel centres is read the same wherever the image lies.
DECIMALS = 6


def fill_loops(loops: Sequence[npt.NDArray], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Voxels whose centre lies inside an odd number of the loops.

    The even-odd rule over all loops together is their XOR: a loop inside a loop is a hole, and the two walks along
    a keyhole's channel cancel. A centre exactly on an outline is inside when the ROI lies on its side of higher
    index and outside otherwise: a contour through voxel centres keeps its area, and two contours that share an
    edge share no voxel.

    Parameters
    ----------
    loops : each (N, 2), index coordinates (y, x); the last point is joined to the first. Fewer than three points
        enclose nothing.
    shape : (Y, X) of the plane; what lies outside is cut off
    """
    start, end = _edges(loops)
    rows, columns = _crossings(start, end, shape[0])
    crossed = np.zeros((shape[0], shape[1] + 1), np.int32)  # how many crossings lie at or left of a column
    np.add.at(crossed, (rows, np.clip(np.ceil(columns), 0, shape[1]).astype(int)), 1)
    return np.cumsum(crossed[:, : shape[1]], axis=1) % 2 == 1


def _edges(loops: Sequence[npt.NDArray]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Start and end (N, 2) of every edge, start not below end in y.

    The same edge walked in either direction gives the same numbers: a keyhole's channel cancels to the last bit.
    """
    edges = [np.zeros((0, 4))]
    for loop in loops:
        if len(loop) >= 3:
            points = np.round(np.asarray(loop, float), DECIMALS)
            edges.append(np.concatenate([points, np.roll(points, -1, axis=0)], axis=1))
    every = np.concatenate(edges)
    down = every[:, 0] > every[:, 2]
    every[down] = every[down][:, [2, 3, 0, 1]]
    return every[:, :2], every[:, 2:]


def _crossings(start: npt.NDArray, end: npt.NDArray, n_rows: int) -> tuple[npt.NDArray, npt.NDArray]:
    """(row, x) where the edges cross the rows' centre lines; a row belongs to an edge if start <= row < end."""
    first = np.clip(np.ceil(start[:, 0]), 0, n_rows).astype(int)
    count = np.clip(np.ceil(end[:, 0]), 0, n_rows).astype(int) - first
    edge = np.repeat(np.arange(len(start)), count)
    rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    slope = (end[edge, 1] - start[edge, 1]) / (end[edge, 0] - start[edge, 0])
    return rows, start[edge, 1] + (rows - start[edge, 0]) * slope
