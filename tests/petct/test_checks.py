"""What the library refuses before it computes."""

from __future__ import annotations

import numpy as np
import pytest

import petct
import postprocess
import tmtv_tf
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
    with pytest.raises(TmtvError, match="weight must be above 0 kg"):
        petct.Overrides(weight_kg="70")  # type: ignore[arg-type]


IMAGE = petct.Image(SUV, petct.Geometry(SHAPE, SPACING))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("geometry", lambda: petct.Image(SUV, SPACING)),  # type: ignore[arg-type]
        ("geometry", lambda: petct.resample(IMAGE, IMAGE)),  # type: ignore[arg-type]
        ("geometry", lambda: postprocess.lesion_table(LABELS, SUV, SPACING, SPACING)),  # type: ignore[call-overload]
        ("config", lambda: postprocess.segment(SUV, SUV, SPACING, "a50p", {"liver_suv": 2.0})),  # type: ignore[arg-type]
        ("config", lambda: postprocess.segment(SUV, SUV, SPACING, "41", {})),  # type: ignore[arg-type]
        ("config", lambda: postprocess.Segmentation(SUV, SUV, SPACING, {"connectivity": 26})),  # type: ignore[arg-type]
        ("instances", lambda: postprocess.Segmentation(SUV, SUV, SPACING, instances=LABELS)),  # type: ignore[arg-type]
        ("header", lambda: petct.suv_bw_factor({"Units": "BQML"})),  # type: ignore[arg-type]
        ("overrides", lambda: petct.suv_bw_factor(petct.PetHeader("x"), {})),  # type: ignore[arg-type]
        ("options", lambda: tmtv_tf.run("none", options={"export": "41"})),  # type: ignore[arg-type]
        ("options", lambda: tmtv_tf.run("none", options={})),  # type: ignore[arg-type]
        ("overrides", lambda: tmtv_tf.run("none", overrides={"weight_kg": 70})),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_of_our_classes_is_refused(name: str, call) -> None:
    """A dict, a tuple, an image in place of a grid: they ended in an AttributeError, and an empty dict was taken."""
    with pytest.raises(TmtvError, match=f"`{name}` must be of the type"):
        call()
