"""Section 2.5 as one function: the steps give what `segment` gives, and every function refuses what it should."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct import Geometry, Image
from petct.errors import ImageError, ParameterError, TmtvError
from postprocess import (
    Config,
    label_components,
    lesion_table,
    patient_measures,
    segment,
    split_large_components,
    threshold_probability,
    threshold_suvmax_fraction,
)
from postprocess._components import order_by_volume

SHAPE, SPACING_MM = (2, 3, 4), (3.0, 2.0, 1.0)
ONES = np.ones(SHAPE, np.float32)
LABELS = np.ones(SHAPE, np.int32)


@given(seed=st.integers(0, 10**6), connectivity=st.sampled_from([6, 18, 26]))
@settings(max_examples=40, deadline=None)
def test_segment_is_the_four_steps_one_after_the_other(seed: int, connectivity: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 9, 3))
    probability, suv = rng.random(shape).astype(np.float32), rng.gamma(2, 3, shape).astype(np.float32)
    mask = threshold_probability(probability)
    components = label_components(mask, connectivity)
    parts = split_large_components(
        components, suv, SPACING_MM, above_ml=0.05, peak_distance_mm=4, connectivity=connectivity
    )
    kept = threshold_suvmax_fraction(parts, suv, 0.41)
    config = Config(split_above_ml=0.05, peak_distance_mm=4, connectivity=connectivity)
    expected = order_by_volume(kept.ravel()).reshape(shape)  # lesions are numbered by what is left of them
    np.testing.assert_array_equal(segment(probability, suv, SPACING_MM, "41", config), expected)


def test_images_bring_their_spacing_and_their_place() -> None:
    """Unequal spacing, so that a wrong order of the axes would show in every number."""
    suv = np.arange(24, dtype=np.float32).reshape(SHAPE) + 1
    geometry = Geometry(SHAPE, SPACING_MM, (10.0, 20.0, 30.0))
    pet, probability = Image(suv, geometry), Image(ONES, geometry)
    labels = segment(probability, pet, method="41")
    np.testing.assert_array_equal(labels, segment(ONES, suv, SPACING_MM, "41"))
    assert lesion_table(labels, pet) == lesion_table(labels, suv, SPACING_MM, geometry)
    assert patient_measures(labels, pet) == patient_measures(labels, suv, SPACING_MM)
    np.testing.assert_array_equal(
        split_large_components(labels, pet), split_large_components(labels, suv, SPACING_MM)
    )
    np.testing.assert_array_equal(
        threshold_suvmax_fraction(labels, pet), threshold_suvmax_fraction(labels, suv)
    )


def test_images_that_do_not_fit_are_refused() -> None:
    pet = Image(ONES, Geometry(SHAPE, SPACING_MM))
    with pytest.raises(ImageError, match="one grid"):
        segment(Image(ONES, Geometry(SHAPE, SPACING_MM, (5.0, 0.0, 0.0))), pet)
    with pytest.raises(ImageError, match="mm"):
        segment(ONES, pet, SPACING_MM[::-1])
    with pytest.raises(ParameterError, match="`spacing_mm` is missing"):
        segment(ONES, ONES)
    with pytest.raises(ImageError, match="`geometry`"):
        lesion_table(LABELS, pet, SPACING_MM, Geometry(SHAPE, SPACING_MM, (5.0, 0.0, 0.0)))


WITH_SPACING = {
    "segment": lambda labels, suv, spacing: segment(labels > 0, suv, spacing),
    "split_large_components": split_large_components,
    "lesion_table": lesion_table,
    "patient_measures": patient_measures,
}
WITH_LABELS = {
    "split_large_components": lambda labels, suv: split_large_components(labels, suv, SPACING_MM),
    "threshold_suvmax_fraction": threshold_suvmax_fraction,
    "lesion_table": lambda labels, suv: lesion_table(labels, suv, SPACING_MM),
    "patient_measures": lambda labels, suv: patient_measures(labels, suv, SPACING_MM),
    "segment(instances=)": lambda labels, suv: segment(ONES, suv, SPACING_MM, instances=labels),
}


@pytest.mark.parametrize("name", WITH_SPACING)
@pytest.mark.parametrize(
    "spacing_mm",
    [
        (1, 1, -3),
        (1, 0, 1),
        (math.nan, 1, 1),
        (1, math.inf, 1),
        (1, 1),
        (1, 1, 1, 1),
        4.0,
        "1mm",
        ("a", 1, 1),
    ],
)
def test_a_spacing_that_is_none_is_refused(name: str, spacing_mm: object) -> None:
    with pytest.raises(ImageError, match="`spacing_mm` must be the voxel spacing"):
        WITH_SPACING[name](LABELS, ONES, spacing_mm)


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (LABELS.astype(float), "cannot be of the type float64"),
        (LABELS > 0, "cannot be of the type bool"),
        (-LABELS, "Labels must be from 0"),
        (LABELS * 65536, "Labels must be from 0 .* 65536"),
        (LABELS[0], "3-D"),
        (LABELS.tolist(), "3-D"),
        (LABELS[:, ::-1, 1:], "of one shape"),
        (LABELS.T, "of one shape"),
    ],
)
def test_labels_that_are_none_are_refused(name: str, labels: object, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        WITH_LABELS[name](labels, ONES)


@pytest.mark.parametrize("name", [*WITH_LABELS, "segment"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_suv_in_the_mask_that_is_not_finite_is_refused(name: str, value: float) -> None:
    suv = ONES.copy()
    suv[1, 2, 3] = value
    call = WITH_LABELS.get(name, lambda labels, suv: segment(ONES, suv, SPACING_MM))
    with pytest.raises(ImageError, match="NaN or infinite"):
        call(LABELS, suv)
    outside = LABELS.copy()
    outside[1, 2, 3] = 0
    if name in ("lesion_table", "patient_measures"):  # it is still in the sphere of SUVpeak
        with pytest.raises(ImageError, match="SUVpeak"):
            call(outside, suv)
    elif name != "segment":
        call(outside, suv)


@pytest.mark.parametrize("dtype", [complex, object, "U1", bool])
def test_suv_of_other_types_are_refused(dtype: object) -> None:
    for call in WITH_LABELS.values():
        with pytest.raises(ImageError, match="`suv` cannot be of the type"):
            call(LABELS, ONES.astype(dtype))


@pytest.mark.parametrize("value", [5, 0, -6, 6.5, "6", None, True])
def test_another_connectivity_is_refused_everywhere(value: object) -> None:
    for call in (
        lambda: label_components(LABELS > 0, value),
        lambda: split_large_components(LABELS, ONES, SPACING_MM, connectivity=value),
        lambda: Config(connectivity=value),
    ):
        with pytest.raises(ParameterError, match="`connectivity` must be 6, 18 or 26"):
            call()


@pytest.mark.parametrize(
    ("fraction", "hint"), [(41, "mean 0.41"), (0, ""), (-0.1, ""), (math.nan, ""), ("0.41", "")]
)
def test_a_fraction_outside_its_range_is_refused(fraction: object, hint: str) -> None:
    with pytest.raises(ParameterError, match=f"`fraction` .*{hint}"):
        threshold_suvmax_fraction(LABELS, ONES, fraction)


@pytest.mark.parametrize("option", ["above_ml", "peak_distance_mm"])
@pytest.mark.parametrize("value", [-1, math.nan, "30", None])
def test_options_of_the_watershed_outside_their_range_are_refused(option: str, value: object) -> None:
    with pytest.raises(ParameterError, match="must not be negative"):
        split_large_components(LABELS, ONES, SPACING_MM, **{option: value})


@pytest.mark.parametrize("value", [math.inf, 1e308, 10_001])
def test_a_distance_that_no_body_has_is_refused(value: float) -> None:
    """An infinite one was an OverflowError where the voxels within it are counted."""
    with pytest.raises(ParameterError, match="`peak_distance_mm` must be at most 10000"):
        split_large_components(LABELS, ONES, SPACING_MM, peak_distance_mm=value)


@pytest.mark.parametrize("threshold", [1.0, -0.1, math.nan, "0.5"])
def test_a_probability_threshold_outside_its_range_is_refused(threshold: object) -> None:
    with pytest.raises(ParameterError, match="`probability_threshold`"):
        threshold_probability(ONES, threshold)


@pytest.mark.parametrize("method", [41, 0.41, None, "0.41", "41.0", "41 %"])
def test_a_method_that_is_none_is_refused(method: object) -> None:
    with pytest.raises(ParameterError, match="method"):
        segment(ONES, ONES, SPACING_MM, method)


def test_whole_number_suv_count_as_numbers() -> None:
    """41 % of 10 is 4.1: a whole 4 is below it."""
    suv = np.array([[[10, 4, 5]]])
    labels = np.ones((1, 1, 3), np.int32)
    assert threshold_suvmax_fraction(labels, suv)[0, 0].tolist() == [1, 0, 1]
    assert split_large_components(labels, suv, (30.0, 30.0, 30.0), peak_distance_mm=30).max() == 2


def test_every_refusal_is_a_value_error() -> None:
    assert issubclass(TmtvError, ValueError)
