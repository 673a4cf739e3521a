"""The grid of the series that ROIs are drawn on, and a contour on it."""

from petct.image import Geometry

GEOMETRY = Geometry((8, 6, 5), (3.0, 2.0, 2.5), (-10.0, -20.0, 0.0))


def contour(z, low, high, geometry=GEOMETRY):
    """A rectangle in slice z from (y, x) to (y, x), in index coordinates, as LPS points."""
    (y0, x0), (y1, x1) = low, high
    return geometry.to_world([(z, y0, x0), (z, y0, x1), (z, y1, x1), (z, y1, x0)])
