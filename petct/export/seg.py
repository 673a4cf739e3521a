"""Lesions as a DICOM Segmentation (PS3.3 A.51), written by highdicom: one segment a lesion, on the grid of the PET."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from petct.dicom.quiet import quiet_pydicom
from petct.errors import ParameterError
from petct.export.encoding import save
from petct.export.source import (
    MANUFACTURER,
    LabelVoxels,
    Provenance,
    SourceSeries,
    content_key,
    content_uid,
    source_images,
    stamp,
)
from petct.palette import lesion_color

Kind = Literal["BINARY", "LABELMAP", "FRACTIONAL"]


@quiet_pydicom()
def write_seg(
    path: str | Path,
    labels: npt.NDArray[np.integer],
    source: SourceSeries,
    provenance: Provenance,
    *,
    kind: Kind = "BINARY",
) -> Dataset:
    """Write one segment a lesion, in ascending order of the labels; returns the object as written.

    Segment numbers run from 1 without gaps, as the standard wants; a lesion's own number is in SegmentLabel and
    TrackingID ("Lesion 3"). Slices without a lesion have no frame. Every frame names the PET slice that it was derived
    from, which some viewers need to place it.

    Parameters
    ----------
    path : of the file, written whole or not at all
    labels : (Z, Y, X) ndarray of whole numbers, 0 is background, on the grid of `source`
    source : the PET series that the object belongs to
    provenance : method, network and version, as every object states them
    kind : BINARY opens everywhere; LABELMAP is smaller, and refused by some archives and viewers

    Returns
    -------
    Dataset
        The object as written.

    Raises
    ------
    ParameterError
        No lesion (an empty segment stops some viewers), or labels on another grid.
    ImageError
        Labels that are not whole numbers from 0 to 65535.

    Examples
    --------
    >>> source = SourceSeries(exam.headers, exam.pet.geometry)  # doctest: +SKIP
    >>> write_seg("seg.dcm", labels, source, Provenance("41", "vnet", "0.2.0"))  # doctest: +SKIP
    """
    source.require_grid("labels", labels, "iu")
    voxels = LabelVoxels.of(labels)
    numbers = voxels.numbers
    if not numbers:
        raise ParameterError("labels: there is no lesion to write as DICOM SEG.")
    key = content_key(source, provenance, voxels.key, kind)
    descriptions = [_description(n, label, source, provenance) for n, label in enumerate(numbers, start=1)]
    used = voxels.slices()  # empty slices below and above cost time and say nothing
    images = source_images(source)[used]
    place, pixel = np.divmod(voxels.index, labels.shape[1] * labels.shape[2])
    place -= used.start
    segment = np.searchsorted(numbers, voxels.label) + 1
    # highdicom compares every slice with every segment, pixel by pixel. So for BINARY it is given slices of one row,
    # which hold the number of each of their segments once, and the frames that it makes of them are filled afterwards.
    filled = kind == "BINARY" and len(numbers) > 1
    rows, columns = (1, len(numbers)) if filled else labels.shape[1:]
    segments = np.zeros((len(images), rows, columns), np.uint8 if len(numbers) < 256 else np.uint16)
    segments.reshape(len(images), -1)[place, segment - 1 if filled else pixel] = segment
    for image in images:
        del image.Rows, image.Columns  # of the headers: a new value would be theirs too
        image.Rows, image.Columns = rows, columns
    segmentation = _segmentation(segments, images, provenance, kind, descriptions, key)
    if filled:
        segmentation.Rows, segmentation.Columns = labels.shape[1:]
        segmentation.PixelData = _frames(segmentation, images, place, segment, pixel)
    return _save(path, segmentation, provenance, key)


@quiet_pydicom()
def write_probability_seg(
    path: str | Path, probability: npt.NDArray[np.floating], source: SourceSeries, provenance: Provenance
) -> Dataset:
    """Write a probability map (Z, Y, X) in [0, 1] as one FRACTIONAL segment in steps of 1/255.

    Raises
    ------
    ParameterError
        Below 1/510 everywhere (it would be empty), outside [0, 1], or on another grid.
    ImageError
        Not a 3-D array of floating-point numbers.
    """
    source.require_grid("probability", probability, "f")
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ParameterError("probability: values must lie in [0, 1].")
    if probability.max() * 255 < 0.5:
        raise ParameterError("probability: it is 0 everywhere; there is nothing to write as DICOM SEG.")
    key = content_key(source, provenance, np.ascontiguousarray(probability, "<f4").tobytes(), "FRACTIONAL")
    descriptions = [_description(1, None, source, provenance)]
    pixels = probability.astype(np.float32, copy=False)
    images = source_images(source)
    segmentation = _segmentation(pixels, images, provenance, "FRACTIONAL", descriptions, key)
    return _save(path, segmentation, provenance, key)


def _frames(
    segmentation: Segmentation,
    images: list[Dataset],
    place: npt.NDArray[np.integer],
    segment: npt.NDArray[np.integer],
    pixel: npt.NDArray[np.integer],
) -> bytes:
    """The voxels of lesions, one bit a pixel, the first one lowest, without a gap between frames (PS3.5 8.1.1)."""
    slices = {image.SOPInstanceUID: k for k, image in enumerate(images)}
    frame = np.zeros((len(images), int(segment.max()) + 1), np.int64)
    for k, item in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        origin = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        frame[slices[origin], item.SegmentIdentificationSequence[0].ReferencedSegmentNumber] = k
    size = segmentation.Rows * segmentation.Columns
    bit = frame[place, segment] * size + pixel
    packed = np.zeros(-(-segmentation.NumberOfFrames * size // 16) * 2, np.uint8)  # of even length
    np.bitwise_or.at(packed, bit // 8, np.left_shift(1, bit % 8).astype(np.uint8))
    return packed.tobytes()


def _segmentation(
    pixels: npt.NDArray,
    images: list[Dataset],
    provenance: Provenance,
    kind: Kind,
    descriptions: list[SegmentDescription],
    key: str,
) -> Segmentation:
    return Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=content_uid("SEG", key, "series"),
        series_number=provenance.series_number("SEG"),
        sop_instance_uid=content_uid("SEG", key, "instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=provenance.version,
        device_serial_number="0",
        content_label="LESIONS",
        content_description=provenance.note or provenance.name,
        series_description=provenance.name,
    )


def _save(path: str | Path, segmentation: Segmentation, provenance: Provenance, key: str) -> Dataset:
    stamp(segmentation, provenance.created)
    _repeat_dimension_uid(segmentation, content_uid("SEG", key, "dimensions"))
    save(path, segmentation)
    return segmentation


def _repeat_dimension_uid(segmentation: Segmentation, uid: str) -> None:
    """The same lesions give the same file: highdicom draws this UID at random."""
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _description(
    number: int, label: int | None, source: SourceSeries, provenance: Provenance
) -> SegmentDescription:
    name = "Probability of lymphoma" if label is None else f"Lesion {label}"
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type="SEMIAUTOMATIC" if provenance.edited else "AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=provenance.algorithm,
            family=codes.DCM.ArtificialIntelligence,
            version=provenance.version,
            source=MANUFACTURER,
        ),
        tracking_uid=tracking_uid(source, provenance, label),
        tracking_id=name,
        display_color=CIELabColor.from_rgb(*lesion_color(label or 1)),
    )


def tracking_uid(source: SourceSeries, provenance: Provenance, label: int | None) -> str:
    """The same lesion of the same series under the same method, in SEG and SR, before and after a review."""
    return content_uid("lesion", source.first.SeriesInstanceUID, provenance.method, label)
