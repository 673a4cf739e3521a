"""A ROI in its box: drawn masks, voxels counted by hand."""

from __future__ import annotations

import numpy as np

from petct.rois.roi import Roi


def test_the_box_and_the_values_in_it() -> None:
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = mask[2, 2, 4] = True
    roi = Roi.from_mask("a", mask, corner=(10, 20, 30))
    assert (roi.corner, roi.mask.shape, roi.voxels) == ((11, 22, 33), (2, 1, 2), 2)
    image = np.zeros((20, 30, 40))
    image[11, 22, 33], image[12, 22, 34] = 5, 7
    assert roi.values(image).tolist() == [5, 7]


def test_voxels_that_touch_at_an_edge_are_two_parts() -> None:
    mask = np.zeros((1, 2, 4), bool)
    mask[0, 0, :2] = mask[0, 1, 2] = True
    parts = Roi.from_mask("a", mask, corner=(5, 6, 7)).components()
    assert [(part.name, part.corner, part.voxels) for part in parts] == [
        ("a", (5, 6, 7), 2),
        ("a", (5, 7, 9), 1),
    ]


def test_a_roi_without_voxels_has_no_part() -> None:
    roi = Roi.from_mask("a", np.zeros((2, 2, 2), bool), corner=(1, 1, 1))
    assert (roi.voxels, roi.components(), roi.values(np.ones((4, 4, 4))).size) == (0, [], 0)
