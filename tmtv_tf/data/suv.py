"""SUV by body weight from the header of a PET series: which factor, by which rule, or why not.

Pure: `PetHeader` (plain values) in, `SuvFactor` out. `pet_header.parse_pet_header` fills the former from DICOM.
Sources: DICOM PS3.3 C.8.9; the vendor-neutral pseudo-code of QIBA; the IBSI manual on SUV computation.
docs/suv.md has every rule with its reason.

    SUVbw = activity [Bq/mL] * weight [g] / dose [Bq] at the image's decay reference time
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from tmtv_tf.errors import SuvError

if TYPE_CHECKING:
    from postprocess.image import Image
    from tmtv_tf.data.dicom import Series

# Half-lives in s (Decay Data Evaluation Project). A header may differ by HALF_LIFE_TOLERANCE (6586 to 6600 is common).
HALF_LIFE_S = {"F-18": 6586.2, "Ga-68": 4062.6}
HALF_LIFE_TOLERANCE = 0.01
# Back-computed reference times are believed if all slices agree within this, and if none puts the reference
# after the start of the first acquisition by more than this (DecayCorrection START: PS3.3 C.8.9.1.1.5).
REFERENCE_AGREEMENT_S = 10.0
# The time in SeriesTime is mentioned when it differs from the reference time in use by more than this.
SERIES_TIME_WARNING_S = 60.0
# Uptake (injection to reference time): outside the first range refused, outside the second warned of.
UPTAKE_POSSIBLE_S = (0.0, 6 * 3600.0)
UPTAKE_RECOMMENDED_S = (55 * 60.0, 75 * 60.0)
# (0018,1074) below this cannot be Bq; it is then taken as MBq, unless it could as well be mCi.
DOSE_IN_MBQ_BELOW = 1e5
DOSE_MCI_OR_MBQ_BELOW = 30.0
# What a header may say and still be a patient; a user's own value is not judged by these.
DOSE_POSSIBLE_BQ = (1e7, 5e9)
DOSE_POSSIBLE_BQ_PER_KG = (2e5, 3e7)
WEIGHT_POSSIBLE_KG = (2.5, 400.0)
WEIGHT_IN_GRAMS_ABOVE = 1000.0
HEIGHT_POSSIBLE_M = (0.4, 2.6)
HEIGHT_IN_CM_ABOVE = 3.0

# SUVType (0054,1006) and the units it goes with.
GML_TYPES = ("BW", "LBM", "LBMJAMES128", "LBMJANMA", "IBW")

# Field of PetHeader -> the attribute it comes from, for messages.
ATTRIBUTES = {
    "units": "Units (0054,1001)",
    "suv_type": "SUVType (0054,1006)",
    "decay_correction": "DecayCorrection (0054,1102)",
    "patient_weight": "PatientWeight (0010,1030)",
    "patient_size": "PatientSize (0010,1020)",
    "patient_sex": "PatientSex (0010,0040)",
    "radiopharmaceutical": "Radiopharmaceutical (0018,0031)",
    "nuclide": "RadionuclideCodeSequence (0054,0300)",
    "total_dose": "RadionuclideTotalDose (0018,1074)",
    "half_life_s": "RadionuclideHalfLife (0018,1075)",
    "injection_datetime": "RadiopharmaceuticalStartDateTime (0018,1078)",
    "injection_time": "RadiopharmaceuticalStartTime (0018,1072)",
    "series_datetime": "SeriesDate and SeriesTime (0008,0021), (0008,0031)",
    "acquisition": "AcquisitionDate and AcquisitionTime (0008,0022), (0008,0032)",
    "frame_reference_s": "FrameReferenceTime (0054,1300)",
    "frame_duration_s": "ActualFrameDuration (0018,1242)",
    "ge_reference": "GEMS_PETD_01 scan date and time (0009,100D)",
    "ge_injection": "GEMS_PETD_01 administration date and time (0009,103B)",
    "philips_suv_factor": "Philips SUV scale factor (7053,1000)",
    "philips_activity_factor": "Philips activity concentration scale factor (7053,1009)",
}


@dataclass(frozen=True)
class SliceTiming:
    """When one slice was acquired; None where the file does not say."""

    acquisition: datetime | None = None
    frame_reference_s: float | None = None
    frame_duration_s: float | None = None


@dataclass(frozen=True)
class PetHeader:
    """What the files of one PET series say, in the standard's units, before any judgement.

    `unusable` holds, per field, why its value cannot be used (not a number, not a date, not the same in all
    slices). It is raised only when a rule needs that field.
    """

    source: str
    units: str | None = None
    suv_type: str | None = None
    decay_correction: str | None = None
    corrected_image: tuple[str, ...] = ()
    patient_weight: float | None = None  # kg by the standard
    patient_size: float | None = None  # m by the standard
    patient_sex: str | None = None
    radiopharmaceutical: str | None = None
    nuclide: str | None = None  # "F-18"; text that was not understood stays as it is
    total_dose: float | None = None  # Bq by the standard
    half_life_s: float | None = None
    injection_datetime: datetime | None = None
    injection_time: time | None = None
    series_datetime: datetime | None = None
    ge_reference: datetime | None = None
    ge_injection: datetime | None = None
    philips_suv_factor: float | None = None
    philips_activity_factor: float | None = None
    slices: tuple[SliceTiming, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Overrides:
    """Values a user gives in place of the header's. `injection_time` without a date goes on the acquisition date."""

    weight_kg: float | None = None
    dose_bq: float | None = None
    injection_time: datetime | time | None = None

    def __post_init__(self) -> None:
        for name in ("weight_kg", "dose_bq"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SuvError(
                    f"The {name.replace('_', ' in ')} given by the user must be above 0, not {value}."
                )

    def as_dict(self) -> dict[str, Any]:
        """The values that were given, JSON-ready."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime | time) else value
            for name, value in given.items()
            if value is not None
        }


@dataclass(frozen=True)
class SuvFactor:
    """SUVbw = rescaled value * factor.

    Attributes
    ----------
    factor : g/Bq for Bq/mL images; one number, or one per slice (DecayCorrection NONE) in the order of
        `PetHeader.slices`.
    rule : one line: units, decay correction, where the reference time comes from.
    values : the header values that entered the factor, after unit repairs, JSON-ready.
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
    """Read a PET series as SUVbw, float32 (Z, Y, X). The warnings of the volume are joined to the factor's.

    Raises
    ------
    SuvError
        SUV cannot be known from this header.
    DicomError
        The series does not make one volume (see `volume.read_volume`).
    """
    import numpy as np

    from tmtv_tf.data.pet_header import parse_pet_header
    from tmtv_tf.data.volume import read_volume_and_headers

    image, headers, warnings = read_volume_and_headers(series)
    suv = suv_bw_factor(parse_pet_header(headers, str(series.folder)), overrides)
    array = image.array
    array *= np.asarray(suv.factor, np.float32).reshape(-1, 1, 1)  # in place: it may be 350 MB
    return image, replace(suv, warnings=(*warnings, *suv.warnings))


def suv_bw_factor(header: PetHeader, overrides: Overrides | None = None) -> SuvFactor:
    """The factor that turns rescaled values of a PET series into SUVbw.

    Parameters
    ----------
    header : what the files say.
    overrides : a user's values; they replace the header's and are recorded.

    Raises
    ------
    SuvError
        A value the rule in use needs is missing, contradictory or impossible: named with tag and value.
    """
    overrides = overrides or Overrides()
    _refuse_other_nuclides(header)
    units = _need(header, "units", "it must be BQML, GML, CM2ML or CNTS").upper()
    if units in ("GML", "CM2ML"):
        return _from_suv_units(header, overrides, units)
    if units == "CNTS":
        suv_scale = _scale(header, "philips_suv_factor")
        if suv_scale is not None:
            return SuvFactor(
                suv_scale,
                "CNTS: Philips SUV scale factor (7053,1000)",
                values={"units": units, "philips_suv_factor": suv_scale},
                overrides=overrides.as_dict(),
            )
        activity_scale = _scale(header, "philips_activity_factor")
        if activity_scale is None:
            raise _error(
                header,
                f"{ATTRIBUTES['units']} is CNTS, and neither the {ATTRIBUTES['philips_suv_factor']} nor the "
                f"{ATTRIBUTES['philips_activity_factor']} of the block 'Philips PET Private Group' is above 0; one "
                "of them is needed",
            )
        return _from_activity(header, overrides, "CNTS by Philips (7053,1009)", activity_scale)
    if units == "BQML":
        return _from_activity(header, overrides, "BQML", 1.0)
    raise _error(
        header, f"{ATTRIBUTES['units']} is {units}; SUV is defined for BQML, GML, CM2ML and Philips CNTS"
    )


def decay_factor(elapsed_s: float, half_life_s: float) -> float:
    """What is left of an activity after a time: 2 ** (-elapsed / half-life)."""
    return 2.0 ** (-elapsed_s / half_life_s)


def mean_count_time_s(duration_s: float, half_life_s: float) -> float:
    """When a decaying source has its mean count rate within a frame (IBSI manual): ln(lT / (1 - exp(-lT))) / l."""
    rate = math.log(2) / half_life_s
    return math.log(rate * duration_s / -math.expm1(-rate * duration_s)) / rate


def lean_body_mass_kg(formula: str, weight_kg: float, height_m: float, sex: str) -> float:
    """The mass that SUVType names (PS3.3 C.8.9.1.1.11, formulas of Sugawara): LBM, LBMJAMES128, LBMJANMA or IBW.

    `sex` M or F; O is the mean of the two. Raises SuvError on a result that is not positive.
    """
    if sex == "O":
        return (
            lean_body_mass_kg(formula, weight_kg, height_m, "M")
            + lean_body_mass_kg(formula, weight_kg, height_m, "F")
        ) / 2
    w, h, male = weight_kg, height_m * 100, sex == "M"
    bmi = weight_kg / height_m**2
    if formula == "LBM":
        mass = 1.10 * w - 120 * (w / h) ** 2 if male else 1.07 * w - 148 * (w / h) ** 2
    elif formula == "LBMJAMES128":
        mass = 1.10 * w - 128 * (w / h) ** 2 if male else 1.07 * w - 148 * (w / h) ** 2
    elif formula == "LBMJANMA":
        mass = 9270 * w / (6680 + 216 * bmi) if male else 9270 * w / (8780 + 244 * bmi)
    elif formula == "IBW":
        mass = 48.0 + 1.06 * (h - 152) if male else 45.5 + 0.91 * (h - 152)
    else:
        raise SuvError(f"No such lean body mass: {formula!r}; known are {', '.join(GML_TYPES[1:])}.")
    if mass <= 0:
        raise SuvError(
            f"{formula} of {weight_kg} kg and {height_m} m is {mass:.1f} kg: outside its validity."
        )
    return mass


def sul_per_suv(header: PetHeader, formula: str = "LBMJANMA", overrides: Overrides | None = None) -> float:
    """SUL = SUVbw * this: lean body mass over body weight, by default that of Janmahasatian.

    Raises
    ------
    SuvError
        Weight, height or sex is missing or impossible.
    """
    warnings: list[str] = []
    weight_kg = _weight_kg(header, overrides or Overrides(), warnings)
    return lean_body_mass_kg(formula, weight_kg, _height_m(header, warnings), _sex(header)) / weight_kg


def _from_suv_units(header: PetHeader, overrides: Overrides, units: str) -> SuvFactor:
    """GML and CM2ML are SUV already; brought to body weight by weight over the quantity the SUVType names."""
    if "suv_type" in header.unusable:
        raise SuvError(header.unusable["suv_type"])
    suv_type = (header.suv_type or ("BW" if units == "GML" else "BSA")).upper()
    known = GML_TYPES if units == "GML" else ("BSA",)
    if suv_type not in known:
        raise _error(
            header,
            f"{ATTRIBUTES['suv_type']} is {suv_type}; with Units {units} it must be {', '.join(known)}",
        )
    values: dict[str, Any] = {"units": units, "suv_type": suv_type}
    rule = f"{units}: already SUV by {suv_type}"
    if suv_type == "BW":
        return SuvFactor(1.0, rule, values=values, overrides=overrides.as_dict())
    warnings: list[str] = []
    weight_kg = _weight_kg(header, overrides, warnings)
    height_m = _height_m(header, warnings)
    values |= {"weight_kg": weight_kg, "height_m": height_m}
    if suv_type == "BSA":  # Du Bois and Du Bois 1916
        surface_m2 = 0.007184 * weight_kg**0.425 * (height_m * 100) ** 0.725
        factor = weight_kg * 1000 / (surface_m2 * 1e4)
    else:
        values["sex"] = _sex(header)
        factor = weight_kg / lean_body_mass_kg(suv_type, weight_kg, height_m, values["sex"])
    return SuvFactor(
        factor, f"{rule}, brought to body weight", None, None, tuple(warnings), values, overrides.as_dict()
    )


def _from_activity(header: PetHeader, overrides: Overrides, units: str, bqml_per_value: float) -> SuvFactor:
    """Bq/mL to SUVbw for each DecayCorrection (PS3.3 C.8.9.1.1.5)."""
    decay = _need(header, "decay_correction", "it must be START, ADMIN or NONE").upper()
    if decay not in ("START", "ADMIN", "NONE"):
        raise _error(header, f"{ATTRIBUTES['decay_correction']} is {decay}; it must be START, ADMIN or NONE")
    warnings: list[str] = []
    weight_kg = _weight_kg(header, overrides, warnings)
    dose_bq = _dose_bq(header, overrides, weight_kg, warnings)
    _check_tracer(header, warnings)
    values = {
        "units": header.units,
        "decay_correction": decay,
        "weight_kg": weight_kg,
        "dose_bq": dose_bq,
        "philips_activity_factor": bqml_per_value if header.units == "CNTS" else None,
    }
    per_dose = bqml_per_value * weight_kg * 1000 / dose_bq
    if "DECY" in header.corrected_image and decay == "NONE":
        raise _error(
            header,
            f"CorrectedImage (0028,0051) holds DECY, but {ATTRIBUTES['decay_correction']} is NONE: a contradiction",
        )
    if "DECY" not in header.corrected_image and decay != "NONE":
        warnings.append(f"CorrectedImage (0028,0051) has no DECY although DecayCorrection is {decay}.")
    if decay == "ADMIN":
        return SuvFactor(
            per_dose, f"{units}, ADMIN: no decay", None, None, tuple(warnings), values, overrides.as_dict()
        )
    half_life_s = _positive(header, "half_life_s", "seconds")
    values["half_life_s"] = half_life_s
    if decay == "NONE":
        injection, source, factors = _undecayed_slices(header, overrides, half_life_s, warnings)
        rule = f"{units}, NONE: each slice by its own frame; injection by {source}"
        per_slice = tuple(per_dose * f for f in factors)
        same = max(per_slice) == min(per_slice)
        return SuvFactor(
            per_slice[0] if same else per_slice,
            rule,
            injection,
            None,
            tuple(warnings),
            values,
            overrides.as_dict(),
        )
    reference, reference_rule = _reference_time(header, half_life_s, warnings)
    injection, reference, times_rule = _times(header, overrides, reference, reference_rule, warnings)
    uptake_s = (reference - injection).total_seconds()
    values["uptake_s"] = uptake_s
    _warn_of_uptake(uptake_s, warnings)
    return SuvFactor(
        per_dose / decay_factor(uptake_s, half_life_s),
        f"{units}, START: {times_rule}",
        injection,
        reference,
        tuple(warnings),
        values,
        overrides.as_dict(),
    )


def _reference_time(header: PetHeader, half_life_s: float, warnings: list[str]) -> tuple[datetime, str]:
    """The time a START image is corrected to, and how it was found (DESIGN order: GE, frames, SeriesTime)."""
    ge = _optional(header, "ge_reference")
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    series = header.series_datetime
    back = None if ge else _back_computed(header, half_life_s, warnings)
    if ge is not None:
        reference, rule = ge, "reference time by GE (0009,100D)"
    elif back is not None:
        reference, rule = back, "reference time computed back from every frame"
    else:
        if "acquisition" in header.unusable:
            raise SuvError(header.unusable["acquisition"])
        if not acquisitions:
            raise _error(
                header, f"{ATTRIBUTES['acquisition']} are missing; the reference time cannot be known"
            )
        earliest = min(acquisitions)
        if "series_datetime" in header.unusable:
            raise SuvError(header.unusable["series_datetime"])
        if series is not None and series <= earliest:
            return series, "reference time by SeriesTime"
        warnings.append(
            f"SeriesTime is {'missing' if series is None else f'{series:%H:%M:%S}, later than the first acquisition'}: "
            f"the earliest AcquisitionTime {earliest:%H:%M:%S} is used as reference time."
        )
        return earliest, "reference time by the earliest AcquisitionTime"
    if series is not None and abs((series - reference).total_seconds()) > SERIES_TIME_WARNING_S:
        warnings.append(
            f"SeriesTime {series:%Y-%m-%d %H:%M:%S} is {abs((series - reference).total_seconds()):.0f} s from the "
            f"reference time in use, {reference:%Y-%m-%d %H:%M:%S}."
        )
    return reference, rule


def _back_computed(header: PetHeader, half_life_s: float, warnings: list[str]) -> datetime | None:
    """AcquisitionDateTime + Tave - FrameReferenceTime, if every slice says the same and it can be true."""
    for name in ("acquisition", "frame_reference_s", "frame_duration_s"):
        if name in header.unusable:
            raise SuvError(header.unusable[name])
    references = []
    for s in header.slices:
        if (
            s.acquisition is None
            or s.frame_reference_s is None
            or not s.frame_duration_s
            or s.frame_duration_s < 0
        ):
            return None
        elapsed_s = mean_count_time_s(s.frame_duration_s, half_life_s) - s.frame_reference_s
        references.append(s.acquisition + timedelta(seconds=elapsed_s))
    if not references or (max(references) - min(references)).total_seconds() > REFERENCE_AGREEMENT_S:
        return None
    epoch = references[0]
    reference = epoch + timedelta(seconds=median((r - epoch).total_seconds() for r in references))
    earliest = min(s.acquisition for s in header.slices if s.acquisition is not None)
    late_s = (reference - earliest).total_seconds()
    if late_s > REFERENCE_AGREEMENT_S:
        warnings.append(
            f"{ATTRIBUTES['frame_reference_s']} would put the reference time {late_s:.0f} s after the start of the "
            "first acquisition, which START rules out; it was not used."
        )
        return None
    return reference


def _times(
    header: PetHeader, overrides: Overrides, reference: datetime, reference_rule: str, warnings: list[str]
) -> tuple[datetime, datetime, str]:
    """Injection and reference time on one clock, and how they were found."""
    pair = None if overrides.injection_time is not None else _ge_pair(header)
    stated = ("injection_datetime", "injection_time")
    if pair and not any(getattr(header, name) or name in header.unusable for name in stated):
        warnings.append("The injection time is GE's private (0009,103B); no standard attribute holds it.")
        return *pair, "reference and injection time both by GE (0009,100D), (0009,103B)"
    injection, source = _injection(header, overrides, warnings)
    if _possible((reference - injection).total_seconds()):
        return injection, reference, f"{reference_rule}; injection by {source}"
    if pair:
        warnings.append(
            f"Injection by {source} and {reference_rule} contradict each other; GE's own pair (0009,103B), "
            "(0009,100D) was used for both."
        )
        return *pair, "reference and injection time both by GE (0009,100D), (0009,103B)"
    raise _impossible_uptake(header, injection, source, reference, reference_rule)


def _ge_pair(header: PetHeader) -> tuple[datetime, datetime] | None:
    """GE's private injection and reference time, when both are there and fit each other."""
    injection, reference = _optional(header, "ge_injection"), _optional(header, "ge_reference")
    if injection is None or reference is None or not _possible((reference - injection).total_seconds()):
        return None
    return injection, reference


def _undecayed_slices(
    header: PetHeader, overrides: Overrides, half_life_s: float, warnings: list[str]
) -> tuple[datetime, str, list[float]]:
    """DecayCorrection NONE: lT / (1 - exp(-lT)) * exp(l (t_acq - t_inj)) of each slice."""
    injection, source = _injection(header, overrides, warnings)
    rate = math.log(2) / half_life_s
    factors = []
    for name in ("acquisition", "frame_duration_s"):
        if name in header.unusable:
            raise SuvError(header.unusable[name])
    for s in header.slices:
        if s.acquisition is None or not s.frame_duration_s or s.frame_duration_s < 0:
            missing = "acquisition" if s.acquisition is None else "frame_duration_s"
            raise _error(
                header,
                f"{ATTRIBUTES[missing]} is missing or 0 in a slice; DecayCorrection NONE needs it in every one",
            )
        uptake_s = (s.acquisition - injection).total_seconds()
        if not _possible(uptake_s):
            raise _impossible_uptake(header, injection, source, s.acquisition, "AcquisitionTime of a slice")
        decays = rate * s.frame_duration_s
        factors.append(decays / -math.expm1(-decays) * math.exp(rate * uptake_s))
    if not factors:
        raise _error(header, f"{ATTRIBUTES['acquisition']} are missing")
    earliest = min(s.acquisition for s in header.slices if s.acquisition is not None)
    _warn_of_uptake((earliest - injection).total_seconds(), warnings)
    return injection, source, factors


def _injection(header: PetHeader, overrides: Overrides, warnings: list[str]) -> tuple[datetime, str]:
    """Injection date and time: the user's, else (0018,1078), else (0018,1072) on the acquisition date."""
    given = overrides.injection_time
    if isinstance(given, datetime):
        return given, "the user"
    if given is not None:
        return _on_acquisition_date(header, given), "the user"
    stamp = _optional(header, "injection_datetime")
    if stamp is not None:
        clock = header.injection_time
        if clock is not None and abs((datetime.combine(stamp, clock) - stamp).total_seconds()) > 60:
            warnings.append(
                f"{ATTRIBUTES['injection_time']} is {clock:%H:%M:%S}, {ATTRIBUTES['injection_datetime']} "
                f"{stamp:%H:%M:%S}: the latter is used."
            )
        return stamp, "(0018,1078)"
    clock = _optional(header, "injection_time")
    if clock is None:
        raise _error(
            header,
            f"{ATTRIBUTES['injection_datetime']} and {ATTRIBUTES['injection_time']} are missing; "
            f"DecayCorrection {header.decay_correction} needs one (or --injection-time)",
        )
    return _on_acquisition_date(header, clock), "(0018,1072) on the acquisition date"


def _on_acquisition_date(header: PetHeader, clock: time) -> datetime:
    if "acquisition" in header.unusable:
        raise SuvError(header.unusable["acquisition"])
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    if not acquisitions:
        raise _error(
            header, f"{ATTRIBUTES['acquisition']} are missing; the injection time has no date without them"
        )
    earliest = min(acquisitions)
    injection = datetime.combine(earliest.date(), clock)
    return injection - timedelta(days=1) if injection > earliest else injection


def _weight_kg(header: PetHeader, overrides: Overrides, warnings: list[str]) -> float:
    if overrides.weight_kg is not None:
        return overrides.weight_kg
    weight_kg = _positive(header, "patient_weight", "kg (or --weight-kg)")
    if weight_kg > WEIGHT_IN_GRAMS_ABOVE:
        warnings.append(f"{ATTRIBUTES['patient_weight']} is {weight_kg:g}: taken as grams.")
        weight_kg /= 1000
    return _within(header, "patient_weight", weight_kg, WEIGHT_POSSIBLE_KG, "kg", "--weight-kg")


def _height_m(header: PetHeader, warnings: list[str]) -> float:
    height_m = _positive(header, "patient_size", "m")
    if height_m > HEIGHT_IN_CM_ABOVE:
        warnings.append(f"{ATTRIBUTES['patient_size']} is {height_m:g}: taken as cm.")
        height_m /= 100
    return _within(header, "patient_size", height_m, HEIGHT_POSSIBLE_M, "m", "")


def _sex(header: PetHeader) -> str:
    sex = _need(header, "patient_sex", "it must be M, F or O").upper()
    if sex not in ("M", "F", "O"):
        raise _error(header, f"{ATTRIBUTES['patient_sex']} is {sex}; it must be M, F or O")
    return sex


def _dose_bq(header: PetHeader, overrides: Overrides, weight_kg: float, warnings: list[str]) -> float:
    if overrides.dose_bq is not None:
        return overrides.dose_bq
    dose_bq = _positive(header, "total_dose", "Bq (or --dose-mbq)")
    if dose_bq < DOSE_IN_MBQ_BELOW:
        if dose_bq < DOSE_MCI_OR_MBQ_BELOW:
            raise _error(
                header,
                f"{ATTRIBUTES['total_dose']} is {dose_bq:g}: MBq or mCi, nobody knows; give --dose-mbq",
            )
        warnings.append(f"{ATTRIBUTES['total_dose']} is {dose_bq:g}: taken as MBq.")
        dose_bq *= 1e6
    _within(header, "total_dose", dose_bq, DOSE_POSSIBLE_BQ, "Bq", "--dose-mbq")
    low, high = DOSE_POSSIBLE_BQ_PER_KG
    if not low <= dose_bq / weight_kg <= high:
        raise _error(
            header,
            f"{ATTRIBUTES['total_dose']} is {dose_bq:g} Bq, {dose_bq / weight_kg / 1e6:.2f} MBq/kg; "
            f"possible is {low / 1e6:g} to {high / 1e6:g} (if it is right, give --dose-mbq)",
        )
    return dose_bq


def _refuse_other_nuclides(header: PetHeader) -> None:
    """A named nuclide other than those of HALF_LIFE_S (SPECT stored as PT, C-11, ...), whatever the units."""
    nuclide = header.nuclide
    if nuclide is not None and nuclide[:1].isupper() and "-" in nuclide and nuclide not in HALF_LIFE_S:
        raise _error(
            header, f"{ATTRIBUTES['nuclide']} says {nuclide}; SUV is computed for {', '.join(HALF_LIFE_S)}"
        )


def _check_tracer(header: PetHeader, warnings: list[str]) -> None:
    """The half-life fits the nuclide; anything but FDG is mentioned."""
    tracer = (header.radiopharmaceutical or "").upper()
    is_fdg = any(name in tracer for name in ("FDG", "FLUORODEOXYGLUCOSE", "FLUDEOXYGLUCOSE"))
    nuclide = header.nuclide if header.nuclide in HALF_LIFE_S else "F-18" if is_fdg else None
    half_life_s = None if "half_life_s" in header.unusable else header.half_life_s
    if half_life_s is not None and half_life_s > 0:
        fits = [n for n, known in HALF_LIFE_S.items() if abs(half_life_s / known - 1) <= HALF_LIFE_TOLERANCE]
        if nuclide not in fits and (nuclide is not None or not fits):
            raise _error(
                header,
                f"{ATTRIBUTES['half_life_s']} is {half_life_s:g} s, which does not fit "
                f"{nuclide or 'F-18 or Ga-68'} ({HALF_LIFE_S[nuclide or 'F-18']:g} s)",
            )
        nuclide = fits[0]
    if is_fdg and nuclide != "F-18":
        raise _error(header, f"{ATTRIBUTES['radiopharmaceutical']} is {tracer}, but the nuclide is {nuclide}")
    if not is_fdg:
        warnings.append(
            f"{ATTRIBUTES['radiopharmaceutical']} is {header.radiopharmaceutical or 'missing'} "
            f"({nuclide or 'nuclide not stated'}): computed as any {nuclide or 'F-18'} tracer, FDG or not."
        )


def _warn_of_uptake(uptake_s: float, warnings: list[str]) -> None:
    low, high = UPTAKE_RECOMMENDED_S
    if not low <= uptake_s <= high:
        warnings.append(
            f"Uptake time {uptake_s / 60:.0f} min, outside the recommended {low / 60:.0f} to {high / 60:.0f} min."
        )


def _possible(uptake_s: float) -> bool:
    return UPTAKE_POSSIBLE_S[0] <= uptake_s <= UPTAKE_POSSIBLE_S[1]


def _impossible_uptake(
    header: PetHeader, injection: datetime, source: str, reference: datetime, reference_rule: str
) -> SuvError:
    hours = (reference - injection).total_seconds() / 3600
    return _error(
        header,
        f"injection {injection:%Y-%m-%d %H:%M:%S} (by {source}) and {reference:%Y-%m-%d %H:%M:%S} "
        f"({reference_rule}) are {hours:.2f} h apart, and 0 to {UPTAKE_POSSIBLE_S[1] / 3600:.0f} h are possible; "
        "if dates were shifted apart, give --injection-time",
    )


def _scale(header: PetHeader, name: str) -> float | None:
    """A Philips factor; absent or 0 means that the scanner gave none."""
    value = _optional(header, name)
    if value is None or value == 0:
        return None
    if not (math.isfinite(value) and value > 0):
        raise _error(header, f"{ATTRIBUTES[name]} is {value}; it must be above 0")
    return value


def _within(
    header: PetHeader, name: str, value: float, possible: tuple[float, float], unit: str, option: str
) -> float:
    if not possible[0] <= value <= possible[1]:
        hint = f" (if it is right, give {option})" if option else ""
        raise _error(
            header,
            f"{ATTRIBUTES[name]} is {value:g} {unit}; possible is {possible[0]:g} to {possible[1]:g} {unit}{hint}",
        )
    return value


def _positive(header: PetHeader, name: str, unit: str) -> float:
    value = _need(header, name, f"it must be a number above 0 in {unit}")
    if not (math.isfinite(value) and value > 0):
        raise _error(header, f"{ATTRIBUTES[name]} is {value:g}; it must be above 0, in {unit}")
    return value


def _need(header: PetHeader, name: str, valid: str) -> Any:
    value = _optional(header, name)
    if value is None:
        raise _error(header, f"{ATTRIBUTES[name]} is missing or empty; {valid}")
    return value


def _optional(header: PetHeader, name: str) -> Any:
    if name in header.unusable:
        raise SuvError(header.unusable[name])
    return getattr(header, name)


def _error(header: PetHeader, text: str) -> SuvError:
    return SuvError(f"{header.source}: SUV cannot be computed: {text}.")
