"""A voxel grid on which smooth shapes are painted: uptake (SUV) and density (HU) at once.

Shapes are described in the millimetres of one *reference adult* (x to the left, y to the back, z up from the soles,
stature 1750 mm). Every patient has an own smooth map from the room to that adult - stature, girth, and a random
deformation - so that one description of the anatomy gives bodies that differ in size and shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from petct.image import Geometry, Image, resample

Array = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]
Point = Sequence[float] | npt.NDArray[np.floating]  # (x, y, z), millimetres of the reference adult

# Shapes reach at most this much further, in reference millimetres, than their undeformed bounding box.
DEFORMATION_MARGIN_MM = 24.0


class Canvas:
    """SUV and HU on a grid, with the reference coordinates of every voxel.

    Attributes
    ----------
    geometry : the grid; patient axes, LPS.
    x_mm, y_mm, z_mm : (Z, Y, X) float32 reference coordinates of the voxel centres.
    suv, hu : (Z, Y, X) float32, painted; air at first (0 and -1000).
    """

    def __init__(self, geometry: Geometry, scale_xyz: Point, deformation_mm: float, rng: np.random.Generator):
        self.geometry = geometry
        self.voxel_mm = float(geometry.spacing_mm[0])
        self.scale_xyz = scale_xyz
        origin, spacing, shape = geometry.origin_mm, geometry.spacing_mm, geometry.shape
        # One axis each, without the deformation: enough to find bounding boxes.
        self.axes = [
            ((origin[k] + spacing[2 - k] * np.arange(shape[2 - k])) / scale_xyz[k]).astype(np.float32)
            for k in range(3)
        ]
        grids = np.meshgrid(self.axes[2], self.axes[1], self.axes[0], indexing="ij", copy=False)
        self.z_mm, self.y_mm, self.x_mm = (
            axis + smooth_noise(geometry, 90.0, rng) * deformation_mm for axis in grids
        )
        self.suv = np.zeros(shape, np.float32)
        self.hu = np.full(shape, -1000, np.float32)

    def box(self, low: Point, high: Point) -> Box:
        """The part of the grid that holds everything between two reference points."""
        index = []
        for k in (2, 1, 0):
            axis = self.axes[k]
            first = np.searchsorted(axis, low[k] - DEFORMATION_MARGIN_MM)
            last = np.searchsorted(axis, high[k] + DEFORMATION_MARGIN_MM)
            index.append(slice(int(first), int(last)))
        return index[0], index[1], index[2]

    def coordinates(self, box: Box) -> tuple[Array, Array, Array]:
        """x, y, z in reference millimetres within a box."""
        return self.x_mm[box], self.y_mm[box], self.z_mm[box]

    def inside(self, distance_mm: Array) -> Array:
        """Share of each voxel inside a surface, from the signed distance (negative inside)."""
        return np.clip(0.5 - distance_mm / self.voxel_mm, 0, 1)

    def paint(
        self, box: Box, share: Array, suv: float | Array | None = None, hu: float | Array | None = None
    ) -> None:
        """Lay a tissue over what is there, by its share of each voxel; None leaves that image as it is."""
        for image, value in ((self.suv, suv), (self.hu, hu)):
            if value is not None:
                image[box] += share * (value - image[box])

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        suv: float | None = None,
        hu: float | None = None,
        tilt: Tilt = None,
    ) -> None:
        box, distance = self.ellipsoid_distance(centre, radii, tilt)
        self.paint(box, self.inside(distance), suv, hu)

    def ellipsoid_distance(self, centre: Point, radii: Point, tilt: Tilt = None) -> tuple[Box, Array]:
        """Box and signed distance to the surface (see the function of this name)."""
        reach = max(radii) if tilt else np.asarray(radii, float)
        centre_array = np.asarray(centre, float)
        box = self.box(centre_array - reach, centre_array + reach)
        p = [c - float(c0) for c, c0 in zip(self.coordinates(box), centre)]
        if tilt:
            p = rotate(p, *tilt)
        return box, ellipsoid_distance(p, radii)

    def tube(
        self,
        points: Sequence[Point],
        radii: float | Sequence[float],
        suv: float | Sequence[float] | None = None,
        hu: float | None = None,
    ) -> None:
        """Round-ended segments from point to point; radii and SUV per point (linear in between) or one for all."""
        radius = np.broadcast_to(np.asarray(radii, float), len(points))
        values = None if suv is None else np.broadcast_to(np.asarray(suv, float), len(points))
        for i in range(len(points) - 1):
            box, distance, along = self.segment(points[i], points[i + 1], radius[i], radius[i + 1])
            uptake = None if values is None else values[i] + along * (values[i + 1] - values[i])
            self.paint(box, self.inside(distance), uptake, hu)

    def segment(self, a: Point, b: Point, radius_a: float, radius_b: float) -> tuple[Box, Array, Array]:
        """Box, signed distance to a round-ended cone, and the place along it (0 at `a`, 1 at `b`)."""
        start, end = np.asarray(a, float), np.asarray(b, float)
        reach = max(radius_a, radius_b)
        box = self.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
        axis = end - start
        p = [c - float(s) for c, s in zip(self.coordinates(box), start)]
        along = sum(c * float(v) for c, v in zip(p, axis)) / max(float(axis @ axis), 1e-6)
        along = np.clip(along, 0, 1)
        squared = sum((c - along * float(v)) ** 2 for c, v in zip(p, axis))
        return box, np.sqrt(squared) - (radius_a + along * (radius_b - radius_a)), along


Tilt = tuple[str, float] | None  # axis "x", "y" or "z" and degrees


def ellipsoid_distance(p: Sequence[Array], radii: Point) -> Array:
    """Approximate signed distance of points, relative to the centre: exact for a sphere, else first order."""
    q = [c / float(r) for c, r in zip(p, radii)]
    level = np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2)
    slope = np.sqrt(sum((c / float(r)) ** 2 for c, r in zip(q, radii)))
    return (
        np.maximum(level, 1e-3) * (level - 1) / np.maximum(slope, 1e-6)
    )  # the limits matter at the centre only


def rotate(p: Sequence[Array], axis: str, degrees: float) -> list[Array]:
    """Coordinates in a frame turned about one axis."""
    c, s = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    q = list(p)
    q[i], q[j] = c * p[i] + s * p[j], c * p[j] - s * p[i]
    return q


def smooth_noise(geometry: Geometry, length_mm: float, rng: np.random.Generator) -> Array:
    """Gaussian random field, about unit variance, that changes over `length_mm`: knots, linear in between."""
    extent = [n * s for n, s in zip(geometry.shape, geometry.spacing_mm)]
    shape = (int(extent[0] / length_mm) + 3, int(extent[1] / length_mm) + 3, int(extent[2] / length_mm) + 3)
    knots = rng.standard_normal(shape, dtype=np.float32)
    origin = tuple(o - length_mm for o in geometry.origin_mm)
    coarse = Geometry(shape, (length_mm, length_mm, length_mm), (origin[0], origin[1], origin[2]))
    return resample(Image(knots, coarse), geometry).array
