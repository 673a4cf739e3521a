"""The bench of worlds: the table by hand, and lesions put into a real image that the test makes."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.worlds import losses, table
from petct.image import Geometry, Image, write_image
from tmtv_tf.phantom.worlds.real import real_background
from tmtv_tf.phantom.worlds.sample import Sample


def test_the_table_marks_what_a_model_was_trained_on():
    found = {
        "cases": 12,
        "median_dice": 0.7,
        "median_dice_95": [0.6, 0.8],
        "lesions_found": 0.9,
        "drawn_found": 0.95,
        "median_false_ml": 4.2,
        "share_hot_at_most_20_ml": 1.0,
    }
    text = table(
        [
            {
                "model": "m",
                "trained_on": ["male"],
                "worlds": {"male": found, "female": {**found, "median_dice": 0.5}},
            }
        ]
    )
    assert "| model | male | female |" in text
    assert "| m | **0.70*** (0.60 to 0.80) | **0.50** (0.60 to 0.80) |" in text
    assert "| m | male | 95 % | 90 % | 4 | 100 % of 12 |" in text


def test_lesions_are_added_away_from_the_tumour_and_the_rest_stays(tmp_path):
    rng = np.random.default_rng(0)
    shape = (60, 40, 40)
    suv = np.zeros(shape, np.float32)
    suv[:, 5:35, 5:35] = ndimage.gaussian_filter(1 + 0.2 * rng.standard_normal((60, 30, 30)), 1)
    own = np.zeros(shape, np.uint8)
    own[5:12, 15:22, 15:22] = 1
    suv[own > 0] = 8
    grid = Geometry(shape, (4.0, 4.0, 4.0))
    write_image(tmp_path / "pet.nii.gz", Image(suv, grid))
    for name in ("reference_41", "reference_2.5"):
        write_image(tmp_path / f"{name}.nii.gz", Image(own, grid))
    sample, ignored = real_background(tmp_path, np.random.default_rng(2), lesions=5)
    assert ignored[own > 0].all()
    assert sample.lesions.any()
    assert not (sample.lesions[ignored] > 0).any()
    assert (sample.tmtvprob > 0.5).any()
    far = ndimage.distance_transform_edt(sample.lesions == 0) > 6
    np.testing.assert_allclose(sample.suv[far], suv[far], atol=1e-2)
    untouched, _ = real_background(tmp_path, np.random.default_rng(2), lesions=0)
    np.testing.assert_array_equal(untouched.suv, suv)
    assert not untouched.lesions.any()


def test_what_the_dice_is_lost_for():
    """Truth: lesions of 4, 4 and 2 voxels. Found: 2 voxels of the first, all of the second; 3 voxels are false."""
    truth, found = np.zeros((1, 1, 24), np.float32), np.zeros((1, 1, 24), np.float32)
    truth[..., 0:4] = truth[..., 6:10] = truth[..., 12:14] = 1
    found[..., 0:2] = found[..., 6:10] = found[..., 20:23] = 1
    empty = np.zeros(truth.shape, bool)
    sample = Sample(truth, truth, truth, truth.astype(np.uint8), empty)
    assert losses(found, sample) == pytest.approx([12 / 19, 12 / 16, 16 / 21, 16 / 21])
    ignored = empty.copy()
    ignored[..., 20:] = True
    assert losses(found, sample, ignored)[0] == pytest.approx(12 / 16)
