"""What a PET series says about SUV, as plain values, and the ways to ask for one of them or refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, time
from typing import Any

from petct.errors import SuvError
from petct.limits import LARGEST, SMALLEST, between

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
    """Values a user gives in place of the header's.

    Attributes
    ----------
    weight_kg, dose_bq : held to the same limits as the header's
    injection_time : without a date it is on the acquisition date
    allow_unusual : what is outside a limit is a warning, not a refusal
    """

    weight_kg: float | None = None
    dose_bq: float | None = None
    injection_time: datetime | time | None = None
    allow_unusual: bool = False

    def __post_init__(self) -> None:
        for name, unit in (("weight_kg", "kg"), ("dose_bq", "Bq")):
            value = getattr(self, name)
            if value is None:
                continue
            if not between(value, SMALLEST, LARGEST):
                raise SuvError(
                    f"The user's {name.split('_')[0]} must be above 0 {unit}. Received: {value!r}."
                )
            object.__setattr__(self, name, float(value))  # numpy's numbers too: they stand in JSON
        if not isinstance(self.injection_time, datetime | time | None):
            raise SuvError(
                "The user's injection time must be a datetime, or a time on the acquisition date. "
                f"Received: {self.injection_time!r}."
            )
        if self.injection_time is not None and self.injection_time.tzinfo is not None:
            raise SuvError(
                "The user's injection time must be on the scanner's own clock, without a time zone. "
                f"Received: {self.injection_time.isoformat()}."
            )

    def as_dict(self) -> dict[str, Any]:
        """The values that were given, JSON-ready."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime | time) else value
            for name, value in given.items()
            if value is not None and value is not False
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Overrides:
        """The values that `as_dict` gave.

        Raises
        ------
        SuvError
            Something else than these values, or values that cannot be.
        """
        values = dict(given)
        try:
            text = values.get("injection_time")
            if text is not None:  # a time of day alone is on the acquisition date
                values["injection_time"] = (datetime if "T" in text else time).fromisoformat(text)
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise SuvError(f"Not a user's weight, dose and injection time: {given} ({error}).") from error


@dataclass(frozen=True)
class Limit:
    """What a value may be at all; both ends belong to it."""

    low: float
    high: float
    unit: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}"


def check_within(header: PetHeader, what: str, value: float, limit: Limit, overrides: Overrides) -> list[str]:
    """Refuse a value that is not possible; where the user said that unusual ones are right, a warning."""
    if value in limit:
        return []
    outside = f"{what} is {value:g} {limit.unit}; possible is {limit}"
    if not overrides.allow_unusual:
        raise refusal(header, f"{outside} (correct it, or give --allow-unusual if it is right)")
    return [f"{outside}; it was allowed (--allow-unusual)."]


def positive(header: PetHeader, name: str, unit: str) -> float:
    """A value that must be there, finite and above 0; else SuvError."""
    value = need(header, name, f"it must be a number above 0 in {unit}")
    if not (math.isfinite(value) and value > 0):
        raise refusal(header, f"{ATTRIBUTES[name]} is {value:g}; it must be above 0, in {unit}")
    return value


def need(header: PetHeader, name: str, valid: str) -> Any:
    """A value that must be there; else SuvError with what would be valid."""
    value = optional(header, name)
    if value is None:
        raise refusal(header, f"{ATTRIBUTES[name]} is missing or empty; {valid}")
    return value


def optional(header: PetHeader, name: str) -> Any:
    """A value, or None where it is missing; SuvError where it cannot be used."""
    if name in header.unusable:
        raise SuvError(header.unusable[name])
    return getattr(header, name)


def refusal(header: PetHeader, text: str) -> SuvError:
    """The error of a header that gives no SUV; it names the file."""
    return SuvError(f"{header.source}: SUV cannot be computed: {text}.")
