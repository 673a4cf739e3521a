"""The compact network: shapes, what it refuses, and weights that go from one model to another."""

import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.models.compact import compact_unet

SHAPE = (32, 16, 16)


def test_it_gives_one_probability_a_voxel_near_the_initial_one():
    model = compact_unet((*SHAPE, 2), (4, 8, 8), initial_probability=0.1)
    answer = np.asarray(model(np.zeros((1, *SHAPE, 2), np.float32)))
    assert answer.shape == (1, *SHAPE, 1)
    np.testing.assert_allclose(
        answer, 0.1, atol=1e-6
    )  # without an image every activation before the head is 0


def test_a_shape_that_cannot_be_halved_is_refused():
    with pytest.raises(ParameterError, match=r"divisible by 16 for 4 levels. Received: \(24, 16, 16, 1\)"):
        compact_unet((24, 16, 16, 1))
