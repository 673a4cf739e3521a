"""A picture of a prediction while a network trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def test_a_picture_has_the_head_up_and_hot_voxels_black():
    from training.pictures import MipPictures

    image, target = np.zeros((4, 3, 2, 2), np.float32), np.zeros((4, 3, 2, 1), np.float32)
    image[3, 1, 0, 0], target[0, 2, 1, 0] = 0.4, 1
    picture = MipPictures(Path(), image, target, "a").picture(np.zeros((4, 3, 2, 1), np.float32))
    assert picture.shape == (4, 6)
    assert np.argwhere(picture == 0).tolist() == [[0, 0], [3, 3]]
