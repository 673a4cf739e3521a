"""The models of Liu et al. and their comparators: shapes, names and parameter counts pinned, save and load."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from study_models import SMALL, TRAINABLE

from petct.errors import ParameterError
from tmtv_tf.models.study import STUDY_MODELS, build_model

SEGMENTING = {"multitask_unet": 4, "multitask_unet_segmentation": 4}
FUSED = {"multitask_unet", "multitask_unet_classification"}


def expected_outputs(name, shape):
    outputs = {}
    if "unet" in name or "vnet" in name:
        for stage in range(1, SEGMENTING.get(name, 1) + 1):
            outputs[f"segmentation_{stage}"] = (None, *(n // 2 ** (stage - 1) for n in shape[:3]), 2)
    if name in FUSED:
        outputs |= {f"prognosis_{i}": (None, 2) for i in (1, 2, 3)}
    if name != "segmentation_unet":
        outputs["prognosis"] = (None, 2)
    return outputs


@pytest.mark.parametrize("name", sorted(STUDY_MODELS))
def test_outputs_are_named_float32_probabilities(name):
    model = build_model(name, SMALL, width=0.125)
    assert {key: tuple(value.shape) for key, value in model.output.items()} == expected_outputs(name, SMALL)
    values = model(np.random.default_rng(0).random((2, *SMALL), np.float32))
    for value in values.values():
        value = np.asarray(value)
        assert value.dtype == np.float32
        np.testing.assert_allclose(value.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", sorted(TRAINABLE))
def test_parameter_counts_at_the_papers_size(name):
    model = build_model(name)
    assert model.input_shape == (None, 224, 64, 64, 1)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == TRAINABLE[name]
    assert {k: tuple(v.shape) for k, v in model.output.items()} == expected_outputs(name, (224, 64, 64))


def test_a_shape_that_does_not_halve_is_refused():
    with pytest.raises(ParameterError, match="multiples of 8"):
        build_model("multitask_unet", (30, 16, 16, 1))
    with pytest.raises(ParameterError, match="multitask_unet"):
        build_model("unet")


def test_saved_model_loads_without_this_package(tmp_path):
    model = build_model("multitask_unet", SMALL, width=0.125)
    image = np.random.default_rng(2).random((1, *SMALL), np.float32)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "image.npy", image)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.models.load_model('model.keras')\n"
        "out = model(np.load('image.npy'))\n"
        "np.savez('out.npz', **{k: np.asarray(v) for k, v in out.items()})\n"
        "sys.exit('tmtv_tf' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    loaded = np.load(tmp_path / "out.npz")
    for name, value in model(image).items():
        np.testing.assert_array_equal(loaded[name], np.asarray(value))


def test_float32_heads_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model("multitask_unet", SMALL, width=0.125)
    finally:
        keras.config.set_dtype_policy(policy)
    assert {str(value.dtype) for value in model.output.values()} == {"float32"}
