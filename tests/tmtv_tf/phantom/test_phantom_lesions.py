"""Lesions as they are drawn and painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_paint import blank

from tmtv_tf.phantom.lesions import MAX_LESION_ML, Lesion, draw_lesions, paint_lesions
from tmtv_tf.phantom.patient import draw_patient


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 9999), seed=st.integers(0, 2**32 - 1))
def test_every_patient_has_1_to_40_lesions_of_allowed_size_and_uptake(number, seed):
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(number, rng)
    lesions = draw_lesions(patient, rng)
    assert 1 <= len(lesions) <= 40
    for lesion in lesions:
        assert 2.5 <= lesion.suv <= 35
        radii = np.array([r for _, r in lesion.parts])
        largest_ml = 4 / 3 * np.pi * radii.prod(axis=1).max() / 1000 * np.prod(patient.scale_xyz)
        assert 0.29 <= largest_ml <= MAX_LESION_ML * 1.01
    assert 1.3 <= patient.height_m <= 2.1
    assert 35 <= patient.weight_kg <= 180


def test_subtypes_differ_in_burden():
    """FL has the most lesions, DLBCL the hottest; medians over 120 patients each."""
    count: dict[str, list[float]] = {"HL": [], "DLBCL": [], "FL": []}
    suv: dict[str, list[float]] = {"HL": [], "DLBCL": [], "FL": []}
    for number in range(1, 601):
        rng = np.random.default_rng((1, number))
        patient = draw_patient(number, rng)
        lesions = draw_lesions(patient, rng)
        count[patient.subtype].append(len(lesions))
        suv[patient.subtype].append(max(lesion.suv for lesion in lesions))
    assert np.median(count["FL"]) > 1.3 * np.median(count["HL"])
    assert np.median(suv["DLBCL"]) > 1.2 * np.median(suv["HL"]) > 1.2 * np.median(suv["FL"])


def test_a_painted_lesion_has_its_volume_and_a_cold_centre_where_necrotic():
    canvas = blank(160)
    lesion = Lesion("test", (((0.0, 0.0, 0.0), (40.0, 40.0, 40.0)),), 10.0, 0.0, 0.0, 45.0)
    labels = paint_lesions(canvas, [lesion], np.random.default_rng(1))
    assert np.count_nonzero(labels) * canvas.geometry.voxel_ml == pytest.approx(268, rel=0.2)  # ragged edge
    assert np.median(canvas.suv[labels == 1]) == pytest.approx(10, rel=0.02)
    necrotic = Lesion("test", lesion.parts, 10.0, 0.0, 0.5, 45.0)
    paint_lesions(canvas, [necrotic], np.random.default_rng(1))
    assert canvas.suv[tuple(n // 2 for n in canvas.suv.shape)] < 3
