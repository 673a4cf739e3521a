"""What the networks of Liu et al. are built of."""

import numpy as np
from study_models import SMALL, TRAINABLE

from tmtv_tf.models.study import build_model


def test_parameter_count_of_the_multitask_unet_by_hand():
    """Kernel 27 * in * out; batch normalisation 2 per channel; heads 64."""

    def conv(inputs, outputs):
        return 27 * inputs * outputs + 2 * outputs

    f = (32, 64, 128, 256)
    encoder = (
        conv(1, 32) + conv(32, 32) + sum(conv(a, b) + conv(b, b) for a, b in zip(f, f[1:], strict=False))
    )
    decoder = sum(8 * b * a + 2 * a + conv(2 * a, a) + conv(a, a) for a, b in zip(f, f[1:], strict=False))
    segmentation = sum(27 * channels * 2 + 2 for channels in f)
    heads = sum(conv(channels, 64) + conv(64, 64) + 64 * 64 + 64 + 64 * 2 + 2 for channels in f[1:])
    assert encoder + decoder + segmentation + heads == TRAINABLE["multitask_unet"]


def test_lowest_resolution_pools_once_and_the_highest_has_no_head():
    model = build_model("multitask_unet")
    shapes = {layer.name: layer.output.shape[1:4] for layer in model.layers if layer.name.endswith("_pool")}
    assert shapes["prognosis_1_2_pool"] == (28, 8, 8)
    assert shapes["prognosis_2_2_pool"] == (14, 4, 4)
    assert shapes["prognosis_3_2_pool"] == (14, 4, 4)
    assert "prognosis_3_1_pool" not in shapes


def test_heads_average_over_space_to_64_features():
    """The mean of each channel, not its maximum: section III-B."""
    model = build_model("multitask_unet", SMALL)
    for stage in (1, 2, 3):
        average = model.get_layer(f"prognosis_{stage}_average")
        assert average.output.shape == (None, 64)
        features = np.random.default_rng(stage).random((1, 2, 3, 4, 64), np.float32)
        np.testing.assert_allclose(average(features), features.mean((1, 2, 3)), rtol=1e-5)


def test_fused_prognosis_is_equation_2():
    model = build_model("multitask_unet", SMALL, width=0.25)
    out = {
        k: np.asarray(v) for k, v in model(np.random.default_rng(1).random((3, *SMALL), np.float32)).items()
    }
    expected = 0.1 * out["prognosis_1"] + 0.2 * out["prognosis_2"] + 0.7 * out["prognosis_3"]
    np.testing.assert_allclose(out["prognosis"], expected, atol=1e-6)
