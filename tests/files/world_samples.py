"""A sample of a world that is drawn in a moment."""

import numpy as np

from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.phantom.worlds.sample import Sample
from training.worlds_data import Moves

GRID = ModelGrid(shape=(16, 16, 16), spacing_mm=(8.0, 8.0, 8.0), pet_window_suv=(0.0, 20.0))
WILD = Moves((0.75, 1.3), (0.9, 1.2), (12.0, 8.0, 14.0), (30.0, 40.0, 50.0), True, 0.05)


def _sample(seed=0, z=30) -> Sample:
    rng = np.random.default_rng(seed)
    suv = rng.uniform(0.5, 1.5, (z, 24, 28)).astype(np.float32)
    truth = np.zeros(suv.shape, np.float32)
    truth[20:26, 8:12, 4:10] = 1
    suv[truth > 0] = 10
    return Sample(suv, suv * 40, truth, truth.astype(np.uint8), np.zeros(suv.shape, bool))
