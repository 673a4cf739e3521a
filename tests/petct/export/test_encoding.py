from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from export_files import lesions, pet_source
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from petct.errors import TmtvError
from petct.export import Provenance, write_pdf, write_rtstruct, write_seg, write_sr
from petct.export.encoding import save
from petct.export.seg import write_probability_seg

PROVENANCE = Provenance("41", "test network", "0.2.0", note="Trained on synthetic images only.")
MEASURES = {"tmtv_ml": 60.0, "tlg": 300.0, "lesion_count": 0, "dmax_mm": None}


def require_as_pydicom_writes_it(path: Path, dataset: Dataset) -> None:
    other = path.with_name("pydicom.dcm")
    dataset.save_as(other, enforce_file_format=True)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL", "RTSTRUCT", "SR", "PDF"])
def test_every_object_has_the_bytes_that_pydicom_writes(tmp_path: Path, kind: str) -> None:
    source, _ = pet_source(tmp_path / "pet")
    path, labels = tmp_path / "object.dcm", lesions()
    if kind in ("BINARY", "LABELMAP"):
        written = write_seg(path, labels, source, PROVENANCE, kind=kind)  # type: ignore[arg-type]
    elif kind == "FRACTIONAL":
        written = write_probability_seg(path, (labels > 0) * np.float32(0.7), source, PROVENANCE)
    elif kind == "RTSTRUCT":
        written = write_rtstruct(path, labels, source, PROVENANCE)
    elif kind == "SR":
        written = write_sr(path, [], MEASURES, source, PROVENANCE, None)
    else:
        written = write_pdf(path, b"%PDF-1.4 odd", source, PROVENANCE)
    require_as_pydicom_writes_it(path, written)


def test_odd_values_have_the_bytes_that_pydicom_writes(tmp_path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTStructureSetStorage, "2.25.7"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset, item = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128), Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Müller^Jürgen=山田^太郎"
    dataset.StudyDescription = "naïve"
    dataset.ImageComments = "x" * 70_001
    dataset.PatientID, dataset.AccessionNumber = "", None
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.SeriesNumber = [1.5, "2.250"], None, 3
    dataset.PatientSize = 1.75
    dataset.FrameIncrementPointer = [0x00540080, 0x00540090]
    dataset.SmallestImagePixelValue, dataset.PixelRepresentation = -7, 1
    dataset.StudyDate, dataset.StudyTime = "20260102", "030405.5"
    item.TextValue, item.NumericValue = "grün", [1, 2.5]
    item.ReferencedFrameNumber, item.GraphicData = [1, 2], [0.5, 1.5]
    item.ConceptNameCodeSequence, item.ContentSequence = [], [Dataset(), Dataset()]
    dataset.ContentSequence = [item, Dataset()]
    save(tmp_path / "object.dcm", dataset)
    require_as_pydicom_writes_it(tmp_path / "object.dcm", dataset)
    assert dcmread(tmp_path / "object.dcm").ContentSequence[0].TextValue == "grün"


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    (tmp_path / "file").touch()
    with pytest.raises(TmtvError, match="cannot be written"):
        write_rtstruct(tmp_path / "file" / "rtstruct.dcm", lesions(), source, PROVENANCE)
