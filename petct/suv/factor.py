"""The rules: Units and DecayCorrection choose the formula (DICOM PS3.3 C.8.9.1), each refuses what it cannot know.

SUVbw = activity [Bq/mL] * weight [g] / dose [Bq] at the image's decay reference time
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from petct.checks import require_instance
from petct.errors import ImageError, SuvError
from petct.suv.header import ATTRIBUTES, Overrides, PetHeader, need, optional, positive, refusal
from petct.suv.parse import parse_pet_header
from petct.suv.patient import (
    LEAN_BODY_MASSES,
    body_surface_m2,
    check_tracer,
    injected_dose_bq,
    lean_body_mass_kg,
    patient_height_m,
    patient_sex,
    patient_weight_kg,
    refuse_other_nuclides,
)
from petct.suv.times import (
    decay_factor,
    known_injection,
    reference_time,
    times_on_one_clock,
    undecayed_slices,
    uptake_warnings,
)
from petct.suv_values import check_suv_values

if TYPE_CHECKING:
    from pydicom import Dataset

    from petct.dicom.headers import Series
    from petct.image import Image


@dataclass(frozen=True)
class SuvFactor:
    """SUVbw = rescaled value * factor.

    Attributes
    ----------
    factor : g/Bq for images in Bq/mL; one number, or one per slice (DecayCorrection NONE) in the order of
        `PetHeader.slices`.
    rule : one line: units, decay correction, where the reference time and the injection time come from.
    injection_time, reference_time : as used; where the formula needs none, what is known of them.
    values : the header values that entered the factor, after unit repairs, JSON-ready.
    overrides : what the user gave in place of the header's values, JSON-ready.
    """

    factor: float | tuple[float, ...]
    rule: str
    injection_time: datetime | None = None
    reference_time: datetime | None = None
    warnings: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def single_factor(self) -> float | None:
        """The factor when it is one number."""
        return None if isinstance(self.factor, tuple) else self.factor


def read_suv(series: Series, overrides: Overrides | None = None) -> tuple[Image, SuvFactor]:
    """Read a PET series as SUVbw, float32 (Z, Y, X). The warnings of the volume stand before the factor's.

    Raises
    ------
    SuvError
        SUV cannot be known from this header.
    DicomError
        The series does not make one volume (see `volume.read_volume`).
    """
    image, suv, _ = read_suv_and_headers(series, overrides)
    return image, suv


def read_suv_and_headers(
    series: Series, overrides: Overrides | None = None
) -> tuple[Image, SuvFactor, list[Dataset]]:
    """As `read_suv`, and the header of every slice (without pixels) in the order of the slices."""
    from petct.dicom.volume import read_volume_and_headers

    image, headers, warnings = read_volume_and_headers(series)
    suv = suv_bw_factor(parse_pet_header(headers, str(series.folder)), overrides)
    values = image.array
    values *= np.asarray(suv.factor, np.float32).reshape(-1, 1, 1)  # in place: a whole-body PET is 350 MB
    try:
        warnings += check_suv_values(values, str(series.folder), computed=True)
    except ImageError as error:
        raise SuvError(
            f"{error} RescaleSlope (0028,1053), RescaleIntercept (0028,1052), Units (0054,1001): {suv.rule}."
        ) from error
    return image, replace(suv, warnings=(*warnings, *suv.warnings)), headers


def suv_bw_factor(header: PetHeader, overrides: Overrides | None = None) -> SuvFactor:
    """The factor that turns rescaled values of a PET series into SUVbw.

    Parameters
    ----------
    header : what the files say; values in the units of DICOM (Bq, s, kg, m)
    overrides : a user's values; they replace the header's and are recorded

    Returns
    -------
    SuvFactor
        `factor` in g/Bq (one number, or one a slice where DecayCorrection is NONE), the rule that gave it, the values
        it used, and warnings.

    Raises
    ------
    SuvError
        A value that the rule in use needs is missing, contradictory or impossible: named with tag and value.

    References
    ----------
    DICOM PS3.3 C.8.9; docs/reference/suv.md has every rule.

    Examples
    --------
    70 kg and 350 MBq, decay corrected to the injection: 70000 g / 350e6 Bq.

    >>> header = PetHeader("export", units="BQML", decay_correction="ADMIN", patient_weight=70.0,
    ...     nuclide="F-18", radiopharmaceutical="FDG", total_dose=350e6)
    >>> suv_bw_factor(header).factor
    0.0002
    """
    require_instance("header", header, PetHeader)
    overrides = Overrides() if overrides is None else overrides
    require_instance("overrides", overrides, Overrides)
    refuse_other_nuclides(header)
    units = need(header, "units", "it must be BQML, GML, CM2ML or CNTS")
    if units in ("GML", "CM2ML"):
        suv = _from_suv_units(header, overrides, units)
    elif units == "BQML":
        suv = _from_activity(header, overrides, units, 1.0)
    elif units == "CNTS":
        suv = _from_philips_counts(header, overrides)
    else:
        raise refusal(
            header, f"{ATTRIBUTES['units']} is {units}; SUV is defined for BQML, GML, CM2ML, Philips CNTS"
        )
    warnings = [*suv.warnings, *_replaced(header, overrides, suv)]
    if suv.injection_time is None:
        injection, of_uptake = known_injection(header, overrides)
        warnings += of_uptake
        decayed_to = injection if header.decay_correction == "ADMIN" and units == "BQML" else None
        suv = replace(suv, injection_time=injection, reference_time=decayed_to)
    return replace(suv, warnings=tuple(warnings), overrides=overrides.as_dict())


def sul_per_suv(header: PetHeader, formula: str = "LBMJANMA", overrides: Overrides | None = None) -> float:
    """SUL = SUVbw * this: lean body mass over body weight, by default that of Janmahasatian.

    Raises
    ------
    SuvError
        Weight, height or sex is missing or impossible.
    """
    overrides = overrides or Overrides()
    weight_kg, _ = patient_weight_kg(header, overrides)
    height_m, _ = patient_height_m(header, overrides)
    return lean_body_mass_kg(formula, weight_kg, height_m, patient_sex(header)) / weight_kg


def _replaced(header: PetHeader, overrides: Overrides, suv: SuvFactor) -> list[str]:
    """Which header values the user's replace, in sentences; a value that the rule does not use is refused."""
    said = []
    for name, option, used, attributes in (
        ("weight_kg", "--weight-kg", "weight_kg", ("patient_weight",)),
        ("dose_bq", "--dose-mbq", "dose_bq", ("total_dose",)),
        ("injection_time", "--injection-time", "half_life_s", ("injection_datetime", "injection_time")),
    ):
        given = getattr(overrides, name)
        if given is None:
            continue
        if used not in suv.values:
            raise refusal(
                header, f"{option} was given, and the rule in use does not need it ({suv.rule}); leave it out"
            )
        stated = next((a for a in attributes if getattr(header, a) is not None), attributes[0])
        value = getattr(header, stated)
        was = "unusable" if stated in header.unusable else "missing" if value is None else _plain(value)
        said.append(
            f"{ATTRIBUTES[stated]} is {was} in the header; {option} {_plain(given)} was used instead."
        )
    return said


def _plain(value: float | datetime | time) -> str:
    return f"{value:g}" if isinstance(value, float | int) else value.isoformat()


def _from_suv_units(header: PetHeader, overrides: Overrides, units: str) -> SuvFactor:
    """GML and CM2ML are SUV already; brought to body weight by weight over the quantity that SUVType names."""
    suv_type = optional(header, "suv_type") or ("BW" if units == "GML" else "BSA")
    known = ("BW", *LEAN_BODY_MASSES) if units == "GML" else ("BSA",)
    if suv_type not in known:
        raise refusal(
            header, f"{ATTRIBUTES['suv_type']} is {suv_type}; Units {units} go with {', '.join(known)}"
        )
    values: dict[str, Any] = {"units": units, "suv_type": suv_type}
    if suv_type == "BW":
        return SuvFactor(1.0, "GML: already SUV by body weight", values=values)
    weight_kg, of_weight = patient_weight_kg(header, overrides)
    height_m, of_height = patient_height_m(header, overrides)
    values |= {"weight_kg": weight_kg, "height_m": height_m}
    if suv_type == "BSA":  # Du Bois and Du Bois 1916
        surface_m2 = body_surface_m2(height_m * 100, weight_kg)
        factor = weight_kg * 1000 / (surface_m2 * 1e4)
    else:
        values["sex"] = patient_sex(header)
        try:
            factor = weight_kg / lean_body_mass_kg(suv_type, weight_kg, height_m, values["sex"])
        except SuvError as error:
            raise refusal(header, str(error).rstrip(".")) from error
    rule = f"{units}: already SUV by {suv_type}, brought to body weight"
    return SuvFactor(factor, rule, warnings=(*of_weight, *of_height), values=values)


def _from_philips_counts(header: PetHeader, overrides: Overrides) -> SuvFactor:
    """Philips CNTS: (7053,1000) gives SUVbw, decay and weight included; else (7053,1009) gives Bq/mL; 0 is none."""
    scale = _philips_scale(header, "philips_suv_factor")
    if scale is not None:
        values = {"units": "CNTS", "philips_suv_factor": scale}
        return SuvFactor(scale, "CNTS: Philips SUV scale factor (7053,1000)", values=values)
    bqml_per_count = _philips_scale(header, "philips_activity_factor")
    if bqml_per_count is None:
        raise refusal(
            header,
            f"{ATTRIBUTES['units']} is CNTS, and neither the {ATTRIBUTES['philips_suv_factor']} nor the "
            f"{ATTRIBUTES['philips_activity_factor']} is there and above 0; one of them is needed",
        )
    return _from_activity(header, overrides, "CNTS by Philips (7053,1009)", bqml_per_count)


def _from_activity(header: PetHeader, overrides: Overrides, units: str, bqml_per_value: float) -> SuvFactor:
    """Bq/mL to SUVbw, for each DecayCorrection (PS3.3 C.8.9.1.1.5)."""
    decay = need(header, "decay_correction", "it must be START, ADMIN or NONE")
    if decay not in ("START", "ADMIN", "NONE"):
        raise refusal(header, f"{ATTRIBUTES['decay_correction']} is {decay}; it must be START, ADMIN or NONE")
    weight_kg, of_weight = patient_weight_kg(header, overrides)
    dose_bq, of_dose = injected_dose_bq(header, overrides, weight_kg)
    warnings = (*_decy_warnings(header, decay), *of_weight, *of_dose, *check_tracer(header))
    values = {"units": header.units, "decay_correction": decay, "weight_kg": weight_kg, "dose_bq": dose_bq}
    if header.units == "CNTS":
        values["philips_activity_factor"] = bqml_per_value
    per_dose = bqml_per_value * weight_kg * 1000 / dose_bq
    if decay == "ADMIN":
        return SuvFactor(per_dose, f"{units}, ADMIN: no decay", warnings=warnings, values=values)
    half_life_s = values["half_life_s"] = positive(header, "half_life_s", "seconds")
    if decay == "NONE":
        factors, found = undecayed_slices(header, overrides, half_life_s)
        rule = f"{units}, NONE: each slice by its own frame; injection by {found.source}"
        each = tuple(per_dose * factor for factor in factors)
        factor = each[0] if min(each) == max(each) else each
        return SuvFactor(factor, rule, found.at, None, (*warnings, *found.warnings), values)
    found = reference_time(header, half_life_s, overrides)
    injection, reference, source, of_times = times_on_one_clock(header, overrides, found)
    uptake_s = values["uptake_s"] = (reference - injection).total_seconds()
    factor = per_dose / decay_factor(uptake_s, half_life_s)
    warnings += (*of_times, *uptake_warnings(uptake_s))
    return SuvFactor(factor, f"{units}, START: {source}", injection, reference, warnings, values)


def _decy_warnings(header: PetHeader, decay: str) -> list[str]:
    """Where CorrectedImage and DecayCorrection contradict each other."""
    has_decy = "DECY" in header.corrected_image
    if has_decy and decay == "NONE":
        return [
            "CorrectedImage (0028,0051) holds DECY although DecayCorrection is NONE: DecayCorrection counts, and SUV "
            "is too high if the image was decay-corrected after all."
        ]
    if not has_decy and decay != "NONE":
        return [f"CorrectedImage (0028,0051) has no DECY although DecayCorrection is {decay}."]
    return []


def _philips_scale(header: PetHeader, name: str) -> float | None:
    """A Philips factor; absent or 0 means that the scanner gave none."""
    value = optional(header, name)
    if not value:
        return None
    if value < 0:
        raise refusal(header, f"{ATTRIBUTES[name]} is {value:g}; it must be above 0")
    return value
