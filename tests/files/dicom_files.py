"""Small DICOM series for tests, with every header value in the caller's hand.

The defaults are round: 70 kg, 350 MBq, injected 10:00:00, one half-life (6588 s) before the reference time 11:49:48:
factor 70000 / 175e6 = 4e-4 g/Bq exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from petct.dicom.headers import find_series
from petct.dicom.selection import select_one_study
from petct.errors import DicomError
from petct.suv import read_suv

FACTOR = 4e-4
HALF_LIFE_S = 6588
FRAME_S = 120.0
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Edit = Callable[[Dataset, int], object]


def stored_values(n: int, matrix: tuple[int, int] = (6, 5)) -> np.ndarray:
    """Different in every voxel."""
    return (np.arange(n * matrix[0] * matrix[1]).reshape(n, *matrix) % 60000 + 1).astype(np.uint16)


def uid(*what: object) -> str:
    return generate_uid(entropy_srcs=["tmtv test", *map(str, what)])


def slice_dataset(
    modality: str, series: str, k: int, *, patient: str = "P1", study: str = "S1"
) -> FileDataset:
    """One axial slice at z = 3 k mm, 2 x 2.5 mm voxels; no pixels yet."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    storage = CTImageStorage if modality == "CT" else PositronEmissionTomographyImageStorage
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID = storage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = uid(patient, study, series, k)
    ds.Modality = modality
    ds.PatientID = patient
    ds.PatientName = "Hidden^Name"
    ds.StudyInstanceUID = uid(patient, study)
    ds.SeriesInstanceUID = uid(patient, study, series)
    ds.FrameOfReferenceUID = uid(patient, study, "frame")
    ds.SeriesNumber = {"CT": 2}.get(modality, 3)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.ImagePositionPatient = [-10.0, -20.0, 3.0 * k]
    ds.ImageOrientationPatient = list(AXIAL)
    ds.PixelSpacing = [2.0, 2.5]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = ("1", "-1024") if modality == "CT" else (f"{1 + 0.5 * k}", "0")
    return ds


def add_pet_header(ds: Dataset) -> None:
    """BQML, START, both reference times 11:49:48; everything a scanner without private tags writes."""
    ds.Manufacturer = "TEST"
    ds.Units, ds.DecayCorrection = "BQML", "START"
    ds.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.PatientWeight, ds.PatientSize, ds.PatientSex = "70", "1.75", "M"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20240131"
    ds.SeriesTime = ds.AcquisitionTime = "114948"
    rate = np.log(2) / HALF_LIFE_S
    mean_s = np.log(rate * FRAME_S / (1 - np.exp(-rate * FRAME_S))) / rate
    ds.FrameReferenceTime = f"{mean_s * 1000:.6f}"
    ds.ActualFrameDuration = "120000"
    agent = Dataset()
    agent.Radiopharmaceutical = "FDG"
    agent.RadiopharmaceuticalStartTime = "100000"
    agent.RadiopharmaceuticalStartDateTime = "20240131100000"
    agent.RadionuclideTotalDose = "350000000"
    agent.RadionuclideHalfLife = f"{HALF_LIFE_S}"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    agent.RadionuclideCodeSequence = [code]
    ds.RadiopharmaceuticalInformationSequence = [agent]


def write_series(
    folder: Path,
    modality: str = "PT",
    n: int = 4,
    *,
    series: str = "1",
    patient: str = "P1",
    study: str = "S1",
    edit: Edit | None = None,
    slices: Sequence[int] | None = None,
    matrix: tuple[int, int] = (6, 5),
) -> Path:
    """Write slices 0..n-1 (or those named) with `stored_values`, under names that do not follow their order.

    `edit(dataset, k)` changes a slice before it is written; returning False leaves it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = stored_values(n, matrix)
    for k in range(n) if slices is None else slices:
        ds = slice_dataset(modality, series, k, patient=patient, study=study)
        if modality == "PT":
            add_pet_header(ds)
        ds.Rows, ds.Columns = values[k].shape
        ds.PixelData = values[k].tobytes()
        if edit is not None and edit(ds, k) is False:
            continue
        ds.save_as(folder / f"{(k * 7 + 3) % 101:03d}_{series}_{modality}", enforce_file_format=True)
    return folder


def injected(ds: Dataset) -> Dataset:
    return ds.RadiopharmaceuticalInformationSequence[0]


def expected_values(n: int, matrix: tuple[int, int] = (6, 5)) -> np.ndarray:
    """What `write_series` stores, rescaled: slope 1 + k / 2 in slice k."""
    return stored_values(n, matrix) * (1 + 0.5 * np.arange(n))[:, None, None]


def refusal(folder: Path) -> str:
    with pytest.raises(DicomError) as caught:
        read_suv(select_one_study(find_series(folder)[0], folder).require_pet())
    return str(caught.value)
