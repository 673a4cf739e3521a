"""Writing the phantom as DICOM PET and CT series, with the headers that each scanner would give them.

Activity is what each scanner stores at its decay-reference time (DICOM PS3.3 C.8.9.1, Units (0054,1001) and Decay
Correction (0054,1102)), so that a right reading gives the phantom's SUVbw back. UIDs come from the seed, times from
the patient's number: the same seed writes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from petct.errors import TmtvError
from petct.image import Geometry
from tmtv_tf.phantom.canvas import Array
from tmtv_tf.phantom.patient import Patient
from tmtv_tf.phantom.scanners import Scanner

IMPLEMENTATION_UID = generate_uid(entropy_srcs=["tmtv phantom", "implementation"])
F18_HALF_LIFE_S = 6586.2
BED_MM, BED_S, FRAME_S = 160.0, 130, 120  # bed length, start to start, and time per bed
GE_SERIES_DELAY_S = 45  # the GE-like SeriesTime is this much later than its true decay reference
LARGEST_STORED = 32767


@dataclass(frozen=True)
class Study:
    """What the objects of one examination share."""

    seed: int
    patient: Patient
    scanner: Scanner

    def uid(self, *what: object) -> UID:
        """A UID that depends on the seed, the patient and what it is for, on nothing else."""
        entropy = ["tmtv phantom", str(self.seed), self.patient.patient_id, *map(str, what)]
        return generate_uid(entropy_srcs=entropy)

    @property
    def reference_time(self) -> datetime:
        """Decay reference (START): start of the first bed."""
        return datetime(2024, 1, 8, 9, 0) + timedelta(
            days=self.patient.number, minutes=7 * (self.patient.number % 40)
        )

    @property
    def injection_time(self) -> datetime:
        return self.reference_time - timedelta(seconds=self.patient.uptake_s)

    @property
    def suv_factor(self) -> float:
        """SUVbw per Bq/mL at the decay-reference time, g/Bq."""
        elapsed_s = 0 if self.scanner.decay_correction == "ADMIN" else self.patient.uptake_s
        dose = self.patient.injected_bq * 2 ** (-elapsed_s / F18_HALF_LIFE_S)
        return self.patient.weight_kg * 1000 / dose


def write_pet(folder: Path, study: Study, suv: Array, geometry: Geometry) -> list[UID]:
    """Write the PET series, one file per slice; the SOP instance UIDs in the order of the slices."""
    dataset = _image_dataset(study, "PT", PositronEmissionTomographyImageStorage, geometry)
    _pet_series(dataset, study, len(suv))
    per_unit = _pet_units(dataset, study)
    uids = []
    for k, plane in enumerate(suv):
        # Nine digits fit a DS; the next larger one makes sure that the maximum does not overflow.
        slope = float(f"{max(float(plane.max()) / per_unit, 1e-6) / LARGEST_STORED * (1 + 1e-8):.9g}")
        dataset.RescaleSlope = f"{slope:.9g}"
        dataset.RescaleIntercept = "0"
        bed = int(k * geometry.spacing_mm[0] // BED_MM)
        _pet_times(dataset, study, bed)
        stored = np.minimum(np.round(plane / per_unit / slope), LARGEST_STORED).astype("<u2")
        uids.append(_write_slice(folder, dataset, study, geometry, k, stored))
    return uids


def write_ct(folder: Path, study: Study, hu: npt.NDArray[np.int16], geometry: Geometry) -> list[UID]:
    """Write the CT series, one file per slice."""
    dataset = _image_dataset(study, "CT", CTImageStorage, geometry)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AcquisitionDate, dataset.AcquisitionTime = _date_time(
        study.reference_time - timedelta(seconds=90)
    )
    dataset.SeriesDate, dataset.SeriesTime = dataset.AcquisitionDate, dataset.AcquisitionTime
    dataset.ContentDate, dataset.ContentTime = dataset.AcquisitionDate, dataset.AcquisitionTime
    dataset.PatientPosition = "HFS"
    dataset.AcquisitionNumber = 1
    dataset.KVP = "120"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "-1024", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    return [
        _write_slice(folder, dataset, study, geometry, k, (plane.astype(np.int32) + 1024).astype("<u2"))
        for k, plane in enumerate(hu)
    ]


def patient_and_study(study: Study, modality: str, sop_class: UID) -> FileDataset:
    """The modules that every object of the examination has (patient, study, series, equipment)."""
    patient = study.patient
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "TMTV_PHANTOM"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = sop_class
    dataset.Modality = modality
    dataset.PatientName = f"PHANTOM^{patient.number:04d}"
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex
    dataset.PatientAge = f"{patient.age_years:03d}Y"
    dataset.PatientSize = f"{patient.height_m:.2f}"
    dataset.PatientWeight = f"{patient.weight_kg:.1f}"
    dataset.PatientComments = "Synthetic phantom. Not a patient."
    dataset.StudyInstanceUID = study.uid("study")
    dataset.StudyDate, dataset.StudyTime = _date_time(study.reference_time - timedelta(seconds=120))
    dataset.StudyID = f"{patient.number}"
    dataset.StudyDescription = "Synthetic FDG PET/CT"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesInstanceUID = study.uid("series", modality)
    dataset.SeriesNumber = {"PT": 3, "CT": 2, "RTSTRUCT": 4}[modality]
    dataset.Manufacturer = study.scanner.manufacturer
    dataset.ManufacturerModelName = f"tmtv phantom, {study.scanner.name}"
    dataset.SoftwareVersions = "tmtv phantom"
    dataset.FrameOfReferenceUID = study.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    return dataset


def save(dataset: FileDataset, path: Path) -> None:
    """Write a DICOM file; TmtvError where that fails."""
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise TmtvError(f"{path}: cannot be written ({error.strerror or error}).") from error


def _image_dataset(study: Study, modality: str, sop_class: UID, geometry: Geometry) -> FileDataset:
    dataset = patient_and_study(study, modality, sop_class)
    dataset.BodyPartExamined = "WHOLEBODY"
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing = [f"{geometry.spacing_mm[1]:g}", f"{geometry.spacing_mm[2]:g}"]
    dataset.SliceThickness = f"{geometry.spacing_mm[0]:g}"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = geometry.shape[1], geometry.shape[2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    return dataset


def _write_slice(
    folder: Path,
    dataset: FileDataset,
    study: Study,
    geometry: Geometry,
    k: int,
    stored: npt.NDArray[np.uint16],
) -> UID:
    """Slice k (0 = feet end); instance numbers run from the head, as scanners number them."""
    x, y, z = geometry.to_world([(k, 0, 0)])[0]
    number = geometry.shape[0] - k
    dataset.InstanceNumber = number
    if dataset.Modality == "PT":
        dataset.ImageIndex = number
    dataset.ImagePositionPatient = [f"{x:.4f}", f"{y:.4f}", f"{z:.4f}"]
    dataset.SliceLocation = f"{z:.4f}"
    uid = study.uid(dataset.Modality, k)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.PixelData = stored.tobytes()
    save(dataset, folder / f"{number:04d}.dcm")
    return uid


def _pet_series(dataset: Dataset, study: Study, slices: int) -> None:
    scanner, patient = study.scanner, study.patient
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    posture = _code("F-10450", "SRT", "recumbent")
    posture.PatientOrientationModifierCodeSequence = Sequence([_code("F-10340", "SRT", "supine")])
    dataset.PatientOrientationCodeSequence = Sequence([posture])
    dataset.PatientGantryRelationshipCodeSequence = Sequence([_code("F-10470", "SRT", "headfirst")])
    series_time = study.reference_time
    if scanner.name == "ge":  # the private scan time is the reference; SeriesTime alone would be 0.5 % wrong
        series_time += timedelta(seconds=GE_SERIES_DELAY_S)
        block = dataset.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", study.reference_time.strftime("%Y%m%d%H%M%S.00"))
        block.add_new(0x3B, "DT", study.injection_time.strftime("%Y%m%d%H%M%S.00"))
    dataset.SeriesDate, dataset.SeriesTime = _date_time(series_time)
    dataset.ContentDate, dataset.ContentTime = _date_time(study.reference_time)
    dataset.SeriesDescription = "PET WB (synthetic)"
    dataset.SeriesType = ["WHOLE BODY", "IMAGE"]
    dataset.Units, dataset.DecayCorrection = scanner.units, scanner.decay_correction
    dataset.CountsSource = "EMISSION"
    dataset.NumberOfSlices = slices
    dataset.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    dataset.RandomsCorrectionMethod = "DLYD"
    dataset.AttenuationCorrectionMethod = "CT"
    dataset.ReconstructionMethod = "none: painted, blurred, noise added"
    dataset.CollimatorType = "NONE"
    dataset.ActualFrameDuration = FRAME_S * 1000
    dataset.DoseCalibrationFactor = "1"
    dataset.ScatterFractionFactor, dataset.DeadTimeFactor = "0.3", "1"
    agent = Dataset()
    agent.Radiopharmaceutical = "Fluorodeoxyglucose"
    if scanner.name != "admin":
        agent.RadiopharmaceuticalStartTime = study.injection_time.strftime("%H%M%S.00")
    if scanner.name != "ge":
        agent.RadiopharmaceuticalStartDateTime = study.injection_time.strftime("%Y%m%d%H%M%S.00")
    agent.RadionuclideTotalDose = f"{patient.injected_bq:.0f}"
    agent.RadionuclideHalfLife = f"{F18_HALF_LIFE_S}"
    agent.RadionuclidePositronFraction = "0.9673"
    agent.RadionuclideCodeSequence = Sequence([_code("C-111A1", "SRT", "^18^Fluorine")])
    agent.RadiopharmaceuticalCodeSequence = Sequence([_code("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")])
    dataset.RadiopharmaceuticalInformationSequence = Sequence([agent])


def _pet_units(dataset: Dataset, study: Study) -> float:
    """Complete the header for the scanner's units; SUVbw per stored unit."""
    scanner = study.scanner
    if scanner.units == "GML":
        dataset.SUVType = "BW"
        return 1.0
    if scanner.units == "BQML":
        return study.suv_factor
    # Philips: counts, and a private factor from counts to SUVbw, or (first one 0) from counts to Bq/mL
    block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
    activity_per_count = 1.0 + 0.01 * (study.patient.number % 50)
    if scanner.name == "philips-suv-factor":
        suv_per_count = float(f"{study.suv_factor * activity_per_count:.9g}")
        block.add_new(0x00, "DS", f"{suv_per_count:.9g}")
        block.add_new(0x09, "DS", f"{activity_per_count:.9g}")
        return suv_per_count
    block.add_new(0x00, "DS", "0.0")
    block.add_new(0x09, "DS", f"{activity_per_count:.9g}")
    return activity_per_count * study.suv_factor


def _pet_times(dataset: Dataset, study: Study, bed: int) -> None:
    """Times of one bed: FrameReferenceTime points at the frame's mean activity (PS3.3 C.8.9.4.1.4)."""
    start_s = bed * BED_S
    decay = np.log(2) / F18_HALF_LIFE_S
    mean_s = float(np.log(decay * FRAME_S / (1 - np.exp(-decay * FRAME_S))) / decay)
    acquired = study.reference_time + timedelta(seconds=0 if study.scanner.name == "ge" else start_s)
    dataset.AcquisitionDate, dataset.AcquisitionTime = _date_time(acquired)
    dataset.FrameReferenceTime = f"{(start_s + mean_s) * 1000:.3f}"
    since_s = start_s + mean_s + (study.patient.uptake_s if study.scanner.decay_correction == "ADMIN" else 0)
    dataset.DecayFactor = f"{np.exp(decay * since_s):.6f}"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _date_time(moment: datetime) -> tuple[str, str]:
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.00")
