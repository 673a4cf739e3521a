"""What a network finds in a sample."""

import numpy as np
import pytest

from tmtv_tf.phantom.worlds.sample import Sample
from tmtv_tf.phantom.worlds.score import score, summary


def test_scores_by_hand():
    """Two lesions of 8 voxels (0.512 mL); one half found, 4 voxels of speck elsewhere, 2 of them in the heart."""
    shape = (12, 12, 12)
    truth, probability, hot = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    truth[1:3, 1:3, 1:3] = truth[8:10, 8:10, 8:10] = 1
    truth[5, 5, 5] = 0.5  # not more than half: no lesion
    lesions = truth.astype(np.uint8)
    lesions[8:] *= 2
    lesions[5, 5, 5] = 3
    probability[1:3, 1:3, 1] = 1
    probability[5, 1:3, 9:11] = 1
    hot[5, 1, 9:11] = True
    sample = Sample(truth, truth, truth, lesions, hot)
    result = score(probability, sample)
    assert result.dice == pytest.approx(2 * 4 / (8 + 16))
    assert (result.lesions, result.found) == (result.drawn, result.drawn_found) == (2, 1)
    two_parts = Sample(
        truth, truth, truth, (truth > 0.5).astype(np.uint8), hot
    )  # one lesion, half of it found
    assert (score(probability, two_parts).drawn, score(probability, two_parts).drawn_found) == (1, 1)
    assert result.false_ml == pytest.approx(4 * 0.064)
    assert result.hot_ml == pytest.approx(2 * 0.064)
    ignored = np.zeros(shape, bool)
    ignored[5] = True
    assert score(probability, sample, ignored).false_ml == 0
    table = summary([result, score(truth, sample)])
    assert table["median_dice"] == pytest.approx((1 / 3 + 1) / 2)
    assert table["lesions_found"] == table["drawn_found"] == pytest.approx(0.75)
    assert np.isnan(score(np.zeros(shape), Sample(truth, truth, 0 * truth, hot * np.uint8(0), hot)).dice)
