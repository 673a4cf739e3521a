"""Weights that go from one model to another."""

import keras
import numpy as np
import pytest

from petct.errors import ModelError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.compact import compact_unet
from tmtv_tf.models.file import save_model
from tmtv_tf.models.transfer import transfer_weights

SHAPE = (32, 16, 16)


def _saved(tmp_path, channels, filters=(4, 8, 8)):
    grid = ModelGrid(shape=SHAPE, channels=channels)
    keras.utils.set_random_seed(3)
    model = compact_unet(grid.input_shape, filters)
    save_model(tmp_path / "model.keras", model, grid)
    return tmp_path / "model.keras", model


def test_a_network_of_pet_and_ct_starts_as_the_one_of_pet_alone(tmp_path):
    path, alone = _saved(tmp_path, ("pet",))
    both = compact_unet((*SHAPE, 2), (4, 8, 8))
    transfer_weights(path, both)
    image = np.random.default_rng(0).random((1, *SHAPE, 2), np.float32)
    np.testing.assert_allclose(np.asarray(both(image)), np.asarray(alone(image[..., :1])), atol=1e-6)


def test_weights_that_do_not_fit_are_named_five_at_most(tmp_path):
    path, _ = _saved(tmp_path, ("pet",))
    other = compact_unet((*SHAPE, 1), (6, 8, 8))
    before = [w.copy() for w in other.get_weights()]
    with pytest.raises(ModelError, match="do not fit the configured network") as error:
        transfer_weights(path, other)
    text = str(error.value)
    assert "decoder_1_1_conv has a weight of (3, 3, 3, 8, 4) in the file and (3, 3, 3, 12, 6) here" in text
    assert text.count(" has a weight of ") == 5
    assert "more" in text
    for a, b in zip(before, other.get_weights()):
        np.testing.assert_array_equal(a, b)
    deeper = compact_unet((*SHAPE, 1), (4, 8, 8, 8))
    with pytest.raises(ModelError, match="is not in the file"):
        transfer_weights(path, deeper)
