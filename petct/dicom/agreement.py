"""What every slice of a series must say alike: who it is, what it is, and what its numbers mean.

Judging by the first file alone would take a series whose other slices are another patient's, another time point's, not
corrected for attenuation. What may differ (times, positions, slopes) is judged where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from petct.dicom.values import element_text, tag_name

# Values of these are never shown: they must not reach a log.
IDENTIFYING = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
AGREEING = (
    *IDENTIFYING,
    "StudyInstanceUID",
    "Modality",
    "SOPClassUID",
    "FrameOfReferenceUID",
    "SeriesNumber",
    "ImageType",
    "SeriesType",
    "CorrectedImage",
    "Units",
    "DecayCorrection",
    "SUVType",
    "RescaleType",
    "ContrastBolusAgent",
    "PixelRepresentation",
)
# Their values are a set: the order says nothing.
_UNORDERED = ("CorrectedImage",)


def agreeing_texts(header: Dataset) -> tuple[str, ...]:
    """The values of `AGREEING` in one slice, as they are compared: upper case, padding left out."""
    return tuple(_comparable(keyword, element_text(header, keyword, longest=None)) for keyword in AGREEING)


def disagreements(paths: Sequence[Path], texts: Sequence[tuple[str, ...]]) -> list[str]:
    """One sentence for each attribute in which a slice differs from the first."""
    found = []
    for column, keyword in enumerate(AGREEING):
        for path, row in zip(paths[1:], texts[1:], strict=True):
            if row[column] != texts[0][column]:
                found.append(_sentence(keyword, path, row[column], paths[0], texts[0][column]))
                break
    return found


def _comparable(keyword: str, text: str | None) -> str:
    parts = [part.strip().upper().rstrip("^") for part in (text or "").split("\\")]
    return "\\".join(sorted(parts) if keyword in _UNORDERED else parts)


def _sentence(keyword: str, path: Path, value: str, first: Path, expected: str) -> str:
    if keyword in IDENTIFYING:
        differs = f"{tag_name(keyword)} differs from that of {first}"
    else:
        shown, wanted = (text[:64] or "missing" for text in (value, expected))
        differs = f"{tag_name(keyword)} is {shown}, and {wanted} in {first}"
    return f"{path}: {differs}, though both carry the same SeriesInstanceUID (0020,000E)."
