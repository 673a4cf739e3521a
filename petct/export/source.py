"""The PET series that an exported object belongs to, and what every exported object takes over from it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.charset import default_encoding
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from petct.checks import require_label_range, require_volume
from petct.errors import DicomError, ParameterError
from petct.image import Geometry

MANUFACTURER = "tmtv-tf"
# Series numbers of what this software writes: far above those of scanners, the same in every study.
SERIES_NUMBERS = {"SEG": 9001, "RTSTRUCT": 9002, "SR": 9003, "DOC": 9004}
# Patient, general study and patient study modules (DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): what an object of the same
# study must share. Nothing else of the source is copied.
PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
)
# Of these the standard wants an empty element where there is no value (type 2).
MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)
# Namespace of the UIDs below: any fixed UUID serves, as long as it never changes.
_NAMESPACE = uuid.UUID("7d4c1d2a-6c0e-5f0b-9a61-2f5f6f0b8c11")


@dataclass(frozen=True)
class SourceSeries:
    """The slices of the PET on whose grid the labels lie.

    Attributes
    ----------
    headers : one header a slice, in the order of the array's Z axis
    geometry : of the PET, (Z, Y, X); row and column of a slice are Y and X
    """

    headers: tuple[Dataset, ...]
    geometry: Geometry

    def __post_init__(self) -> None:
        if len(self.headers) != self.geometry.shape[0]:
            raise DicomError(
                f"The PET has {self.geometry.shape[0]} slices, but {len(self.headers)} headers were given."
            )
        names = {str(header.get("SOPInstanceUID", "")) for header in self.headers}
        if len(names) != len(self.headers) or "" in names:
            raise DicomError(
                "SOPInstanceUID (0008,0018) of the PET's slices is missing or not unique: results cannot refer to "
                "them. A PET stored as one multi-frame file cannot be exported to."
            )

    @property
    def first(self) -> Dataset:
        return self.headers[0]

    def require_grid(self, name: str, array: npt.NDArray, kinds: str) -> None:
        """Refuse an array that is not on this grid, or of none of numpy's `kinds`."""
        shape = require_volume(name, array, kinds).shape
        if shape != self.geometry.shape:
            raise ParameterError(
                f"`{name}`: shape {shape} is not that of the PET series, {self.geometry.shape} (Z, Y, X)."
            )


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from, as every exported object states it.

    Attributes
    ----------
    method : of the post-processing, such as "41"
    algorithm : name of the network, or "mask" where the lesions came from outside
    version : of this software
    edited : a reader changed the automatic result
    review : number of the version that a reader edited or signed (`review/<version>/`); 0 for the automatic result
    note : what whoever opens the object must know of the algorithm (64 characters at most), such as that it was not
        validated on patients; "" for none
    created : when the result was made; now, if not given
    """

    method: str
    algorithm: str
    version: str
    edited: bool = False
    review: int = 0
    note: str = ""
    created: datetime = field(default_factory=datetime.now)

    @property
    def name(self) -> str:
        """One short text for series descriptions (64 characters at most)."""
        reviewed = " reviewed" if self.edited or self.review else ""
        version = f" (version {self.review})" if self.review else ""
        return f"TMTV {self.method}{reviewed}{version} {self.algorithm}"[:64]

    def series_number(self, modality: str) -> int:
        """As in `SERIES_NUMBERS`; versions after a reader's review count on in tens."""
        return SERIES_NUMBERS[modality] + 10 * self.review


@dataclass(frozen=True)
class LabelVoxels:
    """A label image (Z, Y, X) as the list of its voxels, found in one pass; all else works on this list or on boxes."""

    labels: npt.NDArray[np.integer]
    index: npt.NDArray[np.int64]
    label: npt.NDArray[np.int32]

    @classmethod
    def of(cls, labels: npt.NDArray[np.integer]) -> LabelVoxels:
        """Voxels other than 0, in (Z, Y, X) order."""
        index = np.flatnonzero(labels)
        label = labels.reshape(-1)[index]
        require_label_range(label.min(initial=0), label.max(initial=0))
        return cls(labels, index, label.astype(np.int32))

    @property
    def numbers(self) -> list[int]:
        """The labels that occur, ascending."""
        return np.flatnonzero(np.bincount(self.label)).tolist() if len(self.label) else []

    @property
    def key(self) -> bytes:
        """The lesions as bytes: the same lesions give the same UIDs, whatever the type of the array."""
        return self.index.astype("<i8").tobytes() + self.label.astype("<i4").tobytes()

    def slices(self) -> slice:
        """From the first to the last slice that holds a lesion."""
        plane = self.labels.shape[1] * self.labels.shape[2]
        return slice(int(self.index[0] // plane), int(self.index[-1] // plane) + 1)

    def boxes(self) -> dict[int, tuple[slice, slice, slice]]:
        """The bounding box of each label."""
        place = np.stack(np.unravel_index(self.index, self.labels.shape))
        order = np.argsort(self.label, kind="stable")
        starts = np.searchsorted(self.label[order], self.numbers)
        low = np.minimum.reduceat(place[:, order], starts, axis=1).T
        high = np.maximum.reduceat(place[:, order], starts, axis=1).T + 1
        return {
            n: (slice(a[0], b[0]), slice(a[1], b[1]), slice(a[2], b[2]))
            for n, a, b in zip(self.numbers, low.tolist(), high.tolist())
        }


def content_uid(*what: object) -> UID:
    """A UID that is the same for the same content (DICOM PS3.5 B.2, "2.25." and a UUID)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, chr(31).join(map(str, what))).int}")


def content_key(source: SourceSeries, provenance: Provenance, *content: bytes | str) -> str:
    """A fingerprint of all that an object says but for the time at which it was written."""
    digest = hashlib.sha256()
    names = [str(header.SOPInstanceUID) for header in source.headers]
    said = (
        provenance.method,
        provenance.algorithm,
        provenance.version,
        str(provenance.edited),
        str(provenance.review),
        provenance.note,
    )
    for part in (*names, *said, *content):
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\x1f")
    return digest.hexdigest()


def source_images(source: SourceSeries) -> list[Dataset]:
    """The headers with every element that highdicom reads, empty where the standard allows it and none is there."""
    images = []
    for header in source.headers:
        image = Dataset()
        image.update(header)
        for keyword in MAY_BE_EMPTY:
            if keyword not in image:
                setattr(image, keyword, "")
        if not image.get("SliceThickness"):
            image.pop("SliceThickness", None)  # the element is the header's own
            image.SliceThickness = f"{source.geometry.spacing_mm[0]:.6g}"
        images.append(image)
    return images


def new_object(
    source: SourceSeries, provenance: Provenance, modality: str, sop_class: UID, key: str
) -> FileDataset:
    """An object of the source's study with patient, study, series, equipment and SOP modules filled in."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = content_uid(modality, key, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    result = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    result.SpecificCharacterSet = "ISO_IR 192"
    for keyword in PATIENT_AND_STUDY:
        if keyword in source.first:
            setattr(result, keyword, source.first[keyword].value)
        elif keyword in MAY_BE_EMPTY:
            setattr(result, keyword, "")
    result.SOPClassUID = sop_class
    result.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    result.SeriesInstanceUID = content_uid(modality, key, "series")
    result.Modality = modality
    result.SeriesNumber = provenance.series_number(modality)
    result.SeriesDescription = provenance.name
    result.InstanceNumber = 1
    result.Manufacturer = MANUFACTURER
    result.ManufacturerModelName = MANUFACTURER
    result.SoftwareVersions = provenance.version
    result.InstanceCreationDate = provenance.created.strftime("%Y%m%d")
    result.InstanceCreationTime = provenance.created.strftime("%H%M%S")
    return result


def reference(dataset: Dataset) -> Dataset:
    """ReferencedSOPClassUID and ReferencedSOPInstanceUID of an object."""
    return item(ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID)


def item(**elements: Any) -> Dataset:
    """A sequence item of the elements named; a list of data sets becomes a sequence."""
    result = Dataset()
    # As it will be written, so that pydicom does not convert each raw element of each item on the way.
    result.set_original_encoding(False, True, default_encoding)
    for keyword, value in elements.items():
        is_sequence = isinstance(value, list) and bool(value) and isinstance(value[0], Dataset)
        setattr(result, keyword, DicomSequence(value) if is_sequence else value)
    return result


def stamp(dataset: Dataset, created: datetime) -> None:
    """Say when the content was made; highdicom writes the time of the call."""
    date, time = created.strftime("%Y%m%d"), created.strftime("%H%M%S")
    for keyword, value in (
        ("ContentDate", date),
        ("ContentTime", time),
        ("InstanceCreationDate", date),
        ("InstanceCreationTime", time),
    ):
        setattr(dataset, keyword, value)
    for equipment in dataset.get("ContributingEquipmentSequence") or ():
        if "ContributionDateTime" in equipment:
            equipment.ContributionDateTime = date + time
