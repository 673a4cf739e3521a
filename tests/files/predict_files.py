"""A PET of known values, and a network that is quickly made."""

from __future__ import annotations

import keras
import numpy as np

from petct.image import Geometry, Image
from tmtv_tf.models import vnet


def smooth_pet(shape, spacing_mm, origin_mm=(3.0, -50.0, 20.0)) -> Image:
    """SUV that falls smoothly with the distance from the centre, 12.5 at most, body everywhere."""
    geometry = Geometry(shape, spacing_mm, origin_mm)
    index = np.indices(shape).reshape(3, -1).T
    world = geometry.to_world(index)
    centre = (geometry.corners_mm()[0] + geometry.corners_mm()[-1]) / 2
    distance = np.linalg.norm(world - centre, axis=1).reshape(shape)
    return Image((12.5 * np.exp(-((distance / 60) ** 2)) + 0.3).astype(np.float32), geometry)


def network(channels: int = 2) -> keras.Model:
    return vnet((16, 16, 16, channels), filters=2, convolutions=(1, 1), bottom_convolutions=1, kernel_size=3)
