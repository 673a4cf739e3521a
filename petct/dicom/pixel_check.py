"""Whether the files of a series hold what `volume` needs, by their headers and lengths: no pixel is read."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from petct.dicom.headers import Instance, Series
from petct.dicom.multiframe import is_converted
from petct.dicom.pixels import check_decodable, is_encapsulated, slope_and_intercept
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.reading import frames_of, reason
from petct.dicom.values import tag_name, tag_value, whole_number
from petct.errors import DicomError

PIXEL_DATA = (0x7FE0, 0x0010)


@dataclass(frozen=True)
class _Header:
    """A file's header, and the bytes of PixelData: as its length field says, and as there are."""

    dataset: Dataset
    declared: int
    held: int


@quiet_pydicom()
def check_files(series: Series) -> None:
    """Refuse what `read_volume` would: pixels missing, cut short or too many, a slope or intercept that is none.

    Compressed and deflated pixels are only looked for; whether they can be decoded, decoding alone tells.

    Raises
    ------
    DicomError
        The first such file, by name.
    """
    frames: dict[Path, list[Instance]] = {}
    for instance in series.instances:
        frames.setdefault(instance.path, []).append(instance)
    for path, instances in frames.items():
        header = _read_header(path)
        check_decodable(header.dataset, instances[0])
        _check_length(path, header)
        converted = is_converted(header.dataset)
        for dataset, instance in zip(
            frames_of(header.dataset, path) if converted else [header.dataset], instances
        ):
            slope_and_intercept(dataset, instance)


def _check_length(path: Path, header: _Header) -> None:
    dataset = header.dataset
    if header.held == 0:
        raise DicomError(f"{path}: PixelData (7FE0,0010) cannot be read (it is missing).")
    if is_encapsulated(dataset) or _is_deflated(dataset):
        return
    sizes = {keyword: whole_number(dataset, keyword) for keyword in ("Rows", "Columns", "BitsAllocated")}
    for keyword, size in sizes.items():
        if not size:
            raise DicomError(f"{path}: {tag_name(keyword)} is missing or 0.")
    frames = whole_number(dataset, "NumberOfFrames") or 1
    needed = math.prod(size or 0 for size in sizes.values()) * frames // 8
    if min(header.held, header.declared) < needed:
        raise DicomError(
            f"{path}: PixelData (7FE0,0010) has {min(header.held, header.declared)} of {needed} bytes: "
            "the file is cut short."
        )
    if header.declared > needed + 1:  # one byte makes an odd length even
        raise DicomError(
            f"{path}: PixelData (7FE0,0010) has {header.declared - needed} bytes more than Rows (0028,0010) and "
            "Columns (0028,0011) need."
        )


def _read_header(path: Path) -> _Header:
    try:
        with open(path, "rb") as file:
            dataset = dcmread(file, stop_before_pixels=True, force=True)
            if _is_deflated(dataset):  # pixels cannot be told from the header without inflating them
                return _Header(dataset, 1, 1)
            implicit, little = dataset.original_encoding
            head = file.read(8 if implicit else 12)
            rest = os.fstat(file.fileno()).st_size - file.tell()
    except PYDICOM_ERRORS as error:
        raise DicomError(f"{path}: not readable as DICOM ({reason(error)}).") from error
    order = "<" if little else ">"
    if len(head) < 8 or struct.unpack(f"{order}HH", head[:4]) != PIXEL_DATA:
        return _Header(dataset, 0, 0)
    return _Header(dataset, struct.unpack(f"{order}I", head[-4:])[0], max(0, rest))


def _is_deflated(dataset: Dataset) -> bool:
    syntax = tag_value(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID")
    return syntax == DeflatedExplicitVRLittleEndian
