"""An empty canvas."""

from __future__ import annotations

import numpy as np

from petct.image import Geometry
from tmtv_tf.phantom.canvas import Canvas


def blank(size_mm: float = 120.0, scale=(1.0, 1.0, 1.0), voxel_mm: float = 3.0) -> Canvas:
    n = int(size_mm / voxel_mm)
    grid = Geometry((n, n, n), (voxel_mm,) * 3, (-size_mm / 2, -size_mm / 2, -size_mm / 2))
    return Canvas(grid, scale, 0.0, np.random.default_rng(0))
