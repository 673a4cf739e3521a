from __future__ import annotations

import numpy as np
import pytest
import slow_reference as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess import label_components, split_large_components
from postprocess._watershed import find_peaks

SPACINGS = st.tuples(*[st.sampled_from([1.0, 2.5, 4.0, 7.0])] * 3)


def as_parts(labels: np.ndarray) -> set[frozenset]:
    return {frozenset(map(tuple, np.argwhere(labels == k))) for k in range(1, labels.max() + 1)}


@given(seed=st.integers(0, 10**6), spacing_mm=SPACINGS, reach_mm=st.sampled_from([0.0, 3.0, 5.0, 8.0, 20.0]))
@settings(max_examples=30, deadline=None)
def test_peaks_equal_the_definition(seed: int, spacing_mm: tuple, reach_mm: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 7, 3))
    suv = rng.integers(0, rng.choice([3, 1000]), shape).astype(np.float32)  # plateaus, or hardly any
    mask = rng.random(shape) < 0.8
    expected = slow.peaks({tuple(map(int, v)) for v in np.argwhere(mask)}, suv, spacing_mm, reach_mm)
    found = find_peaks(np.where(mask, suv, -np.inf), spacing_mm, reach_mm)
    assert {tuple(map(int, v)) for v in np.argwhere(found)} == expected


@pytest.mark.parametrize("reach_mm", [2.0, 5.0, 6.0, 9.0])
def test_peaks_of_large_plateaus_equal_the_definition(reach_mm: float) -> None:
    suv = np.full((7, 9, 11), 3, np.float32)
    suv[2:5, 2:6, 1:8] = 5
    suv[3, 3, 3] = 9
    expected = slow.peaks({tuple(map(int, v)) for v in np.ndindex(suv.shape)}, suv, (3.0, 2.0, 1.0), reach_mm)
    found = find_peaks(suv, (3.0, 2.0, 1.0), reach_mm)
    assert {tuple(map(int, v)) for v in np.argwhere(found)} == expected


@given(seed=st.integers(0, 10**6), spacing_mm=SPACINGS, reach_mm=st.sampled_from([3.0, 5.0, 8.0]))
@settings(max_examples=30, deadline=None)
def test_parts_equal_a_slow_flood(seed: int, spacing_mm: tuple, reach_mm: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 7, 3))
    suv = rng.permutation(np.prod(shape)).reshape(shape).astype(np.float32)  # no two alike: one answer
    mask = rng.random(shape) < 0.75
    labels = label_components(mask)
    found = split_large_components(labels, suv, spacing_mm, above_ml=0.05, peak_distance_mm=reach_mm)
    expected = slow.number(slow.parts(mask, suv, spacing_mm, 0.05, reach_mm), shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_no_voxel_is_lost_or_gained_and_parts_are_connected(connectivity: int) -> None:
    rng = np.random.default_rng(3)
    mask = rng.random((12, 14, 16)) < 0.5
    suv = rng.integers(0, 20, mask.shape).astype(np.float32)  # many equal values
    labels = label_components(mask, connectivity)
    found = split_large_components(
        labels, suv, (4.0, 3.0, 2.0), above_ml=1, peak_distance_mm=8, connectivity=connectivity
    )
    np.testing.assert_array_equal(found > 0, mask)
    assert found.max() > labels.max()
    for k in range(1, found.max() + 1):
        assert len(np.unique(labels[found == k])) == 1
        assert label_components(found == k, connectivity).max() == 1


def two_peaks(length: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(length, dtype=np.float32)
    suv = np.broadcast_to(10 - np.minimum(abs(x - 3), abs(x - (length - 4))), (1, 1, length)).astype(
        np.float32
    )
    return np.ones(suv.shape, np.int32), suv


def test_30_ml_stays_whole_and_one_voxel_more_is_split() -> None:
    labels, suv = two_peaks(30)  # voxels of 1 mL
    assert split_large_components(labels, suv, (10.0, 10.0, 10.0)).max() == 1
    labels, suv = two_peaks(31)
    assert split_large_components(labels, suv, (10.0, 10.0, 10.0)).max() == 2


def test_30_ml_in_single_precision_spacing_stays_whole() -> None:
    spacing_mm = (float(np.float32(10 / 3)),) * 3  # 810 voxels of 1000/27 mm3, 8e-8 off
    suv = np.random.default_rng(0).random((9, 9, 10)).astype(np.float32)
    labels = np.ones(suv.shape, np.int32)
    assert split_large_components(labels, suv, spacing_mm, peak_distance_mm=5).max() == 1
    assert (
        split_large_components(labels, suv, tuple(s * 1.00001 for s in spacing_mm), peak_distance_mm=5).max()
        > 1
    )


def test_mirrored_peaks_are_split_on_the_mid_plane() -> None:
    z, y, x = np.mgrid[:21, :21, :40].astype(np.float32)
    suv = np.zeros(z.shape, np.float32)
    for centre in (9.5, 29.5):
        suv += 10 * np.exp(-((z - 10) ** 2 + (y - 10) ** 2 + (x - centre) ** 2) / 60)
    parts = split_large_components(np.ones(suv.shape, np.int32), suv, (2.0, 2.0, 2.0))
    assert parts.max() == 2
    assert len(np.unique(parts[:, :, :20])) == 1
    assert len(np.unique(parts[:, :, 20:])) == 1


@pytest.mark.parametrize(("gap_mm", "parts"), [(20, 1), (21, 2)])
def test_a_lower_peak_counts_only_beyond_20_mm(gap_mm: int, parts: int) -> None:
    suv = np.ones((31, 31, 40), np.float32)
    suv[5, 5, 5], suv[5, 5, 5 + gap_mm] = 9, 8
    found = split_large_components(np.ones(suv.shape, np.int32), suv, (1.0, 1.0, 1.0))
    assert len({found[5, 5, 5], found[5, 5, 5 + gap_mm]}) == parts


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distance_is_in_mm_along_every_axis(axis: int) -> None:
    spacing_mm = (5.0, 4.0, 2.0)
    for extra in (0, 1):
        suv = np.zeros((16, 20, 32), np.float32)
        at = [4, 4, 4]
        at[axis] += int(20 / spacing_mm[axis]) + extra
        suv[4, 4, 4], suv[tuple(at)] = 9, 8
        assert find_peaks(suv, spacing_mm, 20.0)[tuple(at)] == bool(extra)


def test_peaks_at_the_border_are_kept_and_plateaus_are_one_marker() -> None:
    suv = np.ones((12, 12, 40), np.float32)
    suv[0, 0, 0:2], suv[11, 11, 38:] = 5, 5
    parts = split_large_components(np.ones(suv.shape, np.int32), suv, (2.0, 2.0, 2.0))
    assert parts[0, 0, 0] == parts[0, 0, 1]
    assert parts[11, 11, 38] == parts[11, 11, 39]
    assert parts[0, 0, 0] != parts[11, 11, 39]
    assert np.bincount(parts.ravel())[0] == 0


def test_equal_peaks_that_do_not_touch_are_two_markers() -> None:
    suv = np.ones((10, 10, 31), np.float32)
    suv[5, 5, 5] = suv[5, 5, 9] = 7
    parts = split_large_components(np.ones(suv.shape, np.int32), suv, (3.0, 3.0, 3.0))
    assert parts[5, 5, 5] != parts[5, 5, 9]


def test_a_constant_component_stays_whole() -> None:
    labels = np.ones((20, 20, 20), np.int32)
    assert split_large_components(labels, np.full(labels.shape, 3, np.float32), (2.0, 2.0, 2.0)).max() == 1


def test_more_than_255_parts() -> None:
    suv = np.ones((5, 65, 65), np.float32)
    suv[2, ::4, ::4] = 2 + np.arange(17 * 17).reshape(17, 17)
    parts = split_large_components(np.ones(suv.shape, np.int32), suv, (2.0,) * 3, peak_distance_mm=7.9)
    assert parts.max() == 289


def test_a_label_in_two_pieces_loses_nothing() -> None:
    labels = np.zeros((4, 20, 40), np.int32)
    labels[:, :, :18] = labels[:, :, 22:] = 1
    suv = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    parts = split_large_components(labels, suv, (4.0, 4.0, 4.0), above_ml=1)
    np.testing.assert_array_equal(parts > 0, labels > 0)


def test_nothing_in_nothing_out() -> None:
    empty = np.zeros((3, 3, 3), np.int32)
    assert not split_large_components(empty, empty.astype(np.float32), (1.0, 1.0, 1.0)).any()
