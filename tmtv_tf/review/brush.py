"""A stroke of the brush: which voxels it covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess.seeds import voxel_of

MAX_POINTS = 2000
_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}  # the array axis that a plane cuts; LPS z, y, x


def stroke(
    geometry: Geometry, points_mm: Sequence[Sequence[float]], radius_mm: float, plane: str | None = None
) -> npt.NDArray[np.int64]:
    """The voxels whose centre lies within <= `radius_mm` of a line through LPS points.

    Parameters
    ----------
    geometry : axes along LPS z, y and x
    points_mm : (x, y, z) each; one point is a ball or a disc
    radius_mm : a voxel that holds a point is covered however small the radius
    plane : "axial", "coronal" or "sagittal": only the slice that holds the first point, distances within it

    Returns
    -------
    index : ascending flat indices

    Raises
    ------
    ParameterError
        A point outside the image, or on another slice of the plane than the first.
    """
    voxels = np.array([voxel_of(geometry, point) for point in points_mm])
    points = geometry.to_index(points_mm)
    spacing = np.array(geometry.spacing_mm)
    reach = np.ceil(radius_mm / spacing).astype(int)
    axis = None if plane is None else _AXES[plane]
    if axis is not None:
        if (np.abs(points[:, axis] - voxels[0, axis]) > 1).any():
            raise ParameterError(f"A stroke on the {plane} plane stays on one slice.")
        points[:, axis], voxels[:, axis], reach[axis] = voxels[0, axis], voxels[0, axis], 0
    found = [np.ravel_multi_index(tuple(voxels.T), geometry.shape)]
    for start, end in zip(points, points[1:] if len(points) > 1 else points):
        low = np.maximum(np.floor(np.minimum(start, end)).astype(int) - reach, 0)
        high = np.minimum(np.ceil(np.maximum(start, end)).astype(int) + reach + 1, geometry.shape)
        grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
        near = _distance_mm(grid * spacing, start * spacing, end * spacing) <= radius_mm * (1 + 1e-9)
        found.append(np.ravel_multi_index(tuple(grid[near].T), geometry.shape))
    return np.unique(np.concatenate(found))


def _distance_mm(
    place: npt.NDArray[np.float64], start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Distance of each place (..., 3) to the line from start to end."""
    along = end - start
    length2 = float(along @ along)
    share = np.clip((place - start) @ along / length2, 0, 1) if length2 else np.zeros(place.shape[:-1])
    return np.linalg.norm(place - start - share[..., None] * along, axis=-1)
