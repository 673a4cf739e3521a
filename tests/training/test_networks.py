"""A configuration names its network; fine-tuning starts from a file and is refused where the file does not fit."""

import keras
import numpy as np
import pytest

from petct.errors import ModelError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.compact import compact_unet
from tmtv_tf.models.file import save_model
from training.config import read_config
from training.networks import CompactConfig, VNetConfig, build_network
from training.train_vnet import Config


def test_without_a_word_it_is_the_v_net_and_compact_where_asked(tmp_path):
    assert isinstance(Config.model_validate({}).model, VNetConfig)
    config = read_config("finetune.yaml", Config)
    assert isinstance(config.model, CompactConfig)
    assert config.model.initial_weights == "synthetic-petct"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("model: {architecture: compact, kernel_size: 3}")
    with pytest.raises(ValueError, match="kernel_size: unknown key"):
        read_config(wrong, Config)


def test_a_network_starts_from_the_weights_of_a_file_or_says_which_layers_do_not_fit(tmp_path):
    grid = ModelGrid(shape=(16, 16, 16), channels=("pet",))
    keras.utils.set_random_seed(5)
    trained = compact_unet(grid.input_shape, (4, 8))
    save_model(tmp_path / "m.keras", trained, grid, trained_on="phantom", trained_on_text="a test")
    start = CompactConfig(filters=(4, 8), initial_weights=str(tmp_path / "m.keras"))
    network = build_network(start, grid.input_shape)
    for a, b in zip(network.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ModelError, match="do not fit the configured network.*bottom_1_conv"):
        build_network(start.model_copy(update={"filters": (4, 6)}), grid.input_shape)
