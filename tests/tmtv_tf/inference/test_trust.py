"""Warnings about images and answers; the image is drawn here: a body with a liver, a brain and a bladder."""

from pathlib import Path

import numpy as np
import pytest

from petct.errors import CaseError, ImageError
from petct.image import Geometry, Image
from tmtv_tf.inference.model import Model
from tmtv_tf.inference.trust import check_input, check_output, find_liver
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.models.file import ModelDescription

SPACING = (5.0, 4.0, 4.0)


def _ball(shape, centre_mm, radius_mm):
    axes = np.ix_(*(np.arange(n) * s for n, s in zip(shape, SPACING)))
    return sum((a - c) ** 2 for a, c in zip(axes, centre_mm)) <= radius_mm**2


def _patient(liver=2.3, noise=0.05, slices=190):
    shape = (slices, 70, 100)
    suv = np.zeros(shape, np.float32)
    suv[:, 10:60, 15:85] = 0.7
    suv[_ball(shape, (500, 140, 140), 65)] = liver
    suv[_ball(shape, (870, 140, 200), 60)] = 9.0
    suv[_ball(shape, (110, 140, 198), 32)] = 20.0
    suv += suv * noise * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return Image(suv, Geometry(shape, SPACING))


def test_a_usual_image_has_nothing_to_warn_of():
    mean, noise = find_liver(_patient())
    assert mean == pytest.approx(2.3, rel=0.05)
    assert noise == pytest.approx(0.05, abs=0.02)
    assert check_input(_patient(), uptake_s=3600, tracer="Fluorodeoxyglucose") == []


@pytest.mark.parametrize(
    ("patient", "options", "wanted"),
    [
        ({"slices": 80}, {}, "400 mm of the body"),
        ({}, {"uptake_s": 1800}, "Uptake time 30 min"),
        ({}, {"tracer": "PSMA"}, "The tracer is PSMA"),
        ({"liver": 6.0}, {}, "Liver SUV 6.0"),
        ({"noise": 0.4}, {}, "Noise in the liver"),
    ],
)
def test_each_oddity_is_named(patient, options, wanted):
    found = check_input(_patient(**patient), **options)
    assert any(wanted in sentence for sentence in found), found


def test_an_image_without_a_body_is_refused():
    empty = Image(np.full((20, 20, 20), 0.1, np.float32), Geometry((20, 20, 20), SPACING))
    with pytest.raises(CaseError, match="almost no body"):
        check_input(empty)


def test_a_part_of_a_body_is_read_with_a_warning():
    """2.7 L, as an image cut close around a tumour of the thigh (`sts` of the shared data)."""
    part = Image(np.full((30, 30, 24), 0.5, np.float32), Geometry((30, 30, 24), (5.0, 5.0, 5.0)))
    assert "shows 150 mm of the body" in check_input(part)[0]


def test_a_mask_over_brain_or_bladder_or_too_large_is_named():
    pet = _patient()
    shape = pet.array.shape
    elsewhere = _ball(shape, (600, 140, 250), 20)
    assert check_output(elsewhere, pet) == []
    assert check_output(np.zeros(shape, bool), pet) == []
    assert "brain" in check_output(_ball(shape, (870, 140, 200), 50), pet)[0]
    assert "bladder" in check_output(_ball(shape, (110, 140, 198), 25) | elsewhere, pet)[0]
    assert "at most 3000 mL" in check_output(np.ones(shape, bool), pet)[0]


def test_nothing_marked_where_something_is_hot_is_said():
    """Three sarcomas of the shared data (SUV 5 to 13) were 0 mL without a word."""
    nothing = np.zeros(_patient().array.shape, bool)
    for radius_mm, said in ((11, False), (25, True)):  # 5.6 and 65 mL
        pet = _patient()
        mass = _ball(nothing.shape, (300, 140, 100), radius_mm)
        pet.array[mass] = 6
        warned = check_output(nothing, pet)
        assert bool(warned) == said
        if said:
            true_ml = np.count_nonzero(mass) * pet.geometry.voxel_ml
            assert float(warned[0].split("a part of ")[1].split(" mL")[0]) == pytest.approx(true_ml, rel=0.05)
            assert check_output(mass, pet) == []


def test_air_around_the_body_changes_nothing():
    pet = _patient()
    mask = pet.array > 4
    wide = np.pad(pet.array, ((20, 30), (25, 5), (40, 60)))
    around = Image(wide, Geometry(wide.shape, SPACING))
    assert find_liver(around) == pytest.approx(find_liver(pet), rel=1e-3)
    assert check_output(wide > 4, around) == check_output(mask, pet) != []


def _model(trained_on, value=1.0):
    def network(image):  # sees lesions everywhere in the body
        return {"probability": np.full((*image.shape[:-1], 1), value, np.float32)}

    description = ModelDescription(ModelGrid(channels=("pet",)), trained_on, "", {}, {}, True)
    return Model(Path("m.openvino"), network, ("probability",), description, "openvino")


def test_a_network_of_synthetic_images_says_what_is_unusual():
    # `tmtv run` and `tmtv predict` write these sentences; a network of patients has other limits
    short = _patient(slices=80)
    warned = _model("synthetic images").examine(short).warnings
    assert any("400 mm of the body" in sentence for sentence in warned)
    assert any("mask holds" in sentence for sentence in warned)
    assert _model("patients").examine(short).warnings == []


def test_a_network_of_synthetic_images_refuses_an_image_without_a_body():
    air = Image(np.zeros((40, 40, 40), np.float32), Geometry((40, 40, 40), SPACING))
    with pytest.raises(CaseError, match="almost no body"):
        _model("synthetic images").predict(air)


@pytest.mark.parametrize("trained_on", ["synthetic images", ""])
def test_a_network_takes_no_bare_array(trained_on):
    """It ended in an AttributeError: nobody knows where an array lies."""
    suv = np.ones((4, 5, 6), np.float32)
    pet = Image(suv, Geometry(suv.shape, SPACING))
    with pytest.raises(ImageError, match="`pet` must be a petct.Image"):
        _model(trained_on).predict(suv)
    with pytest.raises(ImageError, match="`ct` must be a petct.Image"):
        _model(trained_on).predict(pet, suv)
