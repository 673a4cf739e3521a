"""When the tracer was injected and to which time the image is corrected: on one clock, or refused."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from statistics import median

from petct.errors import ParameterError, SuvError
from petct.suv.header import ATTRIBUTES, Limit, Overrides, PetHeader, optional, refusal, within

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
    if not (math.isfinite(elapsed_s) and 0 < half_life_s < math.inf):
        raise ParameterError(
            f"`elapsed_s` must be finite and `half_life_s` a positive number of seconds. Received: {elapsed_s!r} and "
            f"{half_life_s!r}."
        )
    return 2.0 ** (-elapsed_s / half_life_s)


def mean_count_time_s(duration_s: float, half_life_s: float) -> float:
    """When a decaying source has its mean count rate within a frame (IBSI manual): ln(lT / (1 - exp(-lT))) / l."""
    rate = math.log(2) / half_life_s
    return math.log(rate * duration_s / -math.expm1(-rate * duration_s)) / rate


def reference_time(
    header: PetHeader, half_life_s: float, overrides: Overrides, warnings: list[str]
) -> tuple[datetime, str]:
    """The time a START image is corrected to, and how it was found (GE's own, every frame, SeriesTime)."""
    ge = optional(header, "ge_reference")
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    series = header.series_datetime
    back = None if ge else _back_computed(header, half_life_s, warnings)
    if ge is not None:
        reference, rule = ge, "reference time by GE (0009,100D)"
    elif back is not None:
        reference, rule = back, "reference time computed back from every frame"
    else:
        _refuse_unusable(header, "acquisition", "series_datetime")
        if not acquisitions:
            raise refusal(
                header, f"{ATTRIBUTES['acquisition']} are missing; the reference time cannot be known"
            )
        earliest = min(acquisitions)
        if series is not None and series <= earliest:
            lead_s = (earliest - series).total_seconds()
            name = ATTRIBUTES["series_datetime"]
            what = f"{name} to the first acquisition, {series:%H:%M:%S} to {earliest:%H:%M:%S},"
            within(header, what, lead_s, SERIES_TIME_LEAD, overrides, warnings)
            if lead_s > SERIES_TIME_WARNING_S:
                warnings.append(
                    f"SeriesTime {series:%H:%M:%S} is {lead_s:.0f} s before the first acquisition; it was used as the "
                    "reference time, for no other is known."
                )
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
    _refuse_unusable(header, "acquisition", "frame_reference_s", "frame_duration_s")
    references = []
    for s in header.slices:
        if s.acquisition is None or s.frame_reference_s is None or not s.frame_duration_s:
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


def times_on_one_clock(
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
    _refuse_uptake(header, (injection, source), (reference, reference_rule), overrides, warnings)
    return injection, reference, f"{reference_rule}; injection by {source}"


def _ge_pair(header: PetHeader) -> tuple[datetime, datetime] | None:
    """GE's private injection and reference time, when both are there and fit each other."""
    injection, reference = optional(header, "ge_injection"), optional(header, "ge_reference")
    if injection is None or reference is None or not _possible((reference - injection).total_seconds()):
        return None
    return injection, reference


def undecayed_slices(
    header: PetHeader, overrides: Overrides, half_life_s: float, warnings: list[str]
) -> tuple[datetime, str, list[float]]:
    """DecayCorrection NONE: lT / (1 - exp(-lT)) * exp(l (t_acq - t_inj)) of each slice."""
    injection, source = _injection(header, overrides, warnings)
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
        uptake_s = (s.acquisition - injection).total_seconds()
        if not _possible(uptake_s):
            _refuse_uptake(
                header,
                (injection, source),
                (s.acquisition, "AcquisitionTime of a slice"),
                overrides,
                warnings,
            )
        decays = rate * s.frame_duration_s
        factors.append(decays / -math.expm1(-decays) * math.exp(rate * uptake_s))
    if not factors:
        raise refusal(header, f"{ATTRIBUTES['acquisition']} are missing")
    earliest = min(s.acquisition for s in header.slices if s.acquisition is not None)
    warn_of_uptake((earliest - injection).total_seconds(), warnings)
    return injection, source, factors


def _injection(header: PetHeader, overrides: Overrides, warnings: list[str]) -> tuple[datetime, str]:
    """Injection date and time: the user's, else (0018,1078), else (0018,1072) on the acquisition date."""
    given = overrides.injection_time
    if isinstance(given, datetime):
        return given, "the user"
    if given is not None:
        return _on_acquisition_date(header, given), "the user"
    stamp = optional(header, "injection_datetime")
    if stamp is not None:
        clock = header.injection_time
        if clock is not None and abs((datetime.combine(stamp, clock) - stamp).total_seconds()) > 60:
            warnings.append(
                f"{ATTRIBUTES['injection_time']} is {clock:%H:%M:%S}, {ATTRIBUTES['injection_datetime']} "
                f"{stamp:%H:%M:%S}: the latter is used."
            )
        return stamp, "(0018,1078)"
    clock = optional(header, "injection_time")
    if clock is None:
        raise refusal(
            header,
            f"{ATTRIBUTES['injection_datetime']} and {ATTRIBUTES['injection_time']} are missing; "
            f"DecayCorrection {header.decay_correction} needs one (or --injection-time)",
        )
    return _on_acquisition_date(header, clock), "(0018,1072) on the acquisition date"


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


def warn_of_uptake(uptake_s: float, warnings: list[str]) -> None:
    """Warn of an uptake time outside 55 to 75 minutes (EANM guideline 2.0)."""
    low, high = UPTAKE_RECOMMENDED_S
    if not low <= uptake_s <= high:
        warnings.append(
            f"Uptake time {uptake_s / 60:.0f} min, outside the recommended {low / 60:.0f} to {high / 60:.0f} min."
        )


def _refuse_unusable(header: PetHeader, *names: str) -> None:
    for name in names:
        if name in header.unusable:
            raise SuvError(header.unusable[name])


def _possible(uptake_s: float) -> bool:
    return UPTAKE_POSSIBLE_S[0] <= uptake_s <= UPTAKE_POSSIBLE_S[1]


def _refuse_uptake(
    header: PetHeader,
    injection: tuple[datetime, str],
    reference: tuple[datetime, str],
    overrides: Overrides,
    warnings: list[str],
) -> None:
    """Refuse an uptake that is below 0, or above 6 h unless the user said that it is right."""
    hours = (reference[0] - injection[0]).total_seconds() / 3600
    apart = (
        f"injection {injection[0]:%Y-%m-%d %H:%M:%S} (by {injection[1]}) and {reference[0]:%Y-%m-%d %H:%M:%S} "
        f"({reference[1]}) are {hours:.2f} h apart, and 0 to {UPTAKE_POSSIBLE_S[1] / 3600:.0f} h are possible"
    )
    if hours < 0 or not overrides.allow_unusual:
        lift = "" if hours < 0 else "; --allow-unusual if it is right"
        raise refusal(header, f"{apart}; if dates were shifted apart, give --injection-time{lift}")
    text = f"{apart}; it was allowed (--allow-unusual)."
    if text not in warnings:
        warnings.append(text)


def known_injection(header: PetHeader, overrides: Overrides, warnings: list[str]) -> datetime | None:
    """The injection time where the formula needs none: for information, and for the warning about uptake."""
    acquisitions = [s.acquisition for s in header.slices if s.acquisition is not None]
    if not acquisitions:
        return None
    try:
        injection, _ = _injection(header, overrides, [])
    except SuvError:
        return None
    uptake_s = (min(acquisitions) - injection).total_seconds()
    if not _possible(uptake_s):
        return None
    warn_of_uptake(uptake_s, warnings)
    return injection
