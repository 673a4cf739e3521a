"""How the phantom's reader draws."""

from __future__ import annotations

import numpy as np

from petct.image import Geometry
from tmtv_tf.phantom.reader import AVOIDED_SUV, draw_outlines


def test_the_reader_draws_generously_but_keeps_off_hot_organs():
    geometry = Geometry((30, 40, 40), (4.0, 4.0, 4.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[12:18, 15:21, 15:21] = 1
    organ = np.full(geometry.shape, 1.0, np.float32)
    organ[:, :, 22:] = AVOIDED_SUV + 1
    (outline,) = draw_outlines(labels, organ, geometry, np.random.default_rng(0))
    slices = {k for k, _ in outline.contours}
    assert slices >= set(range(12, 18))
    points = np.concatenate([line for _, line in outline.contours])
    assert points[:, 0].min() < 14.5  # a margin towards the cold side
    assert points[:, 0].max() < 22  # none into the organ


def test_a_very_large_mass_is_drawn_in_two_overlapping_pieces():
    geometry = Geometry((40, 40, 40), (4.0, 4.0, 4.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[8:32, 10:30, 10:30] = 1  # 614 mL
    first, second = draw_outlines(
        labels, np.zeros(geometry.shape, np.float32), geometry, np.random.default_rng(0)
    )
    shared = {k for k, _ in first.contours} & {k for k, _ in second.contours}
    assert 2 <= len(shared) <= 8
