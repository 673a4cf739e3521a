"""What the library refuses before it computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import petct
import postprocess
from petct.errors import ImageError, TmtvError
from petct.geometry import Geometry, Image

SHAPE, SPACING = (2, 3, 4), (3.0, 2.0, 1.0)
LABELS = np.ones(SHAPE, np.int32)
SUV = np.ones(SHAPE, np.float32)


@pytest.mark.parametrize("spacing", [(-3, 2, 1), (0, 2, 1), (np.nan, 2, 1), (3, 2), (3, 2, "1 mm"), 3, None])
def test_a_grid_has_a_positive_spacing(spacing: object) -> None:
    with pytest.raises(ImageError, match="`spacing_mm` must be"):
        Geometry(SHAPE, spacing)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 4), (2.5, 3, 4), (-2, 3, 4), 24])
def test_a_grid_has_a_whole_shape(shape: object) -> None:
    with pytest.raises(ImageError, match="`shape` must be"):
        Geometry(shape, SPACING)  # type: ignore[arg-type]


def test_a_grid_lies_somewhere_and_its_axes_are_unit_vectors() -> None:
    with pytest.raises(ImageError, match="`origin_mm` must be 3 finite numbers"):
        Geometry(SHAPE, SPACING, (0.0, np.inf, 0.0))
    with pytest.raises(ImageError, match="`direction` must be 9 finite numbers"):
        Geometry(SHAPE, SPACING, direction=(1.0, 0.0, 0.0))
    with pytest.raises(
        ImageError, match="unit vectors"
    ):  # the spacing is in it once more: volumes would be wrong
        Geometry(SHAPE, SPACING, direction=(1.0, 0, 0, 0, 2.0, 0, 0, 0, 3.0))


@pytest.mark.parametrize("array", [[[[1.0]]], np.ones((3, 4)), SUV.astype(complex), SUV.astype(object)])
def test_an_image_is_an_array_of_three_axes(array: object) -> None:
    with pytest.raises(ImageError, match="`array`"):
        Image(array, Geometry(SHAPE, SPACING))  # type: ignore[arg-type]


def test_a_bare_array_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"`image` must be a petct\.Image"):
        petct.write_image(tmp_path / "x.nii.gz", SUV)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"`image` must be a petct\.Image"):
        petct.resample(SUV, Geometry(SHAPE, SPACING))  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", [postprocess.lesion_table, postprocess.patient_measures])
@pytest.mark.parametrize("suv", [None, [1.0], SUV[0], SUV.astype(complex)])
def test_lesions_are_measured_on_an_array_of_three_axes(measure, suv: object) -> None:
    with pytest.raises(ImageError, match="`suv`"):
        measure(LABELS, suv, SPACING)


@pytest.mark.parametrize("times", [("60", 100.0), (None, 1.0), (60.0, "100"), (np.nan, 1.0), (60.0, -1.0)])
def test_a_decay_factor_takes_seconds(times: tuple) -> None:
    with pytest.raises(TmtvError, match="`half_life_s`"):
        petct.decay_factor(*times)


def test_a_users_weight_is_a_number() -> None:
    with pytest.raises(TmtvError, match="weight must be above 0 kg"):
        petct.Overrides(weight_kg="70")  # type: ignore[arg-type]
