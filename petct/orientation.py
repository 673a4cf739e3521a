"""One axis order for every file: results must not depend on how a file stores its axes. The turning is nibabel's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

from petct.geometry import Geometry, Image

_UNTURNED = np.array([(0, 1), (1, 1), (2, 1)], float)


def to_canonical(image: Image) -> Image:
    """The same image with its axes reordered and flipped to run along LPS z, y and x; no interpolation."""
    return Image(_turned(image.array, _orientation(image.geometry)), canonical_geometry(image.geometry))


def from_canonical(array: npt.NDArray, geometry: Geometry) -> npt.NDArray:
    """The inverse of `to_canonical`: an array on the canonical grid, as it is stored on `geometry`."""
    return _turned(array, ornt_transform(_UNTURNED, _orientation(geometry)))


def canonical_geometry(geometry: Geometry) -> Geometry:
    """The grid that `to_canonical` gives."""
    turn = _orientation(geometry)
    if np.array_equal(turn, _UNTURNED):
        return geometry
    order = np.argsort(turn[:, 0])
    spacing = np.array(geometry.spacing_mm)[order]
    matrix = geometry.index_to_world @ inv_ornt_aff(turn, geometry.shape)
    z, y, x = spacing.tolist()
    ox, oy, oz = matrix[:3, 3].tolist()
    shape = [geometry.shape[axis] for axis in order]
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(z, y, x),
        origin_mm=(ox, oy, oz),
        direction=tuple((matrix[:3, :3] / spacing)[:, ::-1].ravel().tolist()),
    )


def _orientation(geometry: Geometry) -> npt.NDArray[np.float64]:
    """nibabel's (axis, flip) for each array axis; world axes in the order z, y, x."""
    return io_orientation(geometry.index_to_world[[2, 1, 0, 3]])


def _turned(array: npt.NDArray, orientation: npt.NDArray[np.float64]) -> npt.NDArray:
    return np.ascontiguousarray(apply_orientation(array, orientation))
