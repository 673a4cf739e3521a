"""The reader's outlines as an RT Structure Set (DICOM PS3.3 A.19) on the PET series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, PositronEmissionTomographyImageStorage, RTStructureSetStorage

from petct.image import Geometry
from tmtv_tf.phantom.dicom import Study, patient_and_study, save
from tmtv_tf.phantom.reader import Outline


def write_rtstruct(
    path: Path,
    study: Study,
    outlines: list[Outline],
    geometry: Geometry,
    pet_uids: list[UID],
    reader: str = "",
) -> None:
    """Write closed planar contours; `pet_uids` are the PET slices' SOP instance UIDs, feet end first.

    Each `reader` has an instance and a series of his own; "" is the one beside the images.
    """
    dataset = patient_and_study(study, "RTSTRUCT", RTStructureSetStorage)
    own = (reader,) if reader else ()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = study.uid("RTSTRUCT", *own)
    if reader:
        dataset.SeriesInstanceUID = study.uid("series", "RTSTRUCT", reader)
    dataset.SeriesDescription = "Reader outlines (synthetic)"
    dataset.OperatorsName = ""
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = "LYMPHOMA"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.StudyDate, dataset.StudyTime
    dataset.ApprovalStatus = "UNAPPROVED"
    frame = dataset.FrameOfReferenceUID
    dataset.ReferencedFrameOfReferenceSequence = Sequence([_referenced_frame(study, frame, pet_uids)])
    regions, contours, observations = [], [], []
    for number, outline in enumerate(outlines, start=1):
        regions.append(_dataset(ROINumber=number, ReferencedFrameOfReferenceUID=frame, ROIName=outline.name,
                                ROIGenerationAlgorithm="MANUAL"))  # fmt: skip
        observations.append(_dataset(ObservationNumber=number, ReferencedROINumber=number,
                                     RTROIInterpretedType="", ROIInterpreter=""))  # fmt: skip
        items = []
        for k, line in outline.contours:
            world = geometry.to_world(np.column_stack([np.full(len(line), k), line[:, 1], line[:, 0]]))
            items.append(_dataset(
                ContourImageSequence=Sequence([_reference(pet_uids[k])]),
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(line),
                ContourData=[f"{v:.3f}" for v in world.ravel()],
            ))  # fmt: skip
        color = [(255, 60, 60), (60, 220, 60), (80, 140, 255), (255, 200, 0)][number % 4]
        contours.append(
            _dataset(ROIDisplayColor=list(color), ContourSequence=Sequence(items), ReferencedROINumber=number)
        )
    dataset.StructureSetROISequence = Sequence(regions)
    dataset.ROIContourSequence = Sequence(contours)
    dataset.RTROIObservationsSequence = Sequence(observations)
    save(dataset, path)


def _referenced_frame(study: Study, frame: str, pet_uids: list[UID]) -> Dataset:
    series = _dataset(SeriesInstanceUID=study.uid("series", "PT"),
                      ContourImageSequence=Sequence([_reference(uid) for uid in pet_uids]))  # fmt: skip
    examination = _dataset(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=study.uid("study"),
        RTReferencedSeriesSequence=Sequence([series]),
    )
    return _dataset(FrameOfReferenceUID=frame, RTReferencedStudySequence=Sequence([examination]))


def _reference(uid: UID) -> Dataset:
    return _dataset(
        ReferencedSOPClassUID=PositronEmissionTomographyImageStorage, ReferencedSOPInstanceUID=uid
    )


def _dataset(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
