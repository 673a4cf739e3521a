"""An image as another program may store it."""

from __future__ import annotations

import numpy as np

from petct.image import Geometry, Image


def stored(image: Image, order: tuple[int, ...], flips: tuple[int, ...]) -> Image:
    """The same image with its array axes permuted, then flipped: as another program may store it."""
    g = image.geometry
    columns = np.array(g.direction).reshape(3, 3)[:, ::-1]  # world vectors of the array axes Z, Y, X
    columns = columns[:, order].copy()
    spacing_mm = tuple(g.spacing_mm[a] for a in order)
    shape = tuple(g.shape[a] for a in order)
    origin = np.array(g.origin_mm)
    for axis in flips:
        origin = origin + columns[:, axis] * spacing_mm[axis] * (shape[axis] - 1)
        columns[:, axis] *= -1
    array = np.ascontiguousarray(np.flip(image.array.transpose(order), flips))
    return Image(array, Geometry(shape, spacing_mm, tuple(origin), tuple(columns[:, ::-1].reshape(-1))))
