"""One examination from a folder of DICOM files: the PET in SUV, its CT in HU."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, time

from pydicom import Dataset

from petct.dicom.headers import Series, find_series
from petct.dicom.selection import Selection, select_one_study
from petct.dicom.volume import read_volume
from petct.image import Image
from petct.suv import Overrides, SuvFactor
from petct.suv.factor import read_suv_and_headers


@dataclass(frozen=True)
class Exam:
    """A PET and its CT, each on its own grid.

    Attributes
    ----------
    pet : SUV by body weight, float32 (Z, Y, X)
    ct : HU, or None
    suv : the factor, the rule behind it, the header values used
    warnings : sentences about what is unusual yet usable; those of the CT start with "CT: "
    pet_series, ct_series : where they come from (UIDs, files)
    headers : of the PET's slices, without pixels, in the order of the array's Z axis
    """

    pet: Image
    ct: Image | None
    suv: SuvFactor
    warnings: list[str]
    pet_series: Series
    ct_series: Series | None = None
    headers: tuple[Dataset, ...] = field(default=(), repr=False)


def select_exam(path: str | os.PathLike[str], pet_uid: str = "") -> Selection:
    """Which PET, CT and ROIs of a folder would be read: those that `tmtv prepare` takes.

    Parameters
    ----------
    path : any tree of any files that holds one study with a PET
    pet_uid : SeriesInstanceUID of the PET to take where it is there; the folder may then hold several studies

    Raises
    ------
    DicomError
        No such folder, no PET that has an SUV, or several studies.
    """
    series, _ = find_series(path)
    there = any(one.series_uid == pet_uid and one.modality == "PT" for one in series)
    selection = select_one_study(series, os.fspath(path), pet_uid=pet_uid if there else None)
    selection.require_pet()
    return selection


def read_series(pet: Series, ct: Series | None = None, overrides: Overrides | None = None) -> Exam:
    """The PET series in SUVbw and the CT series in HU.

    Raises
    ------
    DicomError
        A series that makes no volume; `SuvError` where SUV cannot be known.
    """
    image, suv, headers = read_suv_and_headers(pet, overrides)
    warnings = list(suv.warnings)
    ct_image = None
    if ct is not None:
        ct_image, ct_warnings = read_volume(ct)
        warnings += [f"CT: {text}" for text in ct_warnings]
    return Exam(image, ct_image, suv, warnings, pet, ct, tuple(headers))


def read_exam(
    path: str | os.PathLike[str],
    *,
    weight_kg: float | None = None,
    dose_bq: float | None = None,
    injection: datetime | time | None = None,
) -> Exam:
    """Read the one PET/CT examination of a folder of DICOM files.

    Parameters
    ----------
    path : any tree of any files that holds one study with a PET; which series are taken: `petct.dicom.selection`
    weight_kg, dose_bq, injection : your values in place of the header's
        An injection time without a date is on the day of the acquisition.

    Returns
    -------
    Exam
        PET in SUVbw and CT in HU (None without one), and warnings, choices between series among them.

    Raises
    ------
    DicomError
        No such folder, no usable PET, several studies, a series that makes no volume.
    SuvError
        SUV cannot be known from the header; the sentence names tag and value.

    Examples
    --------
    >>> exam = read_exam("export")  # doctest: +SKIP
    >>> exam.pet.array.max(), exam.pet.spacing_mm  # doctest: +SKIP
    """
    selection = select_exam(path)
    exam = read_series(selection.require_pet(), selection.ct, Overrides(weight_kg, dose_bq, injection))
    exam.warnings[:0] = selection.notes
    return exam
