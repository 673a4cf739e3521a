"""What a patient can be (DESIGN section 7): weight, height, dose, tracer, with the round numbers of suv_headers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from suv_headers import REFERENCE, START, factor, refused

from petct.errors import SuvError
from petct.suv import lean_body_mass_kg, sul_per_suv, suv_bw_factor


def test_weight_in_grams() -> None:
    suv = suv_bw_factor(replace(START, patient_weight=70000))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("grams" in w for w in suv.warnings)


@pytest.mark.parametrize("weight", [None, 0.0, -70.0, 1.75, 500.0, 1000.0])
def test_impossible_weight(weight: float | None) -> None:
    refused(replace(START, patient_weight=weight), "PatientWeight (0010,1030)")


def test_dose_in_megabecquerel() -> None:
    suv = suv_bw_factor(replace(START, total_dose=350.0))
    assert suv.single_factor == pytest.approx(4e-4, rel=1e-9)
    assert any("MBq" in w for w in suv.warnings)


@pytest.mark.parametrize("dose", [None, 0.0, -350e6, 10.0, 350e3, 350e9])
def test_impossible_dose(dose: float | None) -> None:
    """10 may be mCi; 350e3 is kBq; 350e9 a typing error."""
    refused(replace(START, total_dose=dose), "RadionuclideTotalDose (0018,1074)")


def test_height_in_centimetres() -> None:
    header = replace(START, units="CM2ML")
    assert factor(replace(header, patient_size=175)) == pytest.approx(factor(header), rel=1e-12)


def test_height_and_weight_swapped() -> None:
    refused(replace(START, patient_weight=1.75, patient_size=70), "PatientWeight")


def test_other_tracers_are_computed_with_a_warning() -> None:
    header = replace(START, radiopharmaceutical="DOTATATE", nuclide="Ga-68", half_life_s=4057.7)
    suv = suv_bw_factor(
        replace(header, ge_reference=REFERENCE, injection_datetime=REFERENCE - timedelta(hours=1))
    )
    assert suv.single_factor == pytest.approx(2e-4 * 2 ** (3600 / 4057.7), rel=1e-12)
    assert any("DOTATATE" in w for w in suv.warnings)
    renamed = suv_bw_factor(
        replace(header, radiopharmaceutical="FDG")
    )  # free text against code and half-life
    assert any("nuclide Ga-68" in w for w in renamed.warnings)


@pytest.mark.parametrize(
    ("nuclide", "tracer", "half_life_s"),
    [
        ("F-18", "FDG", 4057.7),
        ("F-18", "FDG", 109.8),
        ("Ga-68", "DOTATOC", 6588.0),
        (None, "FDG", 1221.8),
        (None, None, 21624.0),
    ],
)
def test_half_life_that_does_not_fit(nuclide: str | None, tracer: str | None, half_life_s: float) -> None:
    header = replace(START, nuclide=nuclide, radiopharmaceutical=tracer, half_life_s=half_life_s)
    refused(header, "(0018,")


@pytest.mark.parametrize("nuclide", ["Tc-99m", "C-11", "I-123", "Ge-68"])
@pytest.mark.parametrize("units", ["BQML", "GML", "CNTS"])
def test_other_nuclides_are_refused_in_any_units(nuclide: str, units: str) -> None:
    refused(replace(START, nuclide=nuclide, units=units, philips_suv_factor=1.0), nuclide)


def test_half_life_missing_matters_only_where_it_is_used() -> None:
    refused(replace(START, half_life_s=None), "RadionuclideHalfLife (0018,1075)")
    assert factor(replace(START, half_life_s=None, decay_correction="ADMIN")) == pytest.approx(2e-4)


def test_sul_is_lean_mass_over_weight() -> None:
    assert sul_per_suv(START) == pytest.approx(lean_body_mass_kg("LBMJANMA", 70, 1.75, "M") / 70)
    assert sul_per_suv(START, "LBMJAMES128") == pytest.approx((1.10 * 70 - 128 * 0.16) / 70)


def test_lean_mass_outside_its_validity_is_refused() -> None:
    with pytest.raises(SuvError, match="outside its validity"):
        lean_body_mass_kg("LBM", 300, 1.4, "F")
