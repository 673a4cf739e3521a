"""Images as they come from the network: data sets without File Meta Information."""

from __future__ import annotations

from dicom_files import add_pet_header, slice_dataset
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset


def encoded(ds: Dataset, explicit: bool = True) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, not explicit
    write_dataset(buffer, ds)
    return buffer.getvalue()


def images(modality: str, count: int = 3, **more) -> list[Dataset]:
    found = []
    for k in range(count):
        ds = slice_dataset(modality, modality, k, **more)
        if modality == "PT":
            add_pet_header(ds)
        ds.Rows = ds.Columns = 2
        ds.PixelData = bytes([k] * 8)
        found.append(ds)
    return found
