"""A body and what is in it."""

import os
from pathlib import Path

import numpy as np
import pytest

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, smooth_noise, spread

SHARED = Path(os.environ.get("TMTV_SHARED_DATA", Path(__file__).parents[5] / "shared" / "data"))
ANATOMIES = SHARED / "hubmap_vh"


needs_anatomies = pytest.mark.skipif(not ANATOMIES.is_dir(), reason=f"{ANATOMIES} is not there")


@pytest.mark.parametrize("world", ["male", "female"])
@needs_anatomies
def test_an_adult_has_his_organs_and_stations_in_the_body(world):
    from tmtv_tf.phantom.worlds.segmented import segmented_adult
    from tmtv_tf.phantom.worlds.tissues import Tissue as T

    adult = segmented_adult(ANATOMIES, world)
    volume_ml = np.bincount(adult.labels.ravel(), minlength=60) * VOXEL_MM**3 / 1000
    # usual volumes of adults (ICRP Publication 89), with room for what is filled in by rule
    for tissue, low, high in (
        (T.BRAIN, 800, 1800),
        (T.LUNG, 2000, 8000),
        (T.LIVER, 1400, 2400),
        (T.SPLEEN, 130, 260),
        (T.STOMACH, 100, 600),
    ):
        assert low < volume_ml[tissue] < high, tissue.name
    outside = [
        name
        for name, line in adult.stations.items()
        if not any(
            adult.labels[tuple(np.clip((p / VOXEL_MM).astype(int), 0, np.array(adult.labels.shape) - 1))]
            for p in line
        )
    ]
    assert not outside


def test_smooth_noise_has_unit_variance_and_its_mirror():
    field = smooth_noise((60, 60, 60), 40.0, np.random.default_rng(1), mirrored=True)
    assert 0.6 < field.std() < 1.4
    np.testing.assert_allclose(field, field[:, :, ::-1], atol=1e-4)
    flat = spread(np.full((4, 4, 4), 3.0, np.float32), (7, 8, 9))
    np.testing.assert_allclose(flat, 3.0, rtol=1e-5)
