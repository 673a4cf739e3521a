"""Lesions as an RT Structure Set (DICOM PS3.3 A.19, C.8.8.5, C.8.8.6): one ROI a lesion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage

from petct.dicom.quiet import quiet_pydicom
from petct.errors import ParameterError
from petct.export.contours import Contour, contours
from petct.export.encoding import save
from petct.export.source import (
    LabelVoxels,
    Provenance,
    SourceSeries,
    content_key,
    item,
    new_object,
    reference,
)
from petct.palette import lesion_color

STUDY_COMPONENT_MANAGEMENT = (
    "1.2.840.10008.3.1.2.3.1"  # what PS3.3 C.8.8.5 wants as the referenced study's class
)
CONTOUR_DATA = Tag("ContourData")


@quiet_pydicom()
def write_rtstruct(
    path: str | Path, labels: npt.NDArray[np.integer], source: SourceSeries, provenance: Provenance
) -> Dataset:
    """Write one ROI a lesion, named "Lesion N", on the slices of the PET; returns the object as written.

    Points have four decimals (a DS holds 16 characters). Each lies in the plane of its slice as that slice's own
    ImagePositionPatient has it.

    Parameters
    ----------
    path : of the file, written whole or not at all
    labels : (Z, Y, X) ndarray of whole numbers, 0 is background, on the grid of `source`
    source : the PET series that the object belongs to
    provenance : method, network and version, as every object states them

    Returns
    -------
    Dataset
        The object as written.

    Raises
    ------
    ParameterError
        No lesion (an empty structure set helps nobody and disturbs some viewers), or labels on another grid.
    ImageError
        Labels that are not whole numbers from 0 to 65535.

    Examples
    --------
    >>> source = SourceSeries(exam.headers, exam.pet.geometry)  # doctest: +SKIP
    >>> write_rtstruct("rtstruct.dcm", labels, source, Provenance("41", "vnet", "0.2.0"))  # doctest: +SKIP
    """
    source.require_grid("labels", labels, "iu")
    voxels = LabelVoxels.of(labels)
    if not voxels.numbers:
        raise ParameterError("labels: there is no lesion to write as RTSTRUCT.")
    dataset = new_object(
        source, provenance, "RTSTRUCT", RTStructureSetStorage, content_key(source, provenance, voxels.key)
    )
    dataset.StructureSetLabel = "LESIONS"
    dataset.StructureSetDate = provenance.created.strftime("%Y%m%d")
    dataset.StructureSetTime = provenance.created.strftime("%H%M%S")
    if provenance.note:
        dataset.StructureSetDescription = provenance.note
    dataset.OperatorsName = ""
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.FrameOfReferenceUID = source.first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = ""
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(source)]
    _add_rois(dataset, labels, voxels, source, "SEMIAUTOMATIC" if provenance.edited else "AUTOMATIC")
    save(path, dataset)
    return dataset


def _add_rois(
    dataset: Dataset,
    labels: npt.NDArray[np.integer],
    voxels: LabelVoxels,
    source: SourceSeries,
    algorithm: str,
) -> None:
    """The three sequences that describe a ROI each: structure, contours, observation."""
    structures, rois, observations = [], [], []
    for roi, (label, box) in enumerate(voxels.boxes().items(), start=1):
        structures.append(
            item(
                ROINumber=roi,
                ReferencedFrameOfReferenceUID=source.first.FrameOfReferenceUID,
                ROIName=f"Lesion {label}",
                ROIGenerationAlgorithm=algorithm,
            )
        )
        found = contours(labels[box] == label)
        rois.append(
            item(
                ROIDisplayColor=list(lesion_color(label)),
                ContourSequence=[_contour(c, box, source) for c in found],
                ReferencedROINumber=roi,
            )
        )
        observations.append(
            item(ObservationNumber=roi, ReferencedROINumber=roi, RTROIInterpretedType="", ROIInterpreter="")
        )
    dataset.StructureSetROISequence = structures
    dataset.ROIContourSequence = rois
    dataset.RTROIObservationsSequence = observations


def _contour(contour: Contour, box: tuple[slice, ...], source: SourceSeries) -> Dataset:
    header = source.headers[box[0].start + contour.z]
    index = contour.points + (box[1].start, box[2].start)
    axes = source.geometry.index_to_world[:3, :3]  # columns: steps along z, y, x
    world = index @ axes[:, 1:].T + np.asarray(header.ImagePositionPatient, float)
    text = "\\".join(f"{value:.4f}" for value in world.ravel()).replace("-0.0000", "0.0000").encode()
    result = item(
        ContourImageSequence=[reference(header)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(index),
    )
    text += b" " * (len(text) % 2)
    # As raw bytes: pydicom would make an object of each of some 100,000 numbers.
    result[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text, 0, False, True)
    return result


def _referenced_frame(source: SourceSeries) -> Dataset:
    series = item(
        SeriesInstanceUID=source.first.SeriesInstanceUID,
        ContourImageSequence=[reference(header) for header in source.headers],
    )
    study = item(
        ReferencedSOPClassUID=STUDY_COMPONENT_MANAGEMENT,
        ReferencedSOPInstanceUID=source.first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return item(FrameOfReferenceUID=source.first.FrameOfReferenceUID, RTReferencedStudySequence=[study])
