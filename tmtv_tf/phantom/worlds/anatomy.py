"""What a body is here: a label map, its depth under the skin, and where lymph nodes and joints lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

VOXEL_MM = 4.0

Labels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Point = npt.NDArray[np.float64]  # (z, y, x) in mm from the centre of the first voxel


@dataclass(frozen=True)
class Anatomy:
    """A normal body without arms on cubes of VOXEL_MM, patient axes: z to the head, y to the back, x to the left.

    Attributes
    ----------
    labels : (Z, Y, X) uint8 of `Tissue`.
    depth_mm : (Z, Y, X) float32, distance to the skin inside the body, 0 outside.
    stations : nodal stations, each a line of points (N, 3), mm; left and right ones apart.
    shoulders : where the left and the right arm begin, mm.
    neck : the point about which the head tilts, mm.
    trunk_mm : half width and half depth of the chest, mm.
    """

    labels: Labels
    depth_mm: Field
    stations: dict[str, Point]
    shoulders: tuple[Point, Point]
    neck: Point
    trunk_mm: tuple[float, float]
    name: str = "body"
    joints: list[Point] = field(default_factory=list)


def interpolation_matrix(knots: int, points: npt.NDArray[np.floating]) -> Field:
    """(len(points), knots) weights of quadratic B-splines at places in knot units; ends are held."""
    places = np.clip(points, 0, knots - 1)
    nearest = np.clip(np.round(places), 0, knots - 1).astype(int)
    t = (places - nearest).astype(np.float32)
    matrix = np.zeros((len(points), knots), np.float32)
    rows = np.arange(len(points))
    for step, weight in ((-1, (0.5 - t) ** 2 / 2), (0, 0.75 - t**2), (1, (0.5 + t) ** 2 / 2)):
        np.add.at(matrix, (rows, np.clip(nearest + step, 0, knots - 1)), weight)
    return matrix


def linear_matrix(knots: int, points: npt.NDArray[np.floating]) -> Field:
    """(len(points), knots) weights of linear interpolation at places in knot units."""
    low = np.clip(np.floor(points), 0, knots - 2).astype(int)
    matrix = np.zeros((len(points), knots), np.float32)
    rows, t = np.arange(len(points)), points - low
    matrix[rows, low], matrix[rows, low + 1] = 1 - t, t
    return matrix


def spread(knots: Field, shape: Sequence[int], matrix=interpolation_matrix) -> Field:
    """A coarse (a, b, c) array as a smooth one of `shape`, corner to corner."""
    z, y, x = (matrix(k, np.linspace(0, k - 1, n)) for k, n in zip(knots.shape, shape))
    out = np.tensordot(knots, x, (2, 1))  # a b X
    out = np.einsum("yb,abx->ayx", y, out, optimize=True)
    return np.tensordot(z, out, (1, 0)).astype(np.float32)


def smooth_noise(
    shape: Sequence[int], length_mm: float, rng: np.random.Generator, *, mirrored: bool = False
) -> Field:
    """Gaussian random field of about unit variance that changes over `length_mm`; perhaps alike left and right."""
    knots = [max(3, int(np.ceil(n * VOXEL_MM / length_mm)) + 2) for n in shape]
    values = rng.standard_normal(knots, dtype=np.float32)
    if mirrored:
        values = (values + values[..., ::-1]) / np.sqrt(2)
    return spread(values * 1.55, shape)  # the splines take off about a third of the spread


TUBE_MARGIN_MM = 6.0  # distances are known so far outside a tube


def tube_distance(
    shape: Sequence[int], points: npt.ArrayLike, radii: npt.ArrayLike
) -> list[tuple[tuple[slice, slice, slice], Field]]:
    """Boxes and signed distances (mm, negative inside) of the round-ended cones between consecutive points."""
    line = np.asarray(points, float)
    radius = np.broadcast_to(np.asarray(radii, float), len(line))
    parts = []
    for a, b, ra, rb in zip(line, line[1:], radius, radius[1:]):
        reach = max(ra, rb) + TUBE_MARGIN_MM
        low = np.maximum(np.floor((np.minimum(a, b) - reach) / VOXEL_MM), 0).astype(int)
        high = np.minimum(np.ceil((np.maximum(a, b) + reach) / VOXEL_MM) + 1, shape).astype(int)
        if np.any(high <= low):
            continue
        axes = np.ix_(*(np.arange(lo, hi) * VOXEL_MM for lo, hi in zip(low, high)))
        p = [axis - start for axis, start in zip(axes, a)]
        step = b - a
        along = sum(c * v for c, v in zip(p, step)) / max(float(step @ step), 1e-6)
        along = np.clip(along, 0, 1)
        squared = sum((c - along * v) ** 2 for c, v in zip(p, step))
        distance = np.sqrt(squared) - (ra + along * (rb - ra))
        parts.append((_box(low, high), distance.astype(np.float32)))
    return parts


def _box(low, high) -> tuple[slice, slice, slice]:
    z, y, x = (slice(int(lo), int(hi)) for lo, hi in zip(low, high))
    return z, y, x


def paint_tube(labels: Labels, points: npt.ArrayLike, radii: npt.ArrayLike, tissue: int, over=None) -> None:
    """Set `tissue` inside the tube, in place; only over the tissues `over`, where given."""
    for box, distance in tube_distance(labels.shape, points, radii):
        inside = distance < 0
        if over is not None:
            inside &= np.isin(labels[box], over)
        labels[box][inside] = tissue


def paint_ellipsoid(
    labels: Labels, centre: npt.ArrayLike, radii: npt.ArrayLike, tissue: int, over=None
) -> None:
    """Set `tissue` inside an ellipsoid with axes along z, y, x, in place."""
    c, r = np.asarray(centre, float), np.asarray(radii, float)
    low = np.maximum(np.floor((c - r) / VOXEL_MM), 0).astype(int)
    high = np.minimum(np.ceil((c + r) / VOXEL_MM) + 1, labels.shape).astype(int)
    if np.any(high <= low):
        return
    axes = np.ix_(*(np.arange(lo, hi) * VOXEL_MM for lo, hi in zip(low, high)))
    inside = sum(((axis - c0) / r0) ** 2 for axis, c0, r0 in zip(axes, c, r)) < 1
    box = _box(low, high)
    if over is not None:
        inside = inside & np.isin(labels[box], over)
    labels[box][inside] = tissue
