"""Where PET and CT come from: two DICOM series, or two images that are SUV and HU already."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from petct.dicom.headers import Series
from petct.dicom.values import tag_value
from petct.errors import ParameterError
from petct.exam import read_series
from petct.image import Image, image_files, read_image
from petct.suv import Overrides, SuvFactor
from petct.suv_values import check_suv_values
from tmtv_tf.cases.case import ImagesInfo
from tmtv_tf.cases.pseudonym import identifying_words
from tmtv_tf.cases.vocabulary import vendor_of

# How tmtv_tf.phantom signs its DICOM files.
PHANTOM_MAKER = "tmtv phantom"


@dataclass(frozen=True)
class Exam:
    """What was read: SUVbw float32, HU or None, and what case.json says about them."""

    pet: Image
    ct: Image | None
    info: ImagesInfo
    warnings: list[str]
    pet_series_uid: str = ""
    frame_of_reference_uid: str = ""


@dataclass(frozen=True)
class DicomSource:
    """A PET series, the CT of its frame of reference or None, and the user's own weight, dose, time."""

    pet: Series
    ct: Series | None = None
    overrides: Overrides = field(default_factory=Overrides)

    def read(self) -> Exam:
        """PET in SUVbw and CT in HU, each on its own grid."""
        exam = read_series(self.pet, self.ct, self.overrides)
        info: ImagesInfo = {
            "pet_series_uid": self.pet.series_uid,
            "ct_series_uid": None if self.ct is None else self.ct.series_uid,
            "frame_of_reference_uid": self.pet.frame_of_reference_uid,
            "vendor": vendor_of(str(tag_value(self.pet.header, "Manufacturer") or "")),
            "phantom": made_by_phantom(self.pet.header),
            "suv": suv_record(exam.suv),
        }
        uids = self.pet.series_uid, self.pet.frame_of_reference_uid
        return Exam(exam.pet, exam.ct, info, exam.warnings, *uids)

    @property
    def pet_series_uid(self) -> str:
        return self.pet.series_uid

    def series_files(self) -> tuple[list[Path], list[Path]]:
        """Files of the PET, and of the CT."""
        return self.pet.files, self.ct.files if self.ct is not None else []

    def files(self) -> list[Path]:
        pet, ct = self.series_files()
        return pet + ct

    def damaged_files(self) -> list[Path]:
        """What lies beside the series and may be a lost part of it."""
        both = [series for series in (self.pet, self.ct) if series is not None]
        return [path for series in both for path in (*series.damaged, *series.unread)]

    def parameters(self) -> dict[str, Any]:
        return {
            "pet": self.pet.series_uid,
            "ct": self.ct and self.ct.series_uid,
            "overrides": self.overrides.as_dict(),
        }

    def identifying_words(self) -> set[str]:
        """From the full header of one slice of each series."""
        words = {self.pet.patient_id} - {""}
        for series in (self.pet, self.ct):
            if series is not None:
                words |= identifying_words(series.files[0])
        return words


@dataclass(frozen=True)
class NiftiSource:
    """A PET image in SUVbw and a CT image in HU, or None."""

    pet: Path
    ct: Path | None = None
    patient_id: str = ""

    def read(self) -> Exam:
        """Both images as they are; PET as float32.

        Raises
        ------
        ImageError
            The values of the PET cannot be SUV (see `check_suv_values`).
        """
        pet = read_image(self.pet)
        suv = pet.array.astype(np.float32)
        warnings = check_suv_values(suv, str(self.pet), computed=False, voxel_ml=pet.geometry.voxel_ml)
        ct = None if self.ct is None else read_image(self.ct)
        info: ImagesInfo = {
            "pet_series_uid": None,
            "ct_series_uid": None,
            "frame_of_reference_uid": None,
            "vendor": None,
            "phantom": None,  # an image file does not say
            "suv": {"factor": None, "rule": "the image holds SUVbw already"},
        }
        return Exam(pet.with_array(suv), ct, info, warnings)

    @property
    def pet_series_uid(self) -> str:
        """Empty: an image has none."""
        return ""

    def series_files(self) -> tuple[list[Path], list[Path]]:
        """Files of the PET, and of the CT (a header and its data file are two)."""
        return image_files(self.pet), image_files(self.ct) if self.ct is not None else []

    def files(self) -> list[Path]:
        pet, ct = self.series_files()
        return pet + ct

    def damaged_files(self) -> list[Path]:
        """Empty: an image is one file."""
        return []

    def parameters(self) -> dict[str, Any]:
        return {"layout": "nifti"}

    def identifying_words(self) -> set[str]:
        return {self.patient_id} - {""}


def made_by_phantom(header: Dataset) -> bool:
    """Whether the PET was painted by `tmtv phantom`, which names itself as the scanner's model and software."""
    said = (tag_value(header, keyword) for keyword in ("ManufacturerModelName", "SoftwareVersions"))
    return any(str(value or "").startswith(PHANTOM_MAKER) for value in said)


def make_overrides(
    weight_kg: float | None = None,
    dose_mbq: float | None = None,
    injection_time: str | None = None,
    allow_unusual: bool = False,
) -> Overrides:
    """The user's own values, as typed: MBq, and an ISO time (on the acquisition date) or date and time.

    Raises
    ------
    ParameterError
        The injection time is neither; a weight or dose not above 0 is refused by `Overrides`.
    """
    when: datetime | time | None = None
    if injection_time is not None:
        try:
            when = (datetime if "T" in injection_time or " " in injection_time else time).fromisoformat(
                injection_time
            )
        except ValueError as error:
            raise ParameterError(
                f"--injection-time must be like 10:35, 10:35:00 or 2024-05-17T10:35:00. Received: {injection_time!r}."
            ) from error
    return Overrides(weight_kg, None if dose_mbq is None else dose_mbq * 1e6, when, allow_unusual)


def suv_record(suv: SuvFactor) -> dict[str, Any]:
    """The factor, how it was found and the header values behind it, for case.json."""
    return {
        "factor": suv.single_factor if suv.single_factor is not None else list(suv.factor),  # type: ignore[arg-type]
        "rule": suv.rule,
        "injection_time": suv.injection_time and suv.injection_time.isoformat(),
        "reference_time": suv.reference_time and suv.reference_time.isoformat(),
        "header": dict(suv.values),
        "overrides": dict(suv.overrides),
    }
