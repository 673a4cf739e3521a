"""Which voxels lie within a distance of a voxel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# A distance equal to the radius counts as within. File formats keep spacings in single precision, so "equal" allows
# for that.
RELATIVE_TOLERANCE = 1e-6


def ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
    """Voxel centres at <= `radius_mm` from the centre of the middle voxel, as an odd-sized box (Z, Y, X)."""
    reach = radius_mm * (1 + RELATIVE_TOLERANCE)
    offsets = [np.arange(-(n := int(reach / s)), n + 1) * s for s in spacing_mm]
    z, y, x = np.ix_(*offsets)
    return z**2 + y**2 + x**2 <= reach**2
