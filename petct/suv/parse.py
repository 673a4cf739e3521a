"""The one place where a PET header becomes plain values: pydicom in, `PetHeader` out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.values import element_text as _text
from petct.dicom.values import parse_number
from petct.suv.header import ATTRIBUTES, PetHeader, SliceTiming

GE_CREATOR = "GEMS_PETD_01"
PHILIPS_CREATOR = "Philips PET Private Group"

# Codes of RadionuclideCodeSequence (CID 4020): SRT and SCT.
NUCLIDE_CODES = {"C-111A1": "F-18", "77004003": "F-18", "C-131A3": "Ga-68", "80751004": "Ga-68"}
ELEMENTS = {
    "F": "F", "FLUORINE": "F", "FLUOR": "F", "GA": "Ga", "GALLIUM": "Ga", "C": "C", "CARBON": "C", "N": "N",
    "NITROGEN": "N", "O": "O", "OXYGEN": "O", "CU": "Cu", "COPPER": "Cu", "RB": "Rb", "RUBIDIUM": "Rb", "ZR": "Zr",
    "ZIRCONIUM": "Zr", "I": "I", "IODINE": "I", "TC": "Tc", "TECHNETIUM": "Tc", "IN": "In", "INDIUM": "In",
    "LU": "Lu", "LUTETIUM": "Lu", "Y": "Y", "YTTRIUM": "Y", "GE": "Ge", "GERMANIUM": "Ge", "TL": "Tl",
    "THALLIUM": "Tl", "SC": "Sc", "SCANDIUM": "Sc", "TB": "Tb", "TERBIUM": "Tb",
}  # fmt: skip

_TIME = re.compile(r"(\d{2}):?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?", re.ASCII)
_DATE = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})", re.ASCII)
# Two statements of one time may differ by this: seconds are often left out.
SAME_TIME_S = 60.0
_DATETIME = re.compile(r"(\d{8})(\d{4}(?:\d{2}(?:\.\d{1,6})?)?)([+-]\d{4})?", re.ASCII)


@quiet_pydicom()
def parse_pet_header(datasets: Sequence[Dataset], source: str) -> PetHeader:
    """What the slices of one PET series say about SUV. Judges nothing; see `factor.suv_bw_factor`.

    Parameters
    ----------
    datasets : the header of every slice, in the order in which per-slice factors are wanted.
    source : a file or folder, named in every message.

    Notes
    -----
    A value that cannot be read, or differs between slices, is put into `PetHeader.unusable` with a sentence.
    """
    values: dict[str, Any] = {}
    unusable: dict[str, str] = {}
    for name, (get, parse) in _FIELDS.items():
        texts: list[str | None] = []
        try:
            texts = [get(dataset) for dataset in datasets]
            parsed = {text: None if text is None else parse(text) for text in texts}
        except ValueError as error:
            shown = f" {_shown(set(texts))}" if texts else " in doubt"
            unusable[name] = f"{source}: {ATTRIBUTES[name]} is{shown}: {error}."
            continue
        first = parsed[texts[0]] if texts else None
        odd = next((k for k, text in enumerate(texts) if parsed[text] != first), None)
        if odd is not None:
            unusable[name] = (
                f"{source}: {ATTRIBUTES[name]} is not the same in all slices: {texts[0]!r} in "
                f"{_slice_name(datasets, 0)} and {texts[odd]!r} in {_slice_name(datasets, odd)}."
            )
        else:
            values[name] = first
    corrected = [
        set((text or "").upper().split("\\")) for text in {_text(d, "CorrectedImage") for d in datasets}
    ]
    slices = []
    for dataset in datasets:
        timing, wrong = _slice_timing(dataset, source)
        slices.append(timing)
        unusable = wrong | unusable  # the first slice's sentence stays
    return PetHeader(
        source=source,
        corrected_image=tuple(sorted(set.intersection(*corrected))) if corrected else (),
        slices=tuple(slices),
        unusable=unusable,
        **values,
    )


def parse_time(text: str) -> time:
    """A DICOM TM to the minute at least. Raises ValueError on anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time HHMM[SS[.FFFFFF]]")
    hour, minute, second = (int(group or 0) for group in match.groups()[:3])
    try:
        return time(hour, minute, second, int((match[4] or "0").ljust(6, "0")))
    except ValueError as error:
        raise ValueError("not a time of day") from error


def parse_date(text: str) -> date:
    """A DICOM DA. Raises ValueError on anything else."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date YYYYMMDD")
    day = date(int(match[1]), int(match[3]), int(match[4]))
    if not 1000 <= day.year <= 9998:
        raise ValueError("not a date of our era")
    return day


def parse_datetime(text: str, local_offset: str | None = None, clock: time | None = None) -> datetime:
    """A DICOM DT to the minute at least, on the clock of the other times of the file.

    Parameters
    ----------
    text : YYYYMMDDHHMM[SS[.FFFFFF]][+-ZZXX].
    local_offset : TimezoneOffsetFromUTC (0008,0201), the clock of the dates and times that carry no offset.
    clock : another statement of the same time without an offset. It tells the clock where `local_offset` is missing.

    Raises
    ------
    ValueError
        No such text, or an offset from UTC and nothing that says on which clock the other times of the file are.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError("not a date and time YYYYMMDDHHMM[SS[.FFFFFF]]")
    moment = datetime.combine(parse_date(match[1]), parse_time(match[2]))
    if not match[3]:
        return moment
    zone = _zone(match[3])
    if local_offset:
        return moment.replace(tzinfo=zone).astimezone(_zone(local_offset)).replace(tzinfo=None)
    if clock is not None and abs((datetime.combine(moment, clock) - moment).total_seconds()) <= SAME_TIME_S:
        return moment
    raise ValueError(
        "it has an offset from UTC, and TimezoneOffsetFromUTC (0008,0201), the clock of the other times, is missing"
    )


def nuclide_name(text: str) -> str:
    """'F-18' from '18F', 'F-18', '^18^Fluorine' or a code of CID 4020; other text comes back as it is."""
    if text.upper() in NUCLIDE_CODES:
        return NUCLIDE_CODES[text.upper()]
    mass = re.search(r"(?<!\d)(\d{1,3})(m?)(?!\d)", text)
    if mass is None:
        return text
    rest = f"{text[: mass.start()]} {text[mass.end() :]}"
    elements = [ELEMENTS[word] for word in re.findall(r"[A-Z]+", rest.upper()) if word in ELEMENTS]
    return f"{elements[0]}-{mass[1]}{mass[2]}" if elements else text


def _slice_name(datasets: Sequence[Dataset], k: int) -> str:
    """The name of the file of a slice, without its folder; its place where the slice is a frame."""
    path = getattr(datasets[k], "filename", None)
    return Path(path).name if isinstance(path, str | Path) and path else f"slice {k + 1}"


def _shown(texts: set[str | None]) -> str:
    return " and ".join(sorted(map(repr, texts))[:2])


def _zone(offset: str) -> timezone:
    parsed = re.fullmatch(r"([+-])([01]\d)([0-5]\d)", offset, re.ASCII)
    if parsed is None:
        raise ValueError(f"{offset!r} is not an offset from UTC")
    minutes = int(parsed[2]) * 60 + int(parsed[3])
    return timezone(timedelta(minutes=minutes if parsed[1] == "+" else -minutes))


def _injected(dataset: Dataset, key: str) -> str | None:
    item = _only_item(dataset, "RadiopharmaceuticalInformationSequence")
    return None if item is None else _text(item, key)


def _only_item(dataset: Dataset, key: str) -> Dataset | None:
    """The one item of a sequence, None without one. Raises ValueError on several, or on what is no sequence."""
    try:
        sequence = dataset.get(key)
        items = [] if sequence is None else list(sequence)
    except PYDICOM_ERRORS as error:
        raise ValueError(f"{key} is unreadable") from error
    if len(items) > 1 or not all(isinstance(item, Dataset) for item in items):
        raise ValueError(f"{key} has {len(items)} items, and one is needed")
    return items[0] if items else None


def _nuclide(dataset: Dataset) -> str | None:
    item = _only_item(dataset, "RadiopharmaceuticalInformationSequence")
    code = None if item is None else _only_item(item, "RadionuclideCodeSequence")
    if code is None:
        return None
    value = _text(code, "CodeValue")
    return value if (value or "").upper() in NUCLIDE_CODES else _text(code, "CodeMeaning") or value


def _private(dataset: Dataset, group: int, creator: str, element: int) -> str | None:
    """A private value, found by the owner of its block (PS3.5 7.8.1).

    De-identification often drops the creator and keeps the value (so do the reference objects for SUV). A value
    in the first block is then taken if nobody owns that block: group 7053 is Philips', 0009 GE's in a GE file.
    """
    if all(tag >> 16 != group for tag in dataset.keys()):  # noqa: SIM118 - most files; looking for the block is slow
        return None
    try:
        return _text(dataset, dataset.private_block(group, creator).get_tag(element))
    except PYDICOM_ERRORS:
        pass
    vendor = (_text(dataset, "Manufacturer") or "").upper()
    foreign = creator == GE_CREATOR and "GE" not in vendor.split() and "GENERAL ELECTRIC" not in vendor
    if foreign or _text(dataset, (group << 16) | 0x10) is not None:
        return None
    return _text(dataset, (group << 16) | 0x1000 | element)


def _date_and_time(dataset: Dataset, date_key: str, time_key: str) -> str | None:
    day, clock = _text(dataset, date_key), _text(dataset, time_key)
    return f"{day} {clock}" if day and clock else None


def _parse_date_and_time(text: str) -> datetime:
    day, _, clock = text.partition(" ")
    return datetime.combine(parse_date(day), parse_time(clock))


def _slice_timing(dataset: Dataset, source: str) -> tuple[SliceTiming, dict[str, str]]:
    """The times of a slice, and what cannot be read of them: name -> sentence."""
    unusable: dict[str, str] = {}

    def read(name: str, text: str | None, parse: Callable[[str], Any]) -> Any:
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            unusable[name] = f"{source}: {ATTRIBUTES[name]} is {text!r} in a slice: {error}."
            return None

    acquisition = _date_and_time(dataset, "AcquisitionDate", "AcquisitionTime")
    if acquisition is None and (stamp := _text(dataset, "AcquisitionDateTime")) is not None:
        moment = read("acquisition", _with_zone(dataset, stamp), _parse_moment)
    else:
        moment = read("acquisition", acquisition, _parse_date_and_time)
    reference_s = read("frame_reference_s", _text(dataset, "FrameReferenceTime"), _parse_milliseconds)
    duration_s = read("frame_duration_s", _text(dataset, "ActualFrameDuration"), _parse_duration)
    return SliceTiming(moment, reference_s, duration_s), unusable


def _parse_milliseconds(text: str) -> float:
    """Seconds from a time within a scan, in ms: 0 to one day."""
    seconds = parse_number(text) / 1000
    if not 0 <= seconds <= 86400:
        raise ValueError("not a time in ms within one day")
    return seconds


def _parse_duration(text: str) -> float | None:
    """Seconds from the duration of a frame in ms; 0 is none, and no frame of a static PET is shorter than 1 s."""
    seconds = _parse_milliseconds(text)
    if 0 < seconds < 1:
        raise ValueError("shorter than a second (the unit is ms)")
    return seconds or None


def _with_zone(dataset: Dataset, stamp: str | None, clock: str | None = None) -> str | None:
    """A DT, the file's own offset from UTC and another statement of the time, for `_parse_moment`."""
    if stamp is None or not re.search(r"[+-]", stamp):
        return stamp
    return f"{stamp} {_text(dataset, 'TimezoneOffsetFromUTC') or ''} {clock or ''}".rstrip()


def _parse_moment(text: str) -> datetime:
    stamp, zone, clock = (text.split(" ") + ["", ""])[:3]
    return parse_datetime(stamp, zone or None, parse_time(clock) if clock else None)


def _injection_datetime(dataset: Dataset) -> str | None:
    stamp = _injected(dataset, "RadiopharmaceuticalStartDateTime")
    return _with_zone(dataset, stamp, _injected(dataset, "RadiopharmaceuticalStartTime"))


def _ge_time(dataset: Dataset, element: int) -> str | None:
    return _with_zone(dataset, _private(dataset, 0x0009, GE_CREATOR, element))


# Field of PetHeader -> (its text in one slice, its parser). A text is compared between slices before parsing.
_FIELDS: dict[str, tuple[Callable[[Dataset], str | None], Callable[[str], Any]]] = {
    "units": (lambda d: _text(d, "Units"), str.upper),
    "suv_type": (lambda d: _text(d, "SUVType"), str.upper),
    "decay_correction": (lambda d: _text(d, "DecayCorrection"), str.upper),
    "patient_weight": (lambda d: _text(d, "PatientWeight"), parse_number),
    "patient_size": (lambda d: _text(d, "PatientSize"), parse_number),
    "patient_sex": (lambda d: _text(d, "PatientSex"), str.upper),
    "radiopharmaceutical": (lambda d: _injected(d, "Radiopharmaceutical"), str),
    "nuclide": (_nuclide, nuclide_name),
    "total_dose": (lambda d: _injected(d, "RadionuclideTotalDose"), parse_number),
    "half_life_s": (lambda d: _injected(d, "RadionuclideHalfLife"), parse_number),
    "injection_datetime": (_injection_datetime, _parse_moment),
    "injection_time": (lambda d: _injected(d, "RadiopharmaceuticalStartTime"), parse_time),
    "series_datetime": (lambda d: _date_and_time(d, "SeriesDate", "SeriesTime"), _parse_date_and_time),
    "ge_reference": (lambda d: _ge_time(d, 0x0D), _parse_moment),
    "ge_injection": (lambda d: _ge_time(d, 0x3B), _parse_moment),
    "philips_suv_factor": (lambda d: _private(d, 0x7053, PHILIPS_CREATOR, 0x00), parse_number),
    "philips_activity_factor": (lambda d: _private(d, 0x7053, PHILIPS_CREATOR, 0x09), parse_number),
}
