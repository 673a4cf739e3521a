"""Compressed and unusual transfer syntaxes give the same numbers as plain ones (PS3.5 chapter 10)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import expected_values, write_series
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

import petct.dicom.volume as volume
from petct.dicom.headers import Instance, find_series
from petct.dicom.pixel_check import check_files
from petct.dicom.pixels import stored_pixels
from petct.errors import DicomError


def read(folder: Path) -> np.ndarray:
    series, skipped = find_series(folder)
    assert skipped == []
    check_files(series[0])  # by headers and lengths alone: refuses none of these
    return volume.read_volume(series[0])[0].array


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name)
def test_lossless_compression(tmp_path: Path, syntax: UID) -> None:
    if not (get_encoder(syntax).is_available and get_decoder(syntax).is_available):
        pytest.skip("its codec is not installed (pip install '.[codecs]')")
    write_series(tmp_path, matrix=(64, 48))
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        ds.compress(syntax)
        ds.save_as(path)
    np.testing.assert_allclose(read(tmp_path), expected_values(4, (64, 48)), rtol=1e-7)


@pytest.mark.parametrize("process", ["+e1", "+el"], ids=["process 14 SV1", "process 14"])
def test_jpeg_lossless_by_another_program(tmp_path: Path, process: str) -> None:
    if shutil.which("dcmcjpeg") is None:
        pytest.skip("dcmcjpeg (Debian: dcmtk) is not installed")
    if not get_decoder(JPEGLossless).is_available:
        pytest.skip("its codec is not installed (pip install '.[codecs]')")
    write_series(tmp_path / "plain")
    (tmp_path / "jpeg").mkdir()
    for path in (tmp_path / "plain").iterdir():
        subprocess.run(["dcmcjpeg", process, str(path), str(tmp_path / "jpeg" / path.name)], check=True)
    np.testing.assert_allclose(read(tmp_path / "jpeg"), expected_values(4), rtol=1e-7)


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian],
    ids=lambda uid: uid.name,
)
def test_other_byte_orders(tmp_path: Path, syntax: UID) -> None:
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
        meta = ds.file_meta
        meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, ds, enforce_file_format=True, little_endian=None, implicit_vr=None)
    np.testing.assert_allclose(read(tmp_path), expected_values(4), rtol=1e-7)
    if syntax != DeflatedExplicitVRLittleEndian:  # whose length tells nothing
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DicomError, match="has 59 of 60 bytes"):
            check_files(find_series(tmp_path)[0][0])


def test_missing_decoder_is_named(tmp_path: Path) -> None:
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        ds.compress(RLELossless)
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG2: no decoder for slices
        ds.save_as(path)
    with pytest.raises(DicomError, match=r"TransferSyntaxUID \(0002,0010\) .*no decoder"):
        read(tmp_path)


def test_lossy_compression_is_mentioned(tmp_path: Path) -> None:
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "LossyImageCompression", "01"))
    _, warnings = volume.read_volume(find_series(tmp_path)[0][0])
    assert any("LossyImageCompression (0028,2110)" in warning for warning in warnings)


@pytest.mark.parametrize("stored", [np.int16([-32768, -7, 0, 32767]), np.uint16([0, 1, 32768, 65535])])
@pytest.mark.parametrize("bits_stored", [16, 12])
def test_pixels_are_those_that_pydicom_decodes(stored: np.ndarray, bits_stored: int) -> None:
    """Whole 16-bit numbers are taken as they stand, all others decoded by pydicom: both give one answer."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 2, 2, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(stored.dtype == np.int16)
    dataset.PhotometricInterpretation, dataset.Modality = "MONOCHROME2", "CT"
    dataset.PixelData = stored.tobytes()
    instance = Instance(Path("slice.dcm"), "1.2", None, None, None, 2, 2)
    found = stored_pixels(dataset, instance)
    np.testing.assert_array_equal(found, dataset.pixel_array)
    assert found.dtype == dataset.pixel_array.dtype
