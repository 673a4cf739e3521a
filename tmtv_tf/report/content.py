"""What the page says, as plain values: `html` and `pdf` only lay it out."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from petct.exam import Exam
    from postprocess.measures import Measures

NOT_A_DEVICE = "For research. Not a medical device."
ALL_ELSE = "Pictures, lesions and all other numbers of this page are of the automatic result."
LESIONS_SHOWN = 30  # rows of the page's table; the CSV file has them all
# The columns of the table of methods: key in tmtv.json, heading, digits after the point.
METHOD_COLUMNS = (
    ("tmtv_ml", "TMTV, mL", 1),
    ("lesion_count", "Lesions", 0),
    ("tlg", "TLG, g", 1),
    ("suv_max", "SUVmax", 1),
    ("suv_peak", "SUVpeak", 1),
    ("dmax_mm", "Dmax, mm", 0),
    ("dmax_bulk_mm", "Dmax bulk, mm", 0),
)
LESION_COLUMNS = (
    ("volume_ml", "Volume, mL", 2),
    ("suv_max", "SUVmax", 1),
    ("suv_mean", "SUVmean", 1),
    ("suv_peak", "SUVpeak", 1),
    ("tlg", "TLG, g", 1),
)


@dataclass(frozen=True)
class Picture:
    """One picture of the page: PNG bytes, and what it shows."""

    png: bytes
    caption: str

    @property
    def aspect(self) -> float:
        """Width over height, from the PNG's own header."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width / height


@dataclass(frozen=True)
class StudyPage:
    """All that the page of one study says.

    Attributes
    ----------
    case_id : pseudonymous
    method : whose lesions are drawn, listed and exported
    methods : measures by method, as in tmtv.json
    lesions : of `method`, with the attributes of `postprocess.Lesion`
    projections : coronal and sagittal; empty if no picture could be made
    cuts : axial, through the largest lesions
    suv, origin : (name, value) rows: how SUV was found; model, version, what it was trained on
    warnings : sentences that the reader must see
    patient : (name, value) rows, shown only because the user asked for them
    edited : a reader changed the automatic result
    final, edits : where this is the automatic result and a reader has changed it since: the measures by method after
        the changes, and how many are in force
    """

    case_id: str
    method: str
    methods: Mapping[str, Measures]
    lesions: Sequence[Any]
    projections: Sequence[Picture] = ()
    cuts: Sequence[Picture] = ()
    suv: Sequence[tuple[str, str]] = ()
    origin: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    patient: Sequence[tuple[str, str]] = ()
    edited: bool = False
    final: Mapping[str, Measures] = field(default_factory=dict)
    edits: int = 0

    @property
    def headlines(self) -> list[tuple[str, str]]:
        """The number that the page is read for and a sentence under it; those after a reader's edits follow."""
        if not self.edits:
            return [_headline(self.methods[self.method], self.method, "")]
        edits = f"after {self.edits} edit{'' if self.edits == 1 else 's'} of a reader: "
        automatic, final = self.methods[self.method], self.final[self.method]
        return [_headline(automatic, self.method, "automatic: "), _headline(final, self.method, edits)]

    @property
    def method_headings(self) -> list[str]:
        """The heading of every column of the table of methods but the first."""
        headings = [heading for _, heading, _ in METHOD_COLUMNS]
        return [headings[0], "After edits, mL", *headings[1:]] if self.edits else headings

    def method_rows(self) -> list[list[str]]:
        """The table of methods, first the name, then one text a column."""
        rows = []
        for name, values in self.methods.items():
            row = [method_name(name), *(number(values.get(key), digits) for key, _, digits in METHOD_COLUMNS)]
            if self.edits:
                row.insert(2, number(self.final.get(name, {}).get("tmtv_ml"), 1))
            rows.append(row)
        return rows

    @property
    def note(self) -> str:
        """What the pictures and the other columns are of; "" where there is only one result."""
        return ALL_ELSE if self.edits else ""

    def lesion_rows(self) -> list[tuple[int, list[str]]]:
        """(label, one text a column) of the first lesions, largest first as the labels are."""
        return [
            (lesion.label, [number(getattr(lesion, key), digits) for key, _, digits in LESION_COLUMNS])
            for lesion in list(self.lesions)[:LESIONS_SHOWN]
        ]

    @property
    def lesions_left_out(self) -> int:
        return max(0, len(self.lesions) - LESIONS_SHOWN)


def _headline(measures: Measures, method: str, which: str) -> tuple[str, str]:
    count = measures["lesion_count"]
    lesions = f"in {count} lesion{'' if count == 1 else 's'}, {method_name(method)}"
    sentence = lesions if count else f"No lesion under the method {method_name(method)}."
    return f"{number(measures['tmtv_ml'], 1)} mL", which + sentence


def suv_rows(exam: Exam) -> list[tuple[str, str]]:
    """How the page says where the SUV come from."""
    suv = exam.suv
    unit = " g/Bq" if suv.values.get("units") == "BQML" else ""  # GML and its like are SUV already
    factor = "one for each slice" if suv.single_factor is None else f"{suv.single_factor:.6g}{unit}"
    rows = [("Rule", suv.rule), ("Factor", factor)]
    if suv.injection_time and suv.reference_time:
        minutes = (suv.reference_time - suv.injection_time).total_seconds() / 60
        rows.append(("Uptake time", f"{minutes:.0f} min"))
    rows += [
        (f"{name} (given by the user)", str(value))
        for name, value in suv.overrides.items()
        if value is not None
    ]
    return rows


def method_name(method: str) -> str:
    """How a method is called on the page."""
    names = {
        "raw": "whole mask, no threshold",
        "41": "41 % of each lesion's SUVmax",
        "50p": "50 % of each lesion's SUVpeak",
        "2.5": "SUV > 2.5",
        "4.0": "SUV > 4.0",
        "otsu": "Otsu's threshold in each lesion",
    }
    return names.get(method, method)


def number(value: Any, digits: int) -> str:
    """A number for the page; an undefined one is a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"
