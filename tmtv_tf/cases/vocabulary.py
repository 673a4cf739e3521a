"""The words that stand in case.json for free text of a header: it may hold anything, names too."""

from __future__ import annotations

import re

# What case.json calls the makers of scanners, and the words of Manufacturer (0008,0070) that mean them.
VENDORS = {
    "SIEMENS": ("SIEMENS", "CPS", "CTI"),
    "GE": ("GE", "GEMS", "GENERAL ELECTRIC"),
    "PHILIPS": ("PHILIPS", "ADAC", "MARCONI"),
    "CANON": ("CANON", "TOSHIBA"),
    "UIH": ("UIH", "UNITED IMAGING"),
    "MEDISO": ("MEDISO",),
    "SHIMADZU": ("SHIMADZU",),
    "HITACHI": ("HITACHI",),
    "PHANTOM": ("PHANTOM",),
}
OTHER = "other"
# Radiopharmaceutical (0018,0031): tracers of tumour PET, as they are written.
TRACERS = {
    "FDG": ("fdg", "fluorodeoxyglucose", "fludeoxyglucose"),
    "DOTATATE": ("dotatate",),
    "DOTATOC": ("dotatoc",),
    "PSMA": ("psma",),
    "FAPI": ("fapi",),
    "FET": ("fluoroethyltyrosine", "fet"),
    "FLT": ("fluorothymidine", "flt"),
    "choline": ("choline",),
}
# Up to the last nuclide that is stated behind it: the value itself may hold any sign.
QUOTED_TRACER = re.compile(r"(Radiopharmaceutical \(0018,0031\) is )(.*(?=, nuclide )|[^.;:]*)")


def vendor_of(manufacturer: str) -> str:
    """Manufacturer (0008,0070) in words of `VENDORS`, "" if absent: the attribute is free text and may hold anything.

    Examples
    --------
    >>> vendor_of("SIEMENS Healthineers (Klinikum Hinterwald)")
    'SIEMENS'
    """
    if not manufacturer.strip():
        return ""
    words = re.findall(r"[A-Z]+", manufacturer.upper())
    text = " ".join(words)
    return next(
        (name for name, keys in VENDORS.items() if any(f" {key} " in f" {text} " for key in keys)), OTHER
    )


def with_known_tracer(text: str) -> str:
    """A message in which the value of Radiopharmaceutical is a word of `TRACERS`, or "other".

    Examples
    --------
    >>> with_known_tracer("Radiopharmaceutical (0018,0031) is FDG Frau Meier, nuclide F-18: computed.")
    'Radiopharmaceutical (0018,0031) is FDG, nuclide F-18: computed.'
    """

    def word(match: re.Match[str]) -> str:
        if match[2] == "missing":  # our own word, see `petct.suv.patient.check_tracer`
            return match[0]
        letters = re.sub(r"[^a-z]", "", match[2].lower())
        known = next((name for name, keys in TRACERS.items() if any(key in letters for key in keys)), OTHER)
        return match[1] + known

    return QUOTED_TRACER.sub(word, text)
