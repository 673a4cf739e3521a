"""A configuration names its network; fine-tuning starts from a file and is refused where the file does not fit."""

import keras
import numpy as np
import pytest

from petct.errors import ModelError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.compact import compact_unet
from tmtv_tf.models.file import Outlining, read_description, save_model
from training.config import read_config
from training.networks import CompactConfig, VNetConfig, build_network
from training.train_vnet import Config, build, save


def test_without_a_word_it_is_the_v_net_and_compact_where_asked(tmp_path):
    assert isinstance(Config.model_validate({}).model, VNetConfig)
    config = read_config("finetune.yaml", Config)
    assert isinstance(config.model, CompactConfig)
    assert config.model.initial_weights == "synthetic-petct"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("model: {architecture: compact, kernel_size: 3}")
    with pytest.raises(ValueError, match="kernel_size: unknown key"):
        read_config(wrong, Config)


def test_the_outlining_is_checked_and_written_into_the_model_file(tmp_path):
    config = read_config("finetune.yaml", Config)
    assert config.outlining == Outlining(margin_mm=8, certain=0.5)
    assert read_config("vnet_paper.yaml", Config).outlining is None
    for text, reason in (
        ("{margin_mm: 80, certain: 0.5}", "margin_mm of the outlining must be a number from 0 to 50"),
        ("{margin_mm: 8}", "certain"),
        ("{margin_mm: 8, certain: 0.5, more: 1}", "more: unknown key"),
    ):
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(f"outlining: {text}")
        with pytest.raises(ValueError, match=reason):
            read_config(wrong, Config)
    small = Config.model_validate(
        {
            "grid": {"shape": [16, 16, 16]},
            "model": {"filters": 2, "convolutions": [1], "bottom_convolutions": 1},
            "outlining": {"margin_mm": 5, "certain": 0.6},
        }
    )
    save(tmp_path / "m.keras", build(small), small, {}, "phantom")
    assert read_description(tmp_path / "m.keras").outlining == Outlining(5, 0.6)


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
