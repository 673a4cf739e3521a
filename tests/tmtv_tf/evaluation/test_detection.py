"""Truth: foci drawn in the test, unequal spacing."""

from __future__ import annotations

import numpy as np
import pytest

from petct.image import Geometry
from tmtv_tf.evaluation.detection import unmatched_components

GEOMETRY = Geometry((6, 7, 8), (3.0, 2.0, 1.0), origin_mm=(100.0, 10.0, -50.0))


def drawn():
    reference = np.zeros(GEOMETRY.shape, bool)
    reference[0, 0, 0:2] = True  # touched by the prediction
    reference[4, 2:4, 5] = True  # missed, 2 voxels
    reference[2, 6, 7] = True  # missed, 1 voxel, at the border
    prediction = np.zeros(GEOMETRY.shape, bool)
    prediction[0, 0, 1:4] = True
    prediction[1, 1, 1] = True  # touches the first one by a corner only: a component of its own
    suv = np.ones(GEOMETRY.shape, np.float32)
    suv[4, 3, 5] = 9.5
    return reference, prediction, suv


def test_missed_lesions():
    reference, prediction, suv = drawn()
    missed, count = unmatched_components(reference, prediction, suv, GEOMETRY)
    assert count == 3
    assert [focus.volume_ml for focus in missed] == pytest.approx([0.012, 0.006])
    assert missed[0].suv_max == 9.5
    # Centroid at index (4, 2.5, 5): x = 100 + 5 * 1, y = 10 + 2.5 * 2, z = -50 + 4 * 3
    assert (missed[0].x_mm, missed[0].y_mm, missed[0].z_mm) == (105.0, 15.0, -38.0)
    assert (missed[1].x_mm, missed[1].y_mm, missed[1].z_mm) == (107.0, 22.0, -44.0)


def test_false_positives():
    reference, prediction, suv = drawn()
    found, count = unmatched_components(prediction, reference, suv, GEOMETRY)
    assert count == 2
    assert [focus.volume_ml for focus in found] == pytest.approx([0.006])


def test_empty_masks():
    reference, _, suv = drawn()
    nothing = np.zeros_like(reference)
    assert unmatched_components(nothing, reference, suv, GEOMETRY) == ([], 0)
    assert len(unmatched_components(reference, nothing, suv, GEOMETRY)[0]) == 3
