"""Whole methods against the slow reference, and each inequality exactly on its threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import slow_reference as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.errors import ImageError, ParameterError
from postprocess import Config, Segmentation, segment, threshold_suvmax_fraction

SPACINGS = st.tuples(*[st.sampled_from([2.0, 3.5, 5.0])] * 3)


def random_case(seed: int, side: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, side + 1, 3))
    suv = (rng.permutation(math.prod(shape)).reshape(shape) * (10 / math.prod(shape))).astype(np.float32)
    return rng.choice(np.array([0.1, 0.5, 0.6, 0.9], np.float32), shape, p=[0.2, 0.1, 0.3, 0.4]), suv


@given(seed=st.integers(0, 10**6), spacing_mm=SPACINGS)
@settings(max_examples=15, deadline=None)
def test_every_method_equals_the_slow_reference(seed: int, spacing_mm: tuple) -> None:
    probability, suv = random_case(seed)
    work = Segmentation(probability, suv, spacing_mm, Config(split_above_ml=0.4, peak_distance_mm=6))
    for method in ("raw", "41", "2.5", "4.0", "50p", "vote2", "vote3"):
        expected = slow.segment(probability, suv, spacing_mm, method, above_ml=0.4, reach_mm=6)
        np.testing.assert_array_equal(work.lesions(method).paint(), expected, err_msg=method)


@given(seed=st.integers(0, 10**6), order=st.permutations([0, 1, 2]), flips=st.sets(st.integers(0, 2)))
@settings(max_examples=25, deadline=None)
def test_permuting_and_flipping_axes_changes_nothing(seed: int, order: list, flips: set) -> None:
    probability, suv = random_case(seed, side=9)
    spacing_mm = (2.0, 3.5, 5.0)
    config = Config(split_above_ml=0.4, peak_distance_mm=9)

    def turn(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(array.transpose(order), tuple(flips)))

    turned_mm = tuple(spacing_mm[axis] for axis in order)
    for method in ("raw", "41", "2.5", "50p", "otsu", "vote2"):
        straight = turn(segment(probability, suv, spacing_mm, method, config))
        turned = segment(turn(probability), turn(suv), turned_mm, method, config)
        np.testing.assert_array_equal(straight > 0, turned > 0)
        pairs = np.unique(np.stack([straight[turned > 0], turned[turned > 0]]), axis=1)
        assert (
            pairs.shape[1] == straight.max() == turned.max()
        )  # the same lesions, equal volumes may swap names
        sizes = [np.bincount(labels.ravel())[1:].tolist() for labels in (straight, turned)]
        assert sizes[0] == sizes[1]


def line(*suv: float) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(suv, np.float32).reshape(1, 1, -1)
    return np.ones(values.shape, np.float32), values


@pytest.mark.parametrize(
    ("method", "suv", "kept"),
    [
        ("2.5", (2.5, np.nextafter(np.float32(2.5), np.float32(3)), 2.4), [0, 1, 0]),
        ("4.0", (4.0, np.nextafter(np.float32(4), np.float32(5)), 3.9), [0, 1, 0]),
        ("3.7", (3.7, 3.71, 9), [0, 1, 1]),
        ("41", (100, 41, np.nextafter(np.float32(41), np.float32(0))), [1, 1, 0]),
        ("41", (10, 4.1, 4.09), [1, 1, 0]),
        ("25", (8, 2, 1.99), [1, 1, 0]),
        ("liver", (2.0, 2.01, 3), [0, 1, 1]),
        ("raw", (0, 0, 0), [1, 1, 1]),
    ],
)
def test_voxels_exactly_on_the_threshold(method: str, suv: tuple, kept: list) -> None:
    probability, values = line(*suv)
    labels = segment(probability, values, (2.0, 2.0, 2.0), method, Config(liver_suv=2.0))
    assert (labels > 0).ravel().tolist() == [bool(k) for k in kept]


def test_half_of_suvpeak_is_kept() -> None:
    suv = np.full((9, 9, 9), 8, np.float32)
    suv[0, 0, 0], suv[0, 0, 8] = 4, np.nextafter(np.float32(4), np.float32(0))
    kept = segment(np.ones_like(suv), suv, (4.0, 4.0, 4.0), "50p") > 0
    assert kept[0, 0, 0]
    assert not kept[0, 0, 8]


def test_benchmark_takes_4_and_3_ml_and_nothing_less() -> None:
    suv = np.zeros((1, 1, 9), np.float32)
    suv[0, 0, :3], suv[0, 0, 4:6] = 4.0, 9.0  # 3 mL at 4.0, 2 mL far above
    labels = segment(np.ones_like(suv), suv, (10.0, 10.0, 10.0), "4.0-benchmark")
    assert labels[0, 0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_otsu_is_scikit_image_s_threshold_of_each_part_and_keeps_constant_parts() -> None:
    from skimage.filters import threshold_otsu

    rng = np.random.default_rng(5)
    suv = rng.gamma(2, 2, (10, 10, 30)).astype(np.float32)
    mask = np.zeros(suv.shape, bool)
    mask[:, :, :10] = mask[4, 4, 12] = mask[2:4, 2:4, 20:22] = True
    suv[2:4, 2:4, 20:22] = 3
    kept = segment(mask, suv, (2.0, 2.0, 2.0), "otsu") > 0
    box = suv[:, :, :10]
    np.testing.assert_array_equal(kept[:, :, :10], box > threshold_otsu(box, nbins=256))
    assert kept[4, 4, 12]
    assert kept[2:4, 2:4, 20:22].all()


@pytest.mark.parametrize(("fraction", "factor"), [("41", 1.3354), ("50", 1.1774)])
def test_the_contour_of_a_gaussian(fraction: str, factor: float) -> None:
    """A exp(-r^2 / 2 s^2) falls to a fraction f of its maximum at r = s sqrt(2 ln(1/f)); unequal spacing."""
    spacing_mm, sigma_mm = (1.5, 1.0, 0.75), 9.0
    z, y, x = (np.arange(-n, n + 1) * s for n, s in zip((20, 30, 40), spacing_mm))
    r2 = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    suv = (12 * np.exp(-r2 / (2 * sigma_mm**2))).astype(np.float32)
    labels = segment(np.ones_like(suv), suv, spacing_mm, fraction)
    volume_mm3 = (labels > 0).sum() * math.prod(spacing_mm)
    assert (3 * volume_mm3 / (4 * math.pi)) ** (1 / 3) == pytest.approx(factor * sigma_mm, rel=5e-3)
    assert factor == pytest.approx(math.sqrt(2 * math.log(100 / int(fraction))), abs=1e-4)


def test_a_part_s_threshold_may_disconnect_it_but_it_stays_one_lesion() -> None:
    probability, suv = line(10, 1, 9, 1, 8)
    assert segment(probability, suv, (2.0,) * 3, "41")[0, 0].tolist() == [1, 0, 1, 0, 1]
    assert segment(probability, suv, (2.0,) * 3, "2.5")[0, 0].tolist() == [1, 0, 2, 0, 3]


def test_small_lesions_are_left_out_by_option() -> None:
    probability, suv = line(5, 5, 0, 5)
    config = Config(min_volume_ml=2.0)
    assert segment(probability, suv, (10.0,) * 3, "4.0", config)[0, 0].tolist() == [1, 1, 0, 0]
    assert segment(probability, suv, (10.0,) * 3, "4.0")[0, 0].tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(
    "method", ["raw", "41", "2.5", "4.0", "otsu", "50p", "vote2", "4.0-benchmark", "parts"]
)
def test_an_empty_mask_gives_zeros(method: str) -> None:
    suv = np.ones((3, 4, 5), np.float32)
    labels = segment(np.zeros_like(suv), suv, (2.0, 2.0, 2.0), method)
    assert labels.dtype == np.int32
    assert not labels.any()


def test_inputs_are_left_alone_and_memory_order_does_not_matter() -> None:
    probability, suv = random_case(11, side=12)
    before = probability.copy(), suv.copy()
    expected = segment(probability, suv, (3.0, 3.0, 3.0))
    np.testing.assert_array_equal(segment(np.asfortranarray(probability), suv[:], (3.0, 3.0, 3.0)), expected)
    np.testing.assert_array_equal(segment(probability, np.asfortranarray(suv), (3.0, 3.0, 3.0)), expected)
    np.testing.assert_array_equal(probability, before[0])
    np.testing.assert_array_equal(suv, before[1])


@pytest.mark.parametrize("name", ["4", "041", "101", "vote1", "50 p", "mv4", "A50P", "-2.5", "SUV4", ""])
def test_unknown_methods_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="No method"):
        segment(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1.0, 1.0, 1.0), name)


def test_liver_needs_its_value() -> None:
    with pytest.raises(ParameterError, match="liver_suv"):
        segment(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1.0, 1.0, 1.0), "liver")


def test_arrays_that_do_not_fit_are_refused() -> None:
    ones = np.ones((2, 2, 2), np.float32)
    with pytest.raises(ImageError, match="one shape"):
        segment(ones, np.ones((2, 2, 3)), (1.0, 1.0, 1.0))
    with pytest.raises(ImageError, match="spacing"):
        segment(ones, ones, (1.0, 0.0, 1.0))
    with pytest.raises(ImageError, match="NaN"):
        segment(ones, np.full((2, 2, 2), np.nan, np.float32), (1.0, 1.0, 1.0))


def test_threshold_on_label_images() -> None:
    labels = np.array([[[1, 1, 0, 2, 2]]], np.int32)
    suv = np.array([[[10, 4, 99, 2, 1]]], np.float32)
    assert threshold_suvmax_fraction(labels, suv)[0, 0].tolist() == [1, 0, 0, 2, 2]
