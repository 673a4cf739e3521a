"""What fuzz_dicom_structure.py does to a series: changes that mean nothing, and changes that leave no right answer."""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

from dicom_model import BIG, Element, Elements, Model, short, text

ACTIVITY = ("ge", "back", "series", "admin", "none", "philips-bqml")
SLOPE, WEIGHT, DOSE, AGENT, PIXELS = 0x00281053, 0x00101030, 0x00181074, 0x00540016, 0x7FE00010
SHARED, PER_FRAME, SCALING_GROUP = 0x52009229, 0x52009230, 0x00289145


@dataclass
class Case:
    """A series under change. `strict`: what was done leaves no right answer but a refusal."""

    model: Model
    files: list[Elements]
    syntax: str
    strict: bool = False

    @property
    def converted(self) -> bool:
        return len(self.files) == 1

    def chosen(self, rng: random.Random) -> list[Elements]:
        """All files, or one."""
        return self.files if rng.random() < 0.5 else [rng.choice(self.files)]


def find(elements: Elements, tag: int) -> Element:
    return next(element for element in elements if element.tag == tag)


def insert(elements: Elements, *new: Element) -> None:
    """In ascending order."""
    elements[:] = sorted([*elements, *new], key=lambda element: element.tag)


def another(element: Element) -> Element:
    """The same tag with another value."""
    changed = copy.deepcopy(element)
    if isinstance(changed.value, list):
        changed.value = changed.value * 2
    elif isinstance(changed.value, bytes):
        changed.value = bytes(255 - byte for byte in changed.value)
    else:
        changed.value = "3" if element.vr in ("DS", "IS") else element.value[:-1] + "9"
    return changed


# -- changes that mean nothing ---------------------------------------------------------------------------------


def undefined_lengths(case: Case, rng: random.Random) -> None:
    for elements in case.chosen(rng):
        for element in elements:
            element.undefined = isinstance(element.value, list)


def foreign_private_block(case: Case, rng: random.Random) -> None:
    group = rng.choice((0x0009, 0x0019, 0x7053, 0x0011))
    block = 0x20
    for elements in case.chosen(rng):
        insert(
            elements,
            text(group << 16 | block, "LO", "SOMEBODY ELSE"),
            *(text(group << 16 | block << 8 | e, "DS", "3") for e in (0x00, 0x09, 0x0D, 0x3B)),
        )


def private_block_elsewhere(case: Case, rng: random.Random) -> None:
    """The vendor's own block is the second of its group; the first is somebody else's, with another value."""
    for elements in case.files:
        for element in [e for e in elements if e.tag >> 16 in (0x0009, 0x7053)]:
            low = element.tag & 0xFFFF
            element.tag = element.tag & ~0xFFFF | (0x11 if low == 0x10 else 0x1100 | low & 0xFF)
            if low != 0x10:
                insert(elements, text(element.tag & ~0xFF00 | 0x1000, element.vr, "4"))
            else:
                insert(elements, text(element.tag - 1, "LO", "SOMEBODY ELSE"))
        elements.sort(key=lambda e: e.tag)


def copies_of_old_values(case: Case, rng: random.Random) -> None:
    """Original Attributes Sequence (PS3.3 C.12.1): what stood there before is no value of today."""
    old = [text(WEIGHT, "DS", "11"), text(SLOPE, "DS", "7"), text(0x00541001, "CS", "CNTS")]
    for elements in case.chosen(rng):
        insert(elements, Element(0x04000561, "SQ", [[Element(0x04000550, "SQ", [old])]]))


def odd_private_sequence(case: Case, rng: random.Random) -> None:
    inside = [text(0x0019100A, "DS", "2"), text(0x00191009, "DS", "1"), text(0x00191009, "DS", "3")]
    for elements in case.chosen(rng):
        insert(elements, text(0x00190010, "LO", "ODD"), Element(0x00191001, "SQ", [inside]))


def group_lengths(case: Case, rng: random.Random) -> None:
    for elements in case.chosen(rng):
        for group in sorted({e.tag >> 16 for e in elements if e.tag >> 16 < 0x5200}):
            insert(elements, Element(group << 16, "UL", struct.pack("<I", rng.randrange(2**31))))


def padding_behind(case: Case, rng: random.Random) -> None:
    for elements in case.chosen(rng):
        elements.append(Element(0xFFFCFFFC, "OB", b"\0" * rng.randrange(2, 400, 2)))


def second_code(case: Case, rng: random.Random) -> None:
    for elements in case.files:
        for agent in (e for e in elements if e.tag == AGENT):
            code = find(agent.value[0], 0x00540300)
            code.value = code.value + code.value


def other_vr(case: Case, rng: random.Random) -> None:
    tags = (SLOPE, WEIGHT, 0x00101020, 0x00541300, 0x00181242, 0x00541001, 0x00080032, 0x00280051, 0x00080008)
    tag, vr = rng.choice(tags), rng.choice(("LO", "SH", "UN", "UT", "ST", "FD", "SQ", "OB", "US"))
    for elements in case.chosen(rng):
        for element in (e for e in elements if e.tag == tag):
            if vr == "FD" and element.vr in ("DS", "IS"):
                element.value = struct.pack(">d" if case.syntax == BIG else "<d", float(element.value))
            if vr == "SQ":
                element.value = [[text(0x00080100, "SH", "X")]]
            element.vr = vr


# -- changes that leave no right answer ------------------------------------------------------------------------


def twice(case: Case, rng: random.Random) -> None:
    case.strict = True
    for elements in case.chosen(rng):
        k = rng.randrange(len(elements))
        elements.insert(k + rng.randrange(2), another(elements[k]))


def behind_the_pixels(case: Case, rng: random.Random) -> None:
    case.strict = True
    for elements in case.chosen(rng):
        elements.append(another(rng.choice([e for e in elements if e.tag != PIXELS])))


def late(case: Case, rng: random.Random) -> None:
    """One element stands behind a higher one."""
    case.strict = True
    for elements in case.chosen(rng):
        element = elements.pop(rng.randrange(len(elements) - 2))
        elements.insert(
            rng.randrange(next(k for k, e in enumerate(elements) if e.tag > element.tag) + 1, len(elements)),
            element,
        )


def twice_within(case: Case, rng: random.Random) -> None:
    """Dose or half-life twice in the one item of the radiopharmaceutical; a slope twice in a frame's group."""
    for elements in case.chosen(rng):
        agents = [e for e in elements if e.tag == AGENT]
        if agents:
            item = agents[0].value[0]
        elif case.converted:
            item = find(rng.choice(find(elements, PER_FRAME).value), SCALING_GROUP).value[0]
        else:
            continue
        k = rng.randrange(len(item))
        item.insert(k + rng.randrange(2), another(item[k]))
        case.strict = True


def two_agents(case: Case, rng: random.Random) -> None:
    for elements in case.files:
        for agent in (e for e in elements if e.tag == AGENT):
            agent.value = [agent.value[0], copy.deepcopy(agent.value[0])]
            find(agent.value[1], DOSE).value = "99000000"
            case.strict = case.model.style in ACTIVITY


def one_slice_differs(case: Case, rng: random.Random) -> None:
    if case.converted:
        return
    changes = {
        0x00080008: "DERIVED\\SECONDARY\\MIP", 0x00080016: "1.2.840.10008.5.1.4.1.1.2", 0x00080060: "CT",
        0x00100010: "Other^Name", 0x00100020: "OTHER", 0x00100040: "X", 0x0020000D: "9.8", 0x00200052: "9.9",
        0x00280051: "DECY", 0x00541000: "DYNAMIC\\IMAGE", 0x00541001: "PROPCNTS", 0x00541102: "OTHER",
    }  # fmt: skip
    tag = rng.choice(list(changes))
    find(rng.choice(case.files), tag).value = changes[tag]
    case.strict = True


def one_slice_scales_otherwise(case: Case, rng: random.Random) -> None:
    if case.converted or case.model.style not in ACTIVITY:
        return
    elements = rng.choice(case.files)
    if rng.random() < 0.5:
        find(elements, WEIGHT).value = "29"
    else:
        find(find(elements, AGENT).value[0], DOSE).value = "149000000"
    case.strict = True


def swapped_positions(case: Case, rng: random.Random) -> None:
    if case.converted:
        return
    k = rng.randrange(case.model.n - 1)
    first, second = (find(elements, 0x00200032) for elements in case.files[k : k + 2])
    first.value, second.value = second.value, first.value
    case.strict = True


def broken_frames(case: Case, rng: random.Random) -> None:
    if not case.converted:
        return
    (elements,) = case.files
    frames, shared = find(elements, PER_FRAME), find(elements, SHARED)
    frame = rng.choice(frames.value)
    change = rng.randrange(7)
    if change == 0:
        frame.pop(rng.randrange(len(frame)))
    elif change == 1:
        frames.value.pop(rng.randrange(len(frames.value)))
    elif change == 2:
        insert(elements, text(SLOPE, "DS", "0.0022"))
    elif change == 3:
        rng.choice((frames, shared)).value = []
    elif change == 4:
        find(elements, 0x00280008).value = str(case.model.n + rng.choice((-1, 1)))
    elif change == 5:
        find(frame, SCALING_GROUP).value *= 2
    else:
        insert(elements, text(0x00541001, "CS", "CNTS" if case.model.style != "philips-suv" else "GML"))
        case.strict = "philips" not in case.model.style or case.model.style == "philips-suv"
        return
    case.strict = True


def pixel_fields(case: Case, rng: random.Random) -> None:
    """Bits that do not fit each other, or fewer than the values need; the signs of all values stay."""
    case.strict = True
    tag, value = rng.choice(((0x00280102, 11), (0x00280101, 12), (0x00280002, 3), (0x00280100, 8)))
    for elements in case.chosen(rng):
        find(elements, tag).value = short(tag, value).value


def wrong_length(case: Case, rng: random.Random) -> None:
    element = rng.choice(rng.choice(case.files))
    element.length = rng.choice((0, 1, 2, 3, 7, 20, 200, 65534, 0xFFFFFFF0, 0xFFFFFFFF))


MEANINGLESS: tuple[Callable, ...] = (
    undefined_lengths, foreign_private_block, private_block_elsewhere, copies_of_old_values, odd_private_sequence,
    group_lengths, padding_behind, second_code, other_vr,
)  # fmt: skip
CONTRADICTING: tuple[Callable, ...] = (
    twice, behind_the_pixels, late, twice_within, two_agents, one_slice_differs, one_slice_scales_otherwise,
    swapped_positions, broken_frames, pixel_fields, wrong_length,
)  # fmt: skip
