"""The scanners in rotation: matrix, resolution, and how each writes activity into DICOM (DESIGN of its header)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scanner:
    """One way to scan and to write PET. `units` and `decay_correction` are the DICOM values."""

    name: str
    manufacturer: str
    matrix: int
    pixel_mm: float
    slice_mm: float
    fwhm_mm: float
    units: str
    decay_correction: str


SCANNERS = (
    Scanner("siemens", "SIEMENS", 128, 4.2, 5.0, 5.5, "BQML", "START"),
    Scanner("ge", "GE MEDICAL SYSTEMS", 128, 4.6875, 3.27, 6.5, "BQML", "START"),
    Scanner("philips-suv-factor", "Philips Medical Systems", 144, 4.0, 4.0, 6.0, "CNTS", "START"),
    Scanner("gml", "TMTV PHANTOM", 150, 3.6, 3.6, 5.0, "GML", "START"),
    Scanner("admin", "TMTV PHANTOM", 112, 5.0, 5.0, 7.0, "BQML", "ADMIN"),
    Scanner("philips-activity-factor", "Philips Medical Systems", 144, 4.0, 4.0, 6.0, "CNTS", "START"),
)


def scanner_of(number: int) -> Scanner:
    """The scanner of case 1, 2, ...: all six in turn (five subtypes in turn, so that the two do not go together)."""
    return SCANNERS[(number - 1) % len(SCANNERS)]
