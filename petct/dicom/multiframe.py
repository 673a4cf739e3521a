"""Multi-frame files that were converted from slices (Legacy Converted Enhanced PET and CT), as slices again.

Such a file keeps every attribute of its sources: what all slices share in the Shared Functional Groups, what differs
in the Per-frame Functional Groups, what has no place in either in the Unassigned Converted Attributes (DICOM PS3.3
A.70 to A.72, C.7.6.16.2.25). True Enhanced PET states SUV in other ways, and is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import LegacyConvertedEnhancedCTImageStorage, LegacyConvertedEnhancedPETImageStorage

from petct.dicom.values import element_text, tag_name, whole_number
from petct.errors import DicomError

CONVERTED_CLASSES = (LegacyConvertedEnhancedPETImageStorage, LegacyConvertedEnhancedCTImageStorage)
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# Not taken from the file as a whole: pixels, and what each frame has of its own.
_OTHERWISE = (*_GROUPS, "PixelData", "SOPInstanceUID", "AcquisitionDateTime")
# What places or scales a frame. Each of these stands at one level of the file, for all frames alike.
SCALING = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "Units",
    "SUVType",
    "DecayCorrection",
    "CorrectedImage",
    "PatientWeight",
    "PatientSize",
    "PatientSex",
    "RadiopharmaceuticalInformationSequence",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "FrameReferenceTime",
    "ActualFrameDuration",
    "TimezoneOffsetFromUTC",
)
# GE's and Philips' own times and factors lie in these groups.
_PRIVATE_GROUPS = (0x0009, 0x7053)
_SCALING_TAGS = frozenset(map(Tag, SCALING))
_SOURCE = "ConversionSourceAttributesSequence"


def is_converted(dataset: Dataset) -> bool:
    """Whether a file is a multi-frame conversion of slices."""
    return element_text(dataset, "SOPClassUID") in CONVERTED_CLASSES


def split_frames(dataset: Dataset) -> list[Dataset]:
    """The header of every frame, as if it were a file of its own; no pixels.

    The SOPInstanceUID is that of the source slice where the file names it.

    Raises
    ------
    DicomError
        A functional group is missing, or an attribute that places or scales a frame stands at two levels of the file
        with two values. The sentence does not name the file.
    """
    shared_items = _items(dataset, _GROUPS[0])
    per_frame = _items(dataset, _GROUPS[1])
    count = whole_number(dataset, "NumberOfFrames")
    if len(shared_items) != 1:
        raise DicomError(f"{tag_name(_GROUPS[0])} has {len(shared_items)} items; it must have one.")
    if not per_frame or count != len(per_frame):
        raise DicomError(
            f"{tag_name(_GROUPS[1])} has {len(per_frame)} items, and {tag_name('NumberOfFrames')} is {count}; they "
            "must be the same, or no frame has its own slope."
        )
    own = Dataset()
    own.update({e.tag: e for e in _elements(dataset) if e.keyword not in _OTHERWISE})
    shared = _flat(shared_items[0])
    frames = [_flat(groups) for groups in per_frame]
    _check_levels(own, shared, frames)
    return [
        _frame(dataset, k, groups, (shared, frame, own))
        for k, (groups, frame) in enumerate(zip(per_frame, frames, strict=True), start=1)
    ]


def _frame(dataset: Dataset, number: int, groups: Dataset, parts: Iterable[Dataset]) -> Dataset:
    frame = Dataset()
    for part in parts:
        frame.update(part)
    contents = _items(groups, "FrameContentSequence")
    if len(contents) != 1:
        raise DicomError(
            f"{tag_name('FrameContentSequence')} of frame {number} has {len(contents)} items; it must have one."
        )
    content = contents[0]
    if "FrameAcquisitionDateTime" in content:
        frame.AcquisitionDateTime = content.FrameAcquisitionDateTime
    if "FrameAcquisitionDuration" in content and "ActualFrameDuration" not in frame:
        frame.ActualFrameDuration = content.FrameAcquisitionDuration
    sources = _items(groups, _SOURCE)
    source = element_text(sources[0], "ReferencedSOPInstanceUID") if len(sources) == 1 else None
    frame.SOPInstanceUID = source or f"{element_text(dataset, 'SOPInstanceUID')}.{number}"
    return frame


def _check_levels(own: Dataset, shared: Dataset, frames: list[Dataset]) -> None:
    """What scales or places a frame stands once: for all frames together, or in every one of them."""
    in_some = {tag for frame in frames for tag in frame.keys() if _scales(tag)}  # noqa: SIM118
    for tag in sorted(in_some):
        lost = next((k for k, frame in enumerate(frames, start=1) if tag not in frame), None)
        if lost is not None:
            raise DicomError(
                f"{tag_name(tag)} is missing in the functional groups of frame {lost}, and other frames have it."
            )
        above = next((part for part in (own, shared) if tag in part), None)
        if above is not None:
            _compare(tag, above, frames)
    for tag in sorted(tag for tag in shared.keys() if _scales(tag) and tag in own):  # noqa: SIM118
        _compare(tag, own, [shared])


def _compare(tag: BaseTag, above: Dataset, below: list[Dataset]) -> None:
    for part in below:
        if part[tag].value != above[tag].value:
            shown = [element_text(dataset, tag) for dataset in (above, part)]
            raise DicomError(
                f"{tag_name(tag)} stands twice, for all frames ({shown[0]}) and in functional groups ({shown[1]}); "
                "which one counts, nobody knows."
            )


def _scales(tag: BaseTag) -> bool:
    return tag in _SCALING_TAGS or (tag.group in _PRIVATE_GROUPS and tag.element > 0xFF)


def _flat(groups: Dataset) -> Dataset:
    """The attributes within the one item of each functional group."""
    flat = Dataset()
    for element in _elements(groups):
        if element.VR != "SQ":
            continue
        if len(element.value) == 1:
            for inner in _elements(element.value[0]):
                if inner.tag in flat and _scales(inner.tag):
                    _compare(inner.tag, flat, [element.value[0]])
                flat.add(inner)
        elif any(_scales(tag) for item in element.value for tag in item.keys()):  # noqa: SIM118
            raise DicomError(f"{tag_name(element.tag)} has {len(element.value)} items; it must have one.")
    return flat


def _elements(dataset: Dataset) -> Iterator:
    for tag in sorted(dataset.keys()):
        yield dataset[tag]


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent, empty or no sequence."""
    value = dataset.get(keyword)
    if value is None or isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return []
    return [item for item in value if isinstance(item, Dataset)]
