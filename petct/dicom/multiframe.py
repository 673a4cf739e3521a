"""Multi-frame files that were converted from slices (Legacy Converted Enhanced PET and CT), as slices again.

Such a file keeps every attribute of its sources: what all slices share in the Shared Functional Groups, what differs
in the Per-frame Functional Groups, what has no place in either in the Unassigned Converted Attributes (DICOM PS3.3
A.70 to A.72, C.7.6.16.2.25). True Enhanced PET states SUV in other ways, and is not read.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import LegacyConvertedEnhancedCTImageStorage, LegacyConvertedEnhancedPETImageStorage

CONVERTED_CLASSES = (LegacyConvertedEnhancedPETImageStorage, LegacyConvertedEnhancedCTImageStorage)
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# Not taken from the file as a whole: pixels, and what each frame has of its own.
_OTHERWISE = (*_GROUPS, "PixelData", "SOPInstanceUID", "AcquisitionDateTime")


def is_converted(dataset: Dataset) -> bool:
    """Whether a file is a multi-frame conversion of slices."""
    return str(dataset.get("SOPClassUID", "")) in CONVERTED_CLASSES


def split_frames(dataset: Dataset) -> list[Dataset]:
    """The header of every frame, as if it were a file of its own; no pixels.

    The file's own attributes win over those of the functional groups. The SOPInstanceUID is that of the source slice
    where the file names it.

    Raises
    ------
    ValueError, AttributeError, IndexError
        A functional group is missing: a file that does not follow the standard.
    """
    shared = _flat(dataset.SharedFunctionalGroupsSequence[0])
    own = Dataset()
    own.update({element.tag: element for element in dataset if element.keyword not in _OTHERWISE})
    frames: list[Dataset] = []
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        frame = Dataset()
        for part in (shared, _flat(groups), own):
            frame.update(part)
        content = groups.FrameContentSequence[0]
        if "FrameAcquisitionDateTime" in content:
            frame.AcquisitionDateTime = content.FrameAcquisitionDateTime
        if "FrameAcquisitionDuration" in content and "ActualFrameDuration" not in frame:
            frame.ActualFrameDuration = content.FrameAcquisitionDuration
        frame.SOPInstanceUID = frame.get(
            "ReferencedSOPInstanceUID", f"{dataset.SOPInstanceUID}.{len(frames) + 1}"
        )
        frames.append(frame)
    return frames


def _flat(groups: Dataset) -> Dataset:
    """The attributes within the one item of each functional group."""
    flat = Dataset()
    for element in groups:
        if element.VR == "SQ" and len(element.value) == 1:
            flat.update(element.value[0])
    return flat
