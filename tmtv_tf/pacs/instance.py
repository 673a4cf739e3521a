"""One DICOM object from the network: what is read of it before it is kept, and how it is kept on disk."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, PositronEmissionTomographyImageStorage

from petct.dicom.quiet import PYDICOM_ERRORS
from petct.dicom.structure import DEFLATED_LIMIT_BYTES
from petct.dicom.values import element_text, tag_name, tag_value, whole_number
from petct.errors import DicomError
from petct.files import make_folder, sync
from tmtv_tf.cases.pseudonym import case_pseudonym, pseudonym

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
KEYWORDS = (
    *UIDS,
    "SpecificCharacterSet",
    "Modality",
    "PatientName",
    "PatientID",
    "NumberOfStudyRelatedInstances",
    "NumberOfSeriesRelatedInstances",
    "NumberOfFrames",
    "NumberOfSlices",
)
_TAGS = sorted(Tag(keyword) for keyword in KEYWORDS)
IMPLEMENTATION_UID = "2.25.22473179084346160764405586533266110503"
_DIGITS = 32
_FILE = re.compile(r"([0-9a-f]{32})\.([0-9]+)\.([0-9a-f]{32})\.dcm")


@dataclass(frozen=True)
class Header:
    """What is known of an object when it arrives.

    Attributes
    ----------
    patient : keyed hash of PatientID, or of PatientName where there is no id
    study_count : objects of the study, as the sender announces them (0020,1208); 0: it does not
    series_count : the same of the series (0020,1209), of a PET NumberOfSlices (0054,0081)
    """

    case_id: str
    patient: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str
    study_count: int
    series_count: int


def read_header(data_set: bytes, transfer_syntax: str, key: bytes) -> Header:
    """Read an object as far as its last attribute of interest; its pixels are not touched.

    Parameters
    ----------
    data_set : as it comes from the network, without File Meta Information

    Raises
    ------
    DicomError
        It cannot be read, or lacks the UIDs that every object has. The sentence holds no value.
    """
    try:
        dataset = _scanned(data_set, UID(transfer_syntax))
        uids = [element_text(dataset, keyword) for keyword in UIDS]
        patient_id = str(tag_value(dataset, "PatientID") or "")  # as find_series reads it
        name = patient_id.strip() or str(tag_value(dataset, "PatientName") or "").upper().rstrip("^ ")
        modality = str(tag_value(dataset, "Modality") or "")
        counts = _counts(dataset, str(uids[3]))
    except PYDICOM_ERRORS as error:
        raise DicomError("The data set cannot be read.") from error
    for uid, keyword in zip(uids, UIDS):
        if not uid or len(uid) > 64 or not uid.isascii() or not uid.isprintable():
            raise DicomError(f"{tag_name(keyword)} is missing or no UID.")
    study_uid, series_uid, sop_uid, class_uid = (str(uid) for uid in uids)
    case_id = case_pseudonym(key, patient_id, study_uid)
    patient = pseudonym(key, "received", name)
    return Header(case_id, patient, study_uid, series_uid, sop_uid, class_uid, modality, *counts)


def read_file_header(path: Path, key: bytes) -> Header:
    """`read_header` of a file that `as_file` made."""
    data = path.read_bytes()
    start, syntax = _start(data)
    return read_header(data[start:], syntax, key)


def _scanned(data_set: bytes, syntax: UID) -> Dataset:
    """The elements of `KEYWORDS`, still as bytes: half the time of `dcmread`, and 200 slices a second need it."""
    if syntax == DeflatedExplicitVRLittleEndian:
        data_set = zlib.decompress(data_set, -zlib.MAX_WBITS)
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    elements = data_element_generator(
        BytesIO(data_set), implicit, little, stop_when=_beyond, specific_tags=list(_TAGS)
    )
    dataset = Dataset({element.tag: element for element in elements})
    charset = dataset.get("SpecificCharacterSet") or default_encoding
    dataset.set_original_encoding(implicit, little, convert_encodings(charset))
    return dataset


def _beyond(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag > _TAGS[-1]


def _counts(dataset: Dataset, sop_class_uid: str) -> tuple[int, int]:
    study = whole_number(dataset, "NumberOfStudyRelatedInstances") or 0
    series = whole_number(dataset, "NumberOfSeriesRelatedInstances") or 0
    if sop_class_uid == PositronEmissionTomographyImageStorage and not tag_value(dataset, "NumberOfFrames"):
        series = max(series, whole_number(dataset, "NumberOfSlices") or 0)
    return max(study, 0), max(series, 0)


def as_file(data_set: bytes, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> bytes:
    """A data set as it came, behind the File Meta Information of a DICOM file; the same for the same object.

    Group 0002 is always explicit VR little endian (DICOM PS3.10 7.1).
    """
    meta = b"".join(
        [
            _element(0x0001, b"OB", b"\0\1"),
            _element(0x0002, b"UI", sop_class_uid.encode("ascii", "replace")),
            _element(0x0003, b"UI", sop_instance_uid.encode("ascii", "replace")),
            _element(0x0010, b"UI", transfer_syntax.encode("ascii", "replace")),
            _element(0x0012, b"UI", IMPLEMENTATION_UID.encode()),
            _element(0x0013, b"SH", b"TMTV-TF"),
        ]
    )
    return b"".join(
        (b"\0" * 128, b"DICM", _element(0x0000, b"UL", struct.pack("<I", len(meta))), meta, data_set)
    )


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    length = struct.pack("<HI", 0, len(value)) if vr == b"OB" else struct.pack("<H", len(value))
    return struct.pack("<HH2s", 2, number, vr) + length + value


def _start(data: bytes) -> tuple[int, str]:
    """Where the data set of a file that `as_file` made begins, and its transfer syntax."""
    start = 144 + int.from_bytes(data[140:144], "little")
    meta = pydicom.dcmread(BytesIO(data[:start])).file_meta
    return start, str(meta.TransferSyntaxUID)


def refuse_deflated_bomb(data_set: bytes, transfer_syntax: str) -> None:
    """Refuse a deflated data set that grows beyond all measure, before a reader inflates it."""
    if transfer_syntax != DeflatedExplicitVRLittleEndian:
        return
    try:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflater.decompress(data_set, DEFLATED_LIMIT_BYTES)
    except zlib.error as error:
        raise DicomError("The deflated data set cannot be inflated.") from error
    if inflater.unconsumed_tail:
        raise DicomError(f"The deflated data set is larger than {DEFLATED_LIMIT_BYTES / 1e6:.0f} MB.")


def digest(data: bytes) -> str:
    """32 hexadecimal digits: part of file names, so that a file that a power loss left torn is known.

    Of SHA-256, which processors compute themselves: half the time of BLAKE2b.
    """
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def same_object(one: bytes, other: bytes) -> bool:
    """Whether two DICOM files hold the same data set, though written in another way (VR, lengths, padding)."""
    try:
        datasets = [pydicom.dcmread(BytesIO(data)) for data in (one, other)]
        for dataset in datasets:
            for tag in set(dataset.keys()):
                if tag.element == 0:  # group length
                    del dataset[tag]
        return bool(datasets[0] == datasets[1])
    except PYDICOM_ERRORS:
        return False


class Folder:
    """The objects of one study on disk: `<hash of SOPInstanceUID>.<n>.<hash of the file>.dcm`.

    No name comes from the network. `n` counts the contents that an object had; the highest counts.
    """

    _syncer = ThreadPoolExecutor(8, thread_name_prefix="sync")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, tuple[int, str]] = {}  # hash of the UID -> n, hash of the file
        self.bytes = 0
        if path.is_dir():
            self._list()

    def make(self) -> None:
        """The folder, on disk with its entry in the one above."""
        if not self.path.is_dir():
            make_folder(self.path, durable=True, mode=0o700)

    def content(self, sop_instance_uid: str) -> str | None:
        """Hash of the file of this object; None: it has not arrived."""
        found = self.files.get(digest(sop_instance_uid.encode()))
        return found and found[1]

    def read(self, sop_instance_uid: str) -> bytes:
        return self._path(digest(sop_instance_uid.encode())).read_bytes()

    def write(self, sop_instance_uid: str, data: bytes, content: str) -> None:
        """Keep an object: when this returns, a power loss does not take it. It replaces an earlier content.

        Raises
        ------
        OSError
            The disk is full or broken; nothing is left of the file.
        """
        name = digest(sop_instance_uid.encode())
        before = self.files.get(name)
        number = before[0] + 1 if before else 0
        path = self.path / f"{name}.{number}.{content}.dcm"
        try:
            self._write(path, data)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        if before:
            old = self._path(name)
            self.bytes -= old.stat().st_size
            old.unlink()
        self.files[name] = (number, content)
        self.bytes += len(data)

    def remove_torn(self) -> int:
        """Remove files whose content is not what their name says, and say how many.

        A power loss left them, and no sender was told that they had arrived.
        """
        torn = [
            name
            for name, (_, content) in self.files.items()
            if digest(self._path(name).read_bytes()) != content
        ]
        for name in torn:
            path = self._path(name)
            self.bytes -= path.stat().st_size
            path.unlink()
            del self.files[name]
        return len(torn)

    def paths(self) -> list[Path]:
        return [self._path(name) for name in self.files]

    def _path(self, name: str) -> Path:
        number, content = self.files[name]
        return self.path / f"{name}.{number}.{content}.dcm"

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            entry = self._syncer.submit(sync, path.parent)  # at the same time: one commit of the file system
            os.fsync(descriptor)
            entry.result()
        finally:
            os.close(descriptor)

    def _list(self) -> None:
        with os.scandir(self.path) as entries:
            found = [(entry, match) for entry in entries if (match := _FILE.fullmatch(entry.name))]
        for _, match in sorted(found, key=lambda pair: int(pair[1][2])):
            name, earlier = match[1], self.files.get(match[1])
            self.files[name] = (int(match[2]), match[3])
            if earlier is None:
                continue
            # A power loss came between a new content and the end of the one before: the last whole one counts.
            if digest(self._path(name).read_bytes()) == match[3]:
                gone = self.path / f"{name}.{earlier[0]}.{earlier[1]}.dcm"
            else:
                gone = self._path(name)
                self.files[name] = earlier
            gone.unlink()
        self.bytes = sum(path.stat().st_size for path in self.paths())
