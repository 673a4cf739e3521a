"""The box of a mask against the indices of its voxels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from petct.boxes import bounding_box


@given(arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=6)), st.booleans())
def test_the_box_holds_every_voxel_and_is_the_smallest(mask, twice):
    box = bounding_box(mask, mask) if twice else bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    if mask.any():
        index = np.argwhere(mask)
        assert [(s.start, s.stop) for s in box] == list(zip(index.min(0), index.max(0) + 1))
    else:
        assert mask[box].size == 0


def test_a_margin_is_cut_at_the_first_voxel_only():
    mask = np.zeros((6, 6, 6), bool)
    mask[1, 3, 5] = True
    assert bounding_box(mask, margin=(2, 1, 1)) == (slice(0, 4), slice(2, 5), slice(4, 7))
    assert bounding_box(np.zeros((2, 2, 2), bool), margin=(1, 1, 1)) == (slice(0, 0),) * 3
