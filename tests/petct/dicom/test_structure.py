"""Elements that stand twice or too late are refused, however they are encoded. Truth: DICOM PS3.5 7.1."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pydicom
import pytest
from dicom_files import add_pet_header, slice_dataset, stored_values, write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

import petct.dicom.structure as structure
from petct.dicom.headers import find_series, read_headers
from petct.dicom.selection import select_one_study
from petct.dicom.structure import ends_early, first_fault
from petct.errors import DicomError, RoiError
from petct.rois.lookup import describe_dicom
from petct.suv import read_suv


def element(group: int, number: int, vr: str, value: str) -> bytes:
    """A short element in explicit VR, little endian."""
    raw = value.encode() + b" " * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr.encode(), len(raw)) + raw


def victim(folder: Path) -> Path:
    return sorted(write_series(folder).iterdir())[1]


def behind(data: bytes, tag: bytes, extra: bytes) -> bytes:
    """`extra` put right behind the element that starts with `tag` (group, element, VR)."""
    at = data.index(tag)
    length = struct.unpack("<H", data[at + 6 : at + 8])[0]
    return data[: at + 8 + length] + extra + data[at + 8 + length :]


def refusal(folder: Path) -> str:
    with pytest.raises(DicomError) as caught:
        read_suv(select_one_study(find_series(folder)[0], folder).require_pet())
    return str(caught.value)


SLOPE = struct.pack("<HH", 0x0028, 0x1053) + b"DS"


def test_a_second_slope(tmp_path: Path) -> None:
    path = victim(tmp_path)
    path.write_bytes(behind(path.read_bytes(), SLOPE, element(0x0028, 0x1053, "DS", "8")))
    text = refusal(tmp_path)
    assert text.startswith(f"{path}: RescaleSlope (0028,1053) stands twice")


def test_a_weight_behind_the_pixels(tmp_path: Path) -> None:
    path = victim(tmp_path)
    path.write_bytes(path.read_bytes() + element(0x0010, 0x1030, "DS", "140"))
    assert f"{path}: PatientWeight (0010,1030) stands twice" in refusal(tmp_path)


def test_a_tag_that_comes_late(tmp_path: Path) -> None:
    path = victim(tmp_path)
    extra = element(0x0010, 0x21B0, "LT", "late")
    path.write_bytes(behind(path.read_bytes(), SLOPE, extra))
    assert "AdditionalPatientHistory (0010,21B0) stands behind RescaleSlope (0028,1053)" in refusal(tmp_path)


@pytest.mark.parametrize("undefined", [False, True])
def test_two_doses_in_one_item(tmp_path: Path, undefined: bool) -> None:
    write_series(
        tmp_path,
        edit=lambda ds, k: setattr(
            ds["RadiopharmaceuticalInformationSequence"], "is_undefined_length", undefined
        ),
    )
    path = sorted(tmp_path.iterdir())[1]
    data = path.read_bytes()
    dose = struct.pack("<HH", 0x0018, 0x1074) + b"DS"
    extra = element(0x0018, 0x1074, "DS", "999000000")
    data = behind(data, dose, extra)
    if not undefined:  # the lengths of the sequence and of its item grow
        for start in (struct.pack("<HH", 0x0054, 0x0016) + b"SQ\0\0", struct.pack("<HH", 0xFFFE, 0xE000)):
            at = data.index(start, data.index(struct.pack("<HH", 0x0054, 0x0016) + b"SQ")) + len(start)
            length = struct.unpack("<I", data[at : at + 4])[0]
            if length != 0xFFFFFFFF:
                data = data[:at] + struct.pack("<I", length + len(extra)) + data[at + 4 :]
    path.write_bytes(data)
    assert "RadionuclideTotalDose (0018,1074) stands twice" in refusal(tmp_path)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_other_encodings(tmp_path: Path, syntax: str) -> None:
    ds = slice_dataset("PT", "1", 0)
    add_pet_header(ds)
    ds.Rows, ds.Columns = 6, 5
    ds.PixelData = stored_values(1).tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "a"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    assert first_fault(path) is None
    late = struct.pack(">HH" if syntax == ExplicitVRBigEndian else "<HH", 0x0010, 0x1030)
    late += {
        ImplicitVRLittleEndian: struct.pack("<I", 2),
        ExplicitVRBigEndian: b"DS" + struct.pack(">H", 2),
    }.get(syntax, b"DS" + struct.pack("<H", 2)) + b"70"
    data = path.read_bytes()
    if syntax == DeflatedExplicitVRLittleEndian:
        start = structure.transfer_syntax(data)[1]
        plain = zlib.decompress(data[start:], -zlib.MAX_WBITS) + late
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        path.write_bytes(data[:start] + deflater.compress(plain) + deflater.flush())
    else:
        path.write_bytes(data + late)
    assert "PatientWeight (0010,1030) stands twice" in (first_fault(path) or "")


def test_encapsulated_pixels_and_padding_are_no_fault(tmp_path: Path) -> None:
    path = victim(tmp_path)
    ds = pydicom.dcmread(path)
    ds.compress(pydicom.uid.RLELossless)
    ds.add_new(0xFFFCFFFC, "OB", b"\0" * 8)
    ds.save_as(path)
    assert first_fault(path) is None


def test_a_deflated_bomb_is_refused_in_bounded_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(structure, "DEFLATED_LIMIT_BYTES", 2**20)
    write_series(tmp_path / "good")
    path = victim(tmp_path / "bad")
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.add_new(0x00091001, "OB", b"\0" * 2**22)
    ds.save_as(path, enforce_file_format=True)
    assert path.stat().st_size < 2**14
    series, skipped = find_series(tmp_path)
    assert [item.path for item in skipped] == [path]
    assert "become more than 1 MB" in skipped[0].reason
    assert len(series[0].files) == 7  # the tree goes on
    with pytest.raises(RoiError, match="become more than 1 MB"):  # a folder of ROIs is read by another door
        describe_dicom(path)


def test_sequences_2000_deep_are_a_sentence(tmp_path: Path) -> None:
    path = victim(tmp_path)
    opened = (
        struct.pack("<HH", 0x0054, 0x0410)
        + b"SQ\0\0\xff\xff\xff\xff"
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    )
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    path.write_bytes(data[:at] + opened * 2000)
    series, skipped = find_series(tmp_path)
    texts = [item.reason for item in skipped] + [text for s in series for text in s.conflicts]
    assert len(texts) >= 1


def test_inspect_and_prepare_read_one_header(tmp_path: Path) -> None:
    """The slopes that `inspect` reads (no pixels) are those that `prepare` applies."""
    series = find_series(write_series(tmp_path))[0][0]
    slopes = [1 + 0.5 * round(instance.position_mm[2] / 3) for instance in series.instances]
    assert [header.RescaleSlope for header in read_headers(series)] == slopes
    image, _ = read_suv(series)
    assert image.array.max() == pytest.approx(120 * 2.5 * 4e-4, rel=1e-6)


def test_image_type_as_a_sequence_is_one_sentence(tmp_path: Path) -> None:
    write_series(tmp_path / "good")
    path = victim(tmp_path / "bad")
    ds = pydicom.dcmread(path)
    del ds.ImageType
    ds.add_new(0x00080008, "SQ", [pydicom.Dataset()])
    ds.save_as(path)
    series, skipped = find_series(tmp_path)
    assert [(item.path, item.reason) for item in skipped] == [
        (path, "ImageType (0008,0008) is a sequence (VR SQ); it must be a plain value")
    ]
    assert len(series) == 1


def test_importing_changes_no_setting_of_pydicom() -> None:
    """Another program that imports this package keeps pydicom's own settings, log and warnings."""
    code = (
        "import logging, warnings, pydicom;"
        "before = (pydicom.config.settings.reading_validation_mode, logging.getLogger('pydicom').level, "
        "list(warnings.filters));"
        "import petct.dicom.headers, petct.dicom.volume, petct.dicom.pixel_check, petct.suv, petct.rois;"
        "assert before == (pydicom.config.settings.reading_validation_mode, logging.getLogger('pydicom').level, "
        "[f for f in warnings.filters if f in before[2]]), 'changed'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_a_file_that_was_cut_is_told(tmp_path: Path, syntax: str) -> None:
    ds = slice_dataset("PT", "1", 0)
    ds.Rows, ds.Columns = 6, 5
    ds.PixelData = stored_values(1).tobytes()
    if syntax == RLELossless:
        ds.compress(syntax)
    ds.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "a"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    data = path.read_bytes()
    assert not ends_early(path)
    for left in (3, 9, 20):
        path.write_bytes(data[:-left])
        assert ends_early(path), left
