"""PET series for fuzz_dicom_structure.py: as numbers, as the SUV image they mean, and as bytes.

Written apart from the software on purpose: no pydicom and nothing of petct, only the formulas of
docs/reference/suv.md (DICOM PS3.3 C.8.9.1) and the encoding of PS3.5.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

STYLES = (
    "ge",
    "back",
    "series",
    "admin",
    "none",
    "gml",
    "lbm",
    "ibw",
    "cm2ml",
    "philips-suv",
    "philips-bqml",
)
EXPLICIT, IMPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{tail}" for tail in (".1", "", ".2", ".1.99"))
PET, CONVERTED = "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.128.1"
ROWS, COLUMNS = 3, 4
LONG_VRS = ("OB", "OW", "SQ", "UN", "UT")
UNDEFINED = 0xFFFFFFFF
Value = str | bytes | list  # text, raw bytes, or the items of a sequence


@dataclass
class Element:
    tag: int
    vr: str
    value: Value
    length: int | None = None  # in place of the true one
    undefined: bool = False


Elements = list[Element]


# -- the truth -------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """One PET series as numbers."""

    style: str
    n: int
    weight_kg: float
    height_m: float
    sex: str
    dose_bq: float
    half_life_s: float
    injection: datetime
    reference: datetime
    frame_s: float
    delays_s: list[float]  # start of each slice's frame after the reference time
    slopes: list[float]
    scale: float  # Philips' factor
    spacing_mm: float
    stored: np.ndarray = field(repr=False)


def new_model(rng: random.Random) -> Model:
    n = rng.choice((3, 4, 5))
    reference = datetime(
        2024, 3, rng.randint(2, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    )
    style = rng.choice(STYLES)
    return Model(
        style=style,
        n=n,
        weight_kg=rng.randint(300, 1500) / 10,
        height_m=rng.randint(150, 200) / 100,
        sex=rng.choice("MFO"),
        dose_bq=float(rng.randint(150, 450)) * 1e6,
        half_life_s=rng.choice((6586.2, 6588.0)),
        injection=reference - timedelta(seconds=rng.randint(1200, 9000)),
        reference=reference,
        frame_s=float(rng.randint(60, 300)),
        delays_s=[200.0 * (k // 2) for k in range(n)],
        slopes=[rng.randint(1, 200) / 1000 for _ in range(n)],
        scale=rng.randint(1, 900) / (1e6 if style == "philips-suv" else 100),
        spacing_mm=rng.choice((2.0, 3.27, 5.0)),
        stored=np.array(
            [[rng.randint(0, 20000) for _ in range(ROWS * COLUMNS)] for _ in range(n)], np.uint16
        ),
    )


def true_suv(model: Model) -> np.ndarray:
    """(n, voxels): SUVbw of every slice, by the formulas alone."""
    values = model.stored.astype(float) * np.array(model.slopes)[:, None]
    return values * np.array([_true_factor(model, k) for k in range(model.n)])[:, None]


def _true_factor(m: Model, k: int) -> float:
    w, h = m.weight_kg, m.height_m * 100
    rate = math.log(2) / m.half_life_s
    uptake_s = (m.reference - m.injection).total_seconds()
    per_dose = 1000 * w / m.dose_bq
    if m.style in ("gml", "philips-suv"):
        return 1.0 if m.style == "gml" else m.scale
    if m.style == "cm2ml":
        return w * 1000 / (0.007184 * w**0.425 * h**0.725 * 1e4)
    if m.style == "lbm":
        both = (1.10 * w - 120 * (w / h) ** 2, 1.07 * w - 148 * (w / h) ** 2)
    else:
        both = (48.0 + 1.06 * (h - 152), 45.5 + 0.91 * (h - 152))
    if m.style in ("lbm", "ibw"):
        return w / {"M": both[0], "F": both[1], "O": sum(both) / 2}[m.sex]
    if m.style == "admin":
        return per_dose
    if m.style == "none":
        turns = rate * m.frame_s
        return per_dose * turns / (1 - math.exp(-turns)) * math.exp(rate * (uptake_s + m.delays_s[k]))
    return per_dose * math.exp(rate * uptake_s) * (m.scale if m.style == "philips-bqml" else 1)


# -- the bytes -------------------------------------------------------------------------------------------------


def text(tag: int, vr: str, value: object) -> Element:
    return Element(tag, vr, str(value))


def short(tag: int, value: int) -> Element:
    return Element(tag, "US", struct.pack("<H", value))


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S.%f")


def _agent(m: Model) -> Element:
    code = [text(0x00080100, "SH", "C-111A1"), text(0x00080102, "SH", "SRT"), text(0x00080104, "LO", "18F")]
    items = [
        text(0x00180031, "LO", "FDG"),
        text(0x00181072, "TM", m.injection.strftime("%H%M%S")),
        text(0x00181074, "DS", f"{m.dose_bq:.0f}"),
        text(0x00181075, "DS", m.half_life_s),
        text(0x00181078, "DT", _moment(m.injection)),
        Element(0x00540300, "SQ", [code]),
    ]
    return Element(0x00540016, "SQ", [items])


def _series_elements(m: Model) -> Elements:
    """What every slice says alike."""
    units = {"gml": "GML", "lbm": "GML", "ibw": "GML", "cm2ml": "CM2ML"}.get(m.style, "BQML")
    decay = {"admin": "ADMIN", "none": "NONE"}.get(m.style, "START")
    kind = {"lbm": "LBM", "ibw": "IBW", "cm2ml": "BSA"}.get(m.style)
    found = [
        text(0x00080008, "CS", "ORIGINAL\\PRIMARY"),
        text(0x00080021, "DA", m.reference.strftime("%Y%m%d")),
        text(0x00080031, "TM", m.reference.strftime("%H%M%S")),
        text(0x00080060, "CS", "PT"),
        text(0x00080070, "LO", "GE MEDICAL SYSTEMS" if m.style == "ge" else "MAKER"),
        text(0x00100010, "PN", "Fuzz^Fuzz"),
        text(0x00100020, "LO", "FUZZ"),
        text(0x00100040, "CS", m.sex),
        text(0x00101020, "DS", m.height_m),
        text(0x00101030, "DS", m.weight_kg),
        text(0x0020000D, "UI", "1.2.3.1"),
        text(0x0020000E, "UI", "1.2.3.2"),
        text(0x00200011, "IS", 1),
        text(0x00200052, "UI", "1.2.3.3"),
        short(0x00280002, 1),
        text(0x00280004, "CS", "MONOCHROME2"),
        short(0x00280010, ROWS),
        short(0x00280011, COLUMNS),
        *(
            short(tag, value)
            for tag, value in ((0x00280100, 16), (0x00280101, 16), (0x00280102, 15), (0x00280103, 0))
        ),
        text(0x00280051, "CS", "ATTN\\SCAT" if m.style == "none" else "ATTN\\DECY"),
        text(0x00541000, "CS", "WHOLE BODY\\IMAGE"),
        text(0x00541001, "CS", "CNTS" if "philips" in m.style else units),
        text(0x00541102, "CS", decay),
        _agent(m),
    ]
    if kind:
        found.append(text(0x00541006, "CS", kind))
    if m.style == "ge":
        found += [text(0x00090010, "LO", "GEMS_PETD_01"), text(0x0009100D, "DT", _moment(m.reference))]
    if "philips" in m.style:
        found.append(text(0x70530010, "LO", "Philips PET Private Group"))
        found.append(text(0x70531000, "DS", m.scale if m.style == "philips-suv" else 0))
        found += [text(0x70531009, "DS", m.scale)] * (m.style == "philips-bqml")
    return found


def _slice_elements(m: Model, k: int) -> Elements:
    """What each slice has of its own: its frame's time, its slope."""
    acquired = m.reference + timedelta(seconds=m.delays_s[k])
    found = [
        text(0x00080022, "DA", acquired.strftime("%Y%m%d")),
        text(0x00080032, "TM", acquired.strftime("%H%M%S.%f")),
        text(0x00181242, "IS", f"{m.frame_s * 1000:.0f}"),
        text(0x00281052, "DS", 0),
        text(0x00281053, "DS", m.slopes[k]),
    ]
    if m.style != "series":
        turns = math.log(2) / m.half_life_s
        mean_s = math.log(turns * m.frame_s / (1 - math.exp(-turns * m.frame_s))) / turns
        found.append(text(0x00541300, "DS", f"{(m.delays_s[k] + mean_s) * 1000:.6f}"))
    return found


def _place(m: Model, k: int) -> tuple[Element, Element, Element]:
    return (
        text(0x00200032, "DS", f"-10\\-20\\{m.spacing_mm * k:.4f}"),
        text(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        text(0x00280030, "DS", "2\\2.5"),
    )


def slice_files(m: Model) -> list[Elements]:
    """One data set a slice."""
    return [
        _sorted(
            [
                *_series_elements(m),
                *_slice_elements(m, k),
                *_place(m, k),
                text(0x00080016, "UI", PET),
                text(0x00080018, "UI", f"1.2.3.4.{k + 1}"),
                text(0x00200013, "IS", k + 1),
                text(0x00201041, "DS", f"{m.spacing_mm * k:.4f}"),
                Element(0x7FE00010, "OW", m.stored[k].tobytes()),
            ]
        )
        for k in range(m.n)
    ]


def frame_file(m: Model) -> list[Elements]:
    """The same slices as one Legacy Converted Enhanced PET (PS3.3 A.71): slopes and times per frame, the rest once."""
    per_frame = []
    for k in range(m.n):
        position, orientation, spacing = _place(m, k)
        own = _slice_elements(m, k)
        scaling = [e for e in own if e.tag >> 16 == 0x0028]
        scaling.append(text(0x00281054, "LO", "US"))
        times = _sorted([e for e in own if e.tag >> 16 != 0x0028])
        per_frame.append(
            [
                Element(0x00209111, "SQ", [[text(0x00189151, "DT", _moment(m.reference))]]),
                Element(0x00209113, "SQ", [[position]]),
                Element(0x00209171, "SQ", [times]),
                Element(0x00289145, "SQ", [_sorted(scaling)]),
            ]
        )
    in_file = ("0008", "0010", "0020", "0028")
    everything = _series_elements(m)
    top = [e for e in everything if f"{e.tag >> 16:04x}" in in_file and e.tag not in (0x00101020, 0x00280051)]
    unassigned = _sorted([e for e in everything if e not in top])
    shared = [
        Element(0x00209116, "SQ", [[orientation]]),
        Element(0x00209170, "SQ", [unassigned]),
        Element(0x00289110, "SQ", [[spacing]]),
    ]
    found = [
        *top,
        text(0x00080016, "UI", CONVERTED),
        text(0x00080018, "UI", "1.2.3.4.9"),
        text(0x00280008, "IS", m.n),
        Element(0x52009229, "SQ", [shared]),
        Element(0x52009230, "SQ", per_frame),
        Element(0x7FE00010, "OW", m.stored.tobytes()),
    ]
    return [_sorted(found)]


def _sorted(elements: Elements) -> Elements:
    return sorted(elements, key=lambda element: element.tag)


def encode(elements: Elements, syntax: str) -> bytes:
    """A whole file: preamble, File Meta group, data set."""
    meta = _data_set([text(0x00020010, "UI", syntax)], EXPLICIT)
    body = _data_set(elements, syntax)
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    return b"\0" * 128 + b"DICM" + length + meta + body


def _data_set(elements: Elements, syntax: str) -> bytes:
    order = ">" if syntax == BIG else "<"
    out = b""
    for e in elements:
        if isinstance(e.value, list):
            value = b"".join(_item(item, syntax, order, e.undefined) for item in e.value)
            value += struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0) if e.undefined else b""
        else:
            pad = b"\0" if e.vr in ("UI", "OB", "UN") else b" "
            value = e.value.encode("latin-1") if isinstance(e.value, str) else e.value
            value += pad * (len(value) % 2)
            if order == ">" and e.vr in ("US", "OW"):
                value = np.frombuffer(value, "<u2").astype(">u2").tobytes()
        length = e.length if e.length is not None else UNDEFINED if e.undefined else len(value)
        head = struct.pack(f"{order}HH", e.tag >> 16, e.tag & 0xFFFF)
        if syntax == IMPLICIT:
            head += struct.pack("<I", length)
        elif e.vr in LONG_VRS:
            head += e.vr.encode() + b"\0\0" + struct.pack(f"{order}I", length)
        else:
            head += e.vr.encode() + struct.pack(f"{order}H", length % 65536)
        out += head + value
    return out


def _item(elements: Elements, syntax: str, order: str, undefined: bool) -> bytes:
    content = _data_set(elements, syntax)
    end = struct.pack(f"{order}HHI", 0xFFFE, 0xE00D, 0) if undefined else b""
    return (
        struct.pack(f"{order}HHI", 0xFFFE, 0xE000, UNDEFINED if undefined else len(content)) + content + end
    )
