"""A grid in the patient, and an array on it.

Arrays are (Z, Y, X) and `spacing_mm` is (sz, sy, sx) everywhere in this project. World coordinates are DICOM's LPS in
millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from petct.checks import (
    Spacing,
    require_instance,
    require_numbers,
    require_shape,
    require_spacing,
    require_volume,
)
from petct.errors import ImageError, ParameterError

# Two grids are the same when no corner voxel is further apart than this share of the smallest spacing.
# NIfTI stores its matrix in float32: a metre away from the origin that is 1e-4 mm.
SAME_GRID_TOLERANCE = 0.01
# The readers accept axes that are unit vectors to 1e-3.
AXES_TOLERANCE = 0.01
# Spacings that went through single precision, or a header with four digits, are still the same.
SPACING_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an array lie.

    Attributes
    ----------
    shape : (Z, Y, X)
    spacing_mm : (sz, sy, sx), all > 0
    origin_mm : LPS position (x, y, z) of the centre of voxel [0, 0, 0]
    direction : 9 numbers, row by row, of the 3x3 matrix whose columns are the unit vectors (x, y, z) of the
        array's X, Y and Z axes (SimpleITK's convention).

    Raises
    ------
    ImageError
        A shape that is not three whole numbers, a spacing that is not three positive ones, an origin or a direction
        that cannot be one.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        require_shape(self.shape)
        require_spacing(self.spacing_mm)
        require_numbers("origin_mm", self.origin_mm, 3)
        axes = np.reshape(require_numbers("direction", self.direction, 9), (3, 3))
        if not np.allclose(np.linalg.norm(axes, axis=0), 1, atol=AXES_TOLERANCE):
            raise ImageError(
                f"`direction` must hold three unit vectors as columns. Received: {self.direction}."
            )

    @cached_property
    def index_to_world(self) -> npt.NDArray[np.float64]:
        """4x4 matrix from (z, y, x, 1) array index to (x, y, z, 1) LPS mm."""
        axes = np.asarray(self.direction, float).reshape(3, 3)  # columns: X, Y, Z axes
        matrix = np.eye(4)
        matrix[:3, 0] = axes[:, 2] * self.spacing_mm[0]
        matrix[:3, 1] = axes[:, 1] * self.spacing_mm[1]
        matrix[:3, 2] = axes[:, 0] * self.spacing_mm[2]
        matrix[:3, 3] = self.origin_mm
        return matrix

    def to_world(self, index_zyx: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """LPS mm (N, 3) as x, y, z of (N, 3) array indices z, y, x (which may be fractions)."""
        points = np.atleast_2d(np.asarray(index_zyx, float))
        return points @ self.index_to_world[:3, :3].T + self.index_to_world[:3, 3]

    def to_index(self, world_xyz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Array indices (N, 3) as z, y, x (fractions) of (N, 3) LPS points x, y, z."""
        points = np.atleast_2d(np.asarray(world_xyz, float)) - self.index_to_world[:3, 3]
        return points @ np.linalg.inv(self.index_to_world[:3, :3]).T

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000.0

    def corners_mm(self) -> npt.NDArray[np.float64]:
        """LPS positions (8, 3) of the centres of the corner voxels."""
        return self.to_world(
            np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        )

    def part(self, box: tuple[slice, ...]) -> Geometry:
        """The grid of `array[box]`; each slice has its start and stop, and no step."""
        depth, height, width = (axis.stop - axis.start for axis in box)
        x, y, z = map(float, self.to_world([axis.start for axis in box])[0])
        return replace(self, shape=(depth, height, width), origin_mm=(x, y, z))

    def same_grid(self, other: Geometry) -> bool:
        """Same shape, and every corner voxel in the same place (see SAME_GRID_TOLERANCE)."""
        if self.shape != other.shape:
            return False
        distance = np.linalg.norm(self.corners_mm() - other.corners_mm(), axis=1).max()
        return bool(distance <= SAME_GRID_TOLERANCE * min(*self.spacing_mm, *other.spacing_mm))

    def box_mm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lowest and highest LPS corner (x, y, z) of the box around all voxels, edges included."""
        half = np.abs(self.index_to_world[:3, :3]).sum(axis=1) / 2
        corners = self.corners_mm()
        return corners.min(axis=0) - half, corners.max(axis=0) + half

    def overlaps(self, other: Geometry) -> bool:
        """Whether the boxes around the two grids share any volume (edges of the voxels, axis-aligned in LPS)."""
        (low_a, high_a), (low_b, high_b) = self.box_mm(), other.box_mm()
        return bool(np.all(low_a < high_b) and np.all(low_b < high_a))


@dataclass(frozen=True)
class Image:
    """An array (Z, Y, X) and where it lies.

    Attributes
    ----------
    array : (Z, Y, X) ndarray
    geometry : Geometry, of the same shape

    Raises
    ------
    ImageError
        Not a 3-D array, or array and geometry differ in shape.
    """

    array: npt.NDArray
    geometry: Geometry

    def __post_init__(self) -> None:
        require_volume("array", self.array, "biuf")
        require_instance("geometry", self.geometry, Geometry)
        if self.array.shape != self.geometry.shape:
            raise ImageError(
                f"Array of shape {self.array.shape} with a geometry of shape {self.geometry.shape}."
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return self.geometry.spacing_mm

    def with_array(self, array: npt.NDArray) -> Image:
        """The same grid with other values."""
        return replace(self, array=array)


def require_image(image: object, name: str = "image") -> Image:
    """Refuse a bare array, of which nobody knows where it lies."""
    if not isinstance(image, Image):
        raise ImageError(
            f"`{name}` must be a petct.Image (array and geometry). Received: {type(image).__name__}."
        )
    return image


def unpack(
    spacing_mm: object, **images: npt.NDArray | Image
) -> tuple[list[npt.NDArray], Spacing, Geometry | None]:
    """The arrays of a function's volumes, their spacing, and where they lie if one of them is an `Image`.

    Images must be on one grid, and `spacing_mm` may be left out, because they know it: the one way in which the order
    of the axes cannot be got wrong.
    """
    grids = {name: image.geometry for name, image in images.items() if isinstance(image, Image)}
    arrays = [
        image.array if isinstance(image, Image) else require_volume(name, image, "biuf")
        for name, image in images.items()
    ]
    if not grids:
        if spacing_mm is None:
            raise ParameterError(
                "`spacing_mm` is missing: give (sz, sy, sx), or images of the type petct.Image."
            )
        return arrays, require_spacing(spacing_mm), None
    first, *others = grids.values()
    if not all(first.same_grid(other) for other in others):
        names = " and ".join(f"`{name}`" for name in grids)
        raise ImageError(f"{names} are not on one grid: bring one onto the grid of the other first.")
    if spacing_mm is not None:
        require_grid(first, first.shape, require_spacing(spacing_mm))
    return arrays, require_spacing(first.spacing_mm), first


def require_grid(geometry: Geometry, shape: tuple[int, ...], spacing_mm: Spacing) -> None:
    """Refuse a geometry of another shape or spacing."""
    require_instance("geometry", geometry, Geometry)
    if geometry.shape != shape or not np.allclose(geometry.spacing_mm, spacing_mm, rtol=SPACING_TOLERANCE):
        raise ImageError(
            f"The geometry is of {geometry.shape} voxels of {geometry.spacing_mm} mm, the array of {shape} of "
            f"{tuple(spacing_mm)} mm."
        )
