from __future__ import annotations

import numpy as np
import pytest
import slow_reference as slow
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from petct.errors import ImageError, ParameterError
from postprocess import label_components, threshold_probability
from postprocess._components import foreground, order_by_volume

SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)


@given(mask=hnp.arrays(bool, SHAPES), connectivity=st.sampled_from([6, 18, 26]))
@settings(max_examples=60, deadline=None)
def test_components_equal_a_flood_fill(mask: np.ndarray, connectivity: int) -> None:
    labels = label_components(mask, connectivity)
    np.testing.assert_array_equal(labels, slow.number(slow.components(mask, connectivity), mask.shape))
    assert labels.dtype == np.int32


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (18, 2), (26, 3)])
def test_components_equal_scipy_on_a_large_mask(connectivity: int, rank: int) -> None:
    from scipy.ndimage import generate_binary_structure, label

    mask = np.random.default_rng(1).random((40, 50, 60)) > 0.72
    expected, n = label(mask, generate_binary_structure(3, rank))
    found = label_components(mask, connectivity)
    assert found.max() == n
    assert len(np.unique(np.stack([found[mask], expected[mask]]), axis=1).T) == n  # one name for one name
    sizes = np.bincount(found[mask])[1:]
    assert (np.diff(sizes) <= 0).all()


def test_rows_do_not_join_across_the_edge_of_the_volume() -> None:
    mask = np.zeros((2, 3, 4), bool)
    mask[0, 0, 3] = mask[0, 1, 0] = True  # neighbours in memory only
    mask[0, 2, 0] = mask[1, 0, 0] = True
    for connectivity in (6, 18, 26):
        expected = slow.number(slow.components(mask, connectivity), mask.shape)
        np.testing.assert_array_equal(label_components(mask, connectivity), expected)


def test_labels_descend_in_volume_and_ties_follow_the_first_voxel() -> None:
    mask = np.zeros((1, 1, 12), bool)
    mask[0, 0, [0, 2, 4, 5, 7, 8, 9, 11]] = True
    assert label_components(mask)[0, 0].tolist() == [3, 0, 4, 0, 2, 2, 0, 1, 1, 1, 0, 5]
    assert order_by_volume(np.array([7, 0, 3, 7, 3, 9])).tolist() == [1, 0, 2, 1, 2, 3]


def test_an_empty_mask_gives_zeros() -> None:
    labels = label_components(np.zeros((3, 4, 5), bool))
    assert labels.shape == (3, 4, 5)
    assert not labels.any()


def test_more_than_255_components() -> None:
    mask = np.zeros((7, 20, 20), bool)
    mask[::2, ::2, ::2] = True
    assert label_components(mask).max() == 400


def test_the_mask_is_strictly_above_the_threshold() -> None:
    values = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.0, 1.0], np.float32).reshape(
        1, 1, 4
    )
    assert threshold_probability(values)[0, 0].tolist() == [False, True, False, True]
    assert foreground(values).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "NaN"),
        (np.inf, "infinite"),
        (-2.5, "logits"),
        (3.0, "no probabilities"),
        (255.0, "no probabilities"),
    ],
)
def test_what_is_no_probability_is_refused(value: float, says: str) -> None:
    values = np.zeros((4, 4, 4), np.float32)
    values[1, 2, 3] = value
    with pytest.raises(ImageError, match=says):
        foreground(values)


def test_unknown_connectivity_is_refused() -> None:
    with pytest.raises(ParameterError, match="6, 18 or 26"):
        label_components(np.ones((2, 2, 2), bool), 8)
