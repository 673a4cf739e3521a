"""What the library refuses before it computes."""

from __future__ import annotations

import numpy as np
import pytest

import petct
import postprocess
from petct.errors import ImageError, TmtvError

SHAPE, SPACING = (2, 3, 4), (3.0, 2.0, 1.0)


LABELS = np.ones(SHAPE, np.int32)


SUV = np.ones(SHAPE, np.float32)


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
    with pytest.raises(TmtvError, match="weight must be a number above 0 kg"):
        petct.Overrides(weight_kg="70")  # type: ignore[arg-type]
