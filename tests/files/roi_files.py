"""RTSTRUCT and SEG files for tests, written by plain pydicom and by highdicom."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
from dicom_files import uid
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage


def pet_datasets(folder: Path) -> list[Dataset]:
    """The slices of a series, feet first."""
    datasets = [dcmread(path) for path in folder.iterdir()]
    return sorted(datasets, key=lambda ds: ds.ImagePositionPatient[2])


def write_rtstruct(
    path: Path,
    pet: Dataset,
    rois: dict[str, list[np.ndarray]],
    *,
    frame: str | None = None,
    series: str | None = None,
    kind: str = "CLOSED_PLANAR",
) -> Path:
    """A structure set; per ROI its contours (N, 3) in LPS mm. `frame` and `series` replace the PET's UIDs."""
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("rtstruct", path)
    ds.SeriesInstanceUID = uid("rtstruct series", path)
    ds.StudyInstanceUID, ds.PatientID, ds.PatientName = pet.StudyInstanceUID, pet.PatientID, pet.PatientName
    ds.Modality = "RTSTRUCT"
    frame = pet.FrameOfReferenceUID if frame is None else frame
    referenced_series = Dataset()
    referenced_series.SeriesInstanceUID = series or pet.SeriesInstanceUID
    study = Dataset()
    study.RTReferencedSeriesSequence = [referenced_series]
    reference = Dataset()
    reference.FrameOfReferenceUID = frame
    reference.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [reference]
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        structure = Dataset()
        structure.ROINumber, structure.ROIName = number, name
        structure.ReferencedFrameOfReferenceUID = frame
        ds.StructureSetROISequence.append(structure)
        item = Dataset()
        item.ReferencedROINumber = number
        item.ContourSequence = []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{v:.4f}" for v in np.asarray(points).ravel()]
            item.ContourSequence.append(contour)
        ds.ROIContourSequence.append(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_seg(path: Path, slices: list[Dataset], masks: np.ndarray, **options: object) -> Path:
    """highdicom's SEG of masks (Z, Y, X, N) bool (or (Z, Y, X) fractions), one segment each."""
    for ds in slices:  # highdicom wants attributes that the small test series lack
        for keyword in (
            "PatientBirthDate",
            "StudyTime",
            "AccessionNumber",
            "StudyID",
            "ReferringPhysicianName",
            "PatientSex",
            "StudyDate",
            "Manufacturer",
        ):
            if keyword not in ds:
                setattr(ds, keyword, "")
        ds.SliceThickness = ds.get("SliceThickness") or "3"
    count = masks.shape[3] if masks.ndim == 4 else 1
    algorithm = AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
    descriptions = [
        SegmentDescription(
            number,
            f"lesion {number}",
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Neoplasm,
            "AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number in range(1, count + 1)
    ]
    segmentation = Segmentation(
        source_images=slices,
        pixel_array=masks,
        segmentation_type=options.pop("kind", highdicom.seg.SegmentationTypeValues.BINARY),
        segment_descriptions=descriptions,
        series_instance_uid=uid("seg series", path),
        series_number=9,
        sop_instance_uid=uid("seg", path),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)
    return path
