"""Which voxels a method keeps: hand numbers, exactly on the threshold, and Otsu beside its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprocess.thresholds import (
    OTSU_BINS,
    above_fraction_of,
    above_fraction_of_maximum,
    above_otsu,
    above_suvmax_fraction,
    otsu_threshold,
    share_of,
)


def otsu_by_definition(values: np.ndarray) -> float:
    """The middle of the bin after which two classes have the highest variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, OTSU_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    best, found = -1.0, middles[0]
    for k in range(1, OTSU_BINS):
        low, high = counts[:k].sum(), counts[k:].sum()
        apart = (counts[:k] @ middles[:k]) / low - (counts[k:] @ middles[k:]) / high
        if low * high * apart**2 > best * (1 + 1e-9):
            best, found = low * high * apart**2, middles[k - 1]
    return found


def test_41_percent_of_10_is_kept_in_either_precision() -> None:
    """In float32, 4.1 is below 0.41 * 10 = 4.1 of float64: the share is rounded as the SUV was."""
    for dtype in (np.float32, np.float64):
        values = np.array([10, 4.1, 4.2, 4.0], dtype)
        assert above_fraction_of_maximum(values, 0.41).tolist() == [True, True, True, False]
        assert above_suvmax_fraction(values, np.ones(4, np.int32), 0.41).tolist() == [True, True, True, False]
    below = np.nextafter(np.float32(4.1), np.float32(0))
    assert not above_fraction_of_maximum(np.array([10, below], np.float32), 0.41)[1]


def test_a_share_has_the_type_of_the_suv() -> None:
    assert share_of([10, 20], 0.41, np.float32).dtype == np.float32
    np.testing.assert_array_equal(share_of([10, 20], 0.5, np.float64), [5, 10])


def test_every_part_has_its_own_maximum() -> None:
    values = np.array([10, 5, 2, 4, 1, 3], np.float32)
    label = np.array([1, 1, 3, 3, 3, 1], np.int32)  # no voxel has label 2
    kept = above_suvmax_fraction(values, label, 0.5)
    assert kept.tolist() == [True, True, True, True, False, False]
    alone = [above_fraction_of_maximum(values[label == k], 0.5).tolist() for k in (1, 3)]
    assert alone == [kept[label == k].tolist() for k in (1, 3)]


def test_any_other_reference_stands_at_the_place_of_its_label() -> None:
    values, label = np.array([3, 3, 3], np.float32), np.array([1, 2, 3], np.int32)
    peaks = np.array([np.nan, 4.0, 6.0, 8.0])  # label 0 is no part
    assert above_fraction_of(values, label, peaks, 0.5).tolist() == [True, True, False]


def test_no_voxel_is_no_error() -> None:
    none, label = np.empty(0, np.float32), np.empty(0, np.int32)
    assert above_suvmax_fraction(none, label, 0.41).size == 0
    assert above_otsu(none, label).size == 0


@given(st.integers(0, 10**6))
def test_otsu_is_that_of_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(2, 0.5, 40), rng.normal(9, 1.5, 25)]).astype(np.float32)
    assert otsu_threshold(values) == pytest.approx(otsu_by_definition(values), abs=1e-5)


def test_equal_values_are_all_kept() -> None:
    assert otsu_threshold(np.full(5, 3.0)) == -np.inf
    values, label = np.float32([3, 3, 7, 1, 9, 9]), np.int32([1, 1, 2, 4, 4, 4])
    assert above_otsu(values, label).tolist() == [True, True, True, False, True, True]


@given(st.integers(0, 10**6))
def test_otsu_of_a_part_knows_nothing_of_the_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2, 3, 60).astype(np.float32)
    label = rng.choice([1, 2, 5], 60).astype(np.int32)
    kept = above_otsu(values, label)
    for k in (1, 2, 5):
        part = values[label == k]
        np.testing.assert_array_equal(kept[label == k], part > otsu_threshold(part))
