"""When the tracer was injected and to which time the image is corrected: on one clock, or refused."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from statistics import median
from typing import NamedTuple

from petct.errors import ParameterError, SuvError
from petct.limits import LARGEST, SMALLEST, between
from petct.suv.header import ATTRIBUTES, Limit, Overrides, PetHeader, check_within, optional, refusal

# Back-computed reference times are believed if all slices agree within this, and if none puts the reference
# after the start of the first acquisition by more than this (DecayCorrection START: PS3.3 C.8.9.1.1.5).
REFERENCE_AGREEMENT_S = 10.0
# The time in SeriesTime is mentioned when it differs from the reference time in use by more than this.
SERIES_TIME_WARNING_S = 60.0
# No scanner opens a series this long before its first slice: such a SeriesTime is another event's (2 % of decay each
# three minutes).
SERIES_TIME_LEAD = Limit(0.0, 600.0, "s")
# Uptake (injection to reference time): outside the first range refused, outside the second warned of.
UPTAKE_POSSIBLE_S = (0.0, 6 * 3600.0)
UPTAKE_RECOMMENDED_S = (55 * 60.0, 75 * 60.0)
GE_PAIR = "reference and injection time both by GE (0009,100D), (0009,103B)"


class TimeFound(NamedTuple):
    """A time, how it was found, and warnings."""

    at: datetime
    source: str
    warnings: list[str]


def decay_factor(elapsed_s: float, half_life_s: float) -> float:
    """What is left of an activity after a time: 2 ** (-elapsed / half-life).

    Parameters
    ----------
    elapsed_s : time in s; negative before the activity was measured
    half_life_s : in s, > 0

    Returns
    -------
    float
        The share that is left; 1 at once.

    Raises
    ------
    ParameterError
        A time that is not finite, or a half-life that is not a positive number.

    Examples
    --------
    >>> decay_factor(6586.2, 6586.2)
    0.5
    """
    if not (between(elapsed_s, -LARGEST, LARGEST) and between(half_life_s, SMALLEST, LARGEST)):
        raise ParameterError(
            f"`elapsed_s` must be finite and `half_life_s` a positive number of seconds. Received: {elapsed_s!r} and "
            f"{half_life_s!r}."
        )
    return 2.0 ** (-float(elapsed_s) / float(half_life_s))


def mean_count_time_s(duration_s: float, half_life_s: float) -> float:
    """When a decaying source has its mean count rate within a frame (IBSI manual): ln(lT / (1 - exp(-lT))) / l."""
    rate = math.log(2) / half_life_s
    return math.log(rate * duration_s / -math.expm1(-rate * duration_s)) / rate


def reference_time(header: PetHeader, half_life_s: float, overrides: Overrides) -> TimeFound:
    """The time a START image is corrected to: GE's own, else computed back from every frame, else SeriesTime."""
    reference, source = optional(header, "ge_reference"), "reference time by GE (0009,100D)"
    warnings: list[str] = []
    if reference is None:
        reference, warnings = _back_computed(header, half_life_s)
        source = "reference time computed back from every frame"
    if reference is None:
        last = _series_time(header, overrides)
        return last._replace(warnings=warnings + last.warnings)
    series = header.series_datetime
    if series is not None and abs((series - reference).total_seconds()) > SERIES_TIME_WARNING_S:
        warnings.append(
            f"SeriesTime {series:%Y-%m-%d %H:%M:%S} is {abs((series - reference).total_seconds()):.0f} s from the "
            f"reference time in use, {reference:%Y-%m-%d %H:%M:%S}."
        )
    return TimeFound(reference, source, warnings)


def _series_time(header: PetHeader, overrides: Overrides) -> TimeFound:
    """SeriesTime if it is not later than the first acquisition, else that."""
    _refuse_unusable(header, "acquisition", "series_datetime")
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    if not acquisitions:
        raise refusal(header, f"{ATTRIBUTES['acquisition']} are missing; the reference time cannot be known")
    series, earliest = header.series_datetime, min(acquisitions)
    if series is None or series > earliest:
        was = "missing" if series is None else f"{series:%H:%M:%S}, later than the first acquisition"
        warning = f"SeriesTime is {was}: the earliest AcquisitionTime {earliest:%H:%M:%S} is used as reference time."
        return TimeFound(earliest, "reference time by the earliest AcquisitionTime", [warning])
    lead_s = (earliest - series).total_seconds()
    name = ATTRIBUTES["series_datetime"]
    what = f"{name} to the first acquisition, {series:%H:%M:%S} to {earliest:%H:%M:%S},"
    warnings = check_within(header, what, lead_s, SERIES_TIME_LEAD, overrides)
    if lead_s > SERIES_TIME_WARNING_S:
        warnings.append(
            f"SeriesTime {series:%H:%M:%S} is {lead_s:.0f} s before the first acquisition; it was used as the "
            "reference time, for no other is known."
        )
    return TimeFound(series, "reference time by SeriesTime", warnings)


def _back_computed(header: PetHeader, half_life_s: float) -> tuple[datetime | None, list[str]]:
    """AcquisitionDateTime + Tave - FrameReferenceTime, if every slice says the same and it can be true; warnings."""
    _refuse_unusable(header, "acquisition", "frame_reference_s", "frame_duration_s")
    references = []
    for s in header.slices:
        if s.acquisition is None or s.frame_reference_s is None or not s.frame_duration_s:
            return None, []
        elapsed_s = mean_count_time_s(s.frame_duration_s, half_life_s) - s.frame_reference_s
        references.append(s.acquisition + timedelta(seconds=elapsed_s))
    if not references or (max(references) - min(references)).total_seconds() > REFERENCE_AGREEMENT_S:
        return None, []
    epoch = references[0]
    reference = epoch + timedelta(seconds=median((r - epoch).total_seconds() for r in references))
    earliest = min(s.acquisition for s in header.slices if s.acquisition is not None)
    late_s = (reference - earliest).total_seconds()
    if late_s > REFERENCE_AGREEMENT_S:
        return None, [
            f"{ATTRIBUTES['frame_reference_s']} would put the reference time {late_s:.0f} s after the start of the "
            "first acquisition, which START rules out; it was not used."
        ]
    return reference, []


def times_on_one_clock(
    header: PetHeader, overrides: Overrides, reference: TimeFound
) -> tuple[datetime, datetime, str, list[str]]:
    """Injection and reference time on one clock, how they were found, and warnings."""
    pair = None if overrides.injection_time is not None else _ge_pair(header)
    stated = ("injection_datetime", "injection_time")
    if pair and not any(getattr(header, name) or name in header.unusable for name in stated):
        private = "The injection time is GE's private (0009,103B); no standard attribute holds it."
        return *pair, GE_PAIR, [*reference.warnings, private]
    injection = _injection(header, overrides)
    warnings = reference.warnings + injection.warnings
    if pair and not _possible((reference.at - injection.at).total_seconds()):
        warnings.append(
            f"Injection by {injection.source} and {reference.source} contradict each other; GE's own pair "
            "(0009,103B), (0009,100D) was used for both."
        )
        return *pair, GE_PAIR, warnings
    warnings += _check_uptake(header, injection, reference.at, reference.source, overrides)
    return injection.at, reference.at, f"{reference.source}; injection by {injection.source}", warnings


def _ge_pair(header: PetHeader) -> tuple[datetime, datetime] | None:
    """GE's private injection and reference time, when both are there and fit each other."""
    injection, reference = optional(header, "ge_injection"), optional(header, "ge_reference")
    if injection is None or reference is None or not _possible((reference - injection).total_seconds()):
        return None
    return injection, reference


def undecayed_slices(
    header: PetHeader, overrides: Overrides, half_life_s: float
) -> tuple[list[float], TimeFound]:
    """DecayCorrection NONE: lT / (1 - exp(-lT)) * exp(l (t_acq - t_inj)) of each slice, and the injection time."""
    injection = _injection(header, overrides)
    warnings = list(injection.warnings)
    rate = math.log(2) / half_life_s
    factors = []
    _refuse_unusable(header, "acquisition", "frame_duration_s")
    for s in header.slices:
        if s.acquisition is None or not s.frame_duration_s:
            missing = "acquisition" if s.acquisition is None else "frame_duration_s"
            raise refusal(
                header,
                f"{ATTRIBUTES[missing]} is missing or 0 in a slice; DecayCorrection NONE needs it in every one",
            )
        unusual = _check_uptake(header, injection, s.acquisition, "AcquisitionTime of a slice", overrides)
        warnings += [text for text in unusual if text not in warnings]
        uptake_s = (s.acquisition - injection.at).total_seconds()
        decays = rate * s.frame_duration_s
        factors.append(decays / -math.expm1(-decays) * math.exp(rate * uptake_s))
    if not factors:
        raise refusal(header, f"{ATTRIBUTES['acquisition']} are missing")
    earliest = min(s.acquisition for s in header.slices if s.acquisition is not None)
    warnings += uptake_warnings((earliest - injection.at).total_seconds())
    return factors, injection._replace(warnings=warnings)


def _injection(header: PetHeader, overrides: Overrides) -> TimeFound:
    """Injection date and time: the user's, else (0018,1078), else (0018,1072) on the acquisition date."""
    given = overrides.injection_time
    if isinstance(given, datetime):
        return TimeFound(given, "the user", [])
    if given is not None:
        return TimeFound(_on_acquisition_date(header, given), "the user", [])
    stamp = optional(header, "injection_datetime")
    if stamp is not None:
        clock, warnings = header.injection_time, []
        if clock is not None and abs((datetime.combine(stamp, clock) - stamp).total_seconds()) > 60:
            warnings.append(
                f"{ATTRIBUTES['injection_time']} is {clock:%H:%M:%S}, {ATTRIBUTES['injection_datetime']} "
                f"{stamp:%H:%M:%S}: the latter is used."
            )
        return TimeFound(stamp, "(0018,1078)", warnings)
    clock = optional(header, "injection_time")
    if clock is None:
        raise refusal(
            header,
            f"{ATTRIBUTES['injection_datetime']} and {ATTRIBUTES['injection_time']} are missing; "
            f"DecayCorrection {header.decay_correction} needs one (or --injection-time)",
        )
    return TimeFound(_on_acquisition_date(header, clock), "(0018,1072) on the acquisition date", [])


def _on_acquisition_date(header: PetHeader, clock: time) -> datetime:
    _refuse_unusable(header, "acquisition")
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    if not acquisitions:
        raise refusal(
            header, f"{ATTRIBUTES['acquisition']} are missing; the injection time has no date without them"
        )
    earliest = min(acquisitions)
    injection = datetime.combine(earliest.date(), clock)
    return injection - timedelta(days=1) if injection > earliest else injection


def uptake_warnings(uptake_s: float) -> list[str]:
    """A warning of an uptake time outside 55 to 75 minutes (EANM guideline 2.0)."""
    low, high = UPTAKE_RECOMMENDED_S
    if low <= uptake_s <= high:
        return []
    return [
        f"Uptake time {uptake_s / 60:.0f} min, outside the recommended {low / 60:.0f} to {high / 60:.0f} min."
    ]


def _refuse_unusable(header: PetHeader, *names: str) -> None:
    for name in names:
        if name in header.unusable:
            raise SuvError(header.unusable[name])


def _possible(uptake_s: float) -> bool:
    return UPTAKE_POSSIBLE_S[0] <= uptake_s <= UPTAKE_POSSIBLE_S[1]


def _check_uptake(
    header: PetHeader, injection: TimeFound, end: datetime, end_source: str, overrides: Overrides
) -> list[str]:
    """Refuse an uptake that is below 0, or above 6 h unless the user said that it is right: then a warning."""
    uptake_s = (end - injection.at).total_seconds()
    if _possible(uptake_s):
        return []
    hours = uptake_s / 3600
    apart = (
        f"injection {injection.at:%Y-%m-%d %H:%M:%S} (by {injection.source}) and {end:%Y-%m-%d %H:%M:%S} "
        f"({end_source}) are {hours:.2f} h apart, and 0 to {UPTAKE_POSSIBLE_S[1] / 3600:.0f} h are possible"
    )
    if hours < 0 or not overrides.allow_unusual:
        lift = "" if hours < 0 else "; --allow-unusual if it is right"
        raise refusal(header, f"{apart}; if dates were shifted apart, give --injection-time{lift}")
    return [f"{apart}; it was allowed (--allow-unusual)."]


def known_injection(header: PetHeader, overrides: Overrides) -> tuple[datetime | None, list[str]]:
    """The injection time where the formula needs none, for information, and the warning about uptake."""
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    if not acquisitions:
        return None, []
    try:
        injection = _injection(header, overrides).at
    except SuvError:
        return None, []
    uptake_s = (min(acquisitions) - injection).total_seconds()
    return (injection, uptake_warnings(uptake_s)) if _possible(uptake_s) else (None, [])
