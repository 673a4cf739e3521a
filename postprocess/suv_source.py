"""Where the SUV come from: an image file that holds them, or the DICOM folder of a PET."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.errors import ImageError, TmtvError
from petct.files import read_json
from petct.image import Image, read_image
from petct.suv_values import check_suv_values
from petct.text import stated_name
from postprocess.results import RESULT_FILE, SOURCE_FILE, read_result

if TYPE_CHECKING:
    from petct.dicom.headers import Series
    from petct.suv import Overrides

DICOM_SUFFIXES = (".dcm", ".ima")
SERIES = "DICOM series "  # and its UID: what a result calls the PET of a DICOM folder
CASE_FILE = "case.json"  # what `tmtv prepare` says of the pet.nii.gz beside it (DESIGN section 5)


@dataclass(frozen=True)
class SuvSource:
    """The PET of a case, found but not read.

    Attributes
    ----------
    path : image file, or folder of DICOM files
    pet, ct : the series of a DICOM folder that `tmtv prepare` would take
    series_uid, frame_of_reference_uid : of the PET; "" where nobody says them
    computed : its SUV were computed by this software, here or by `tmtv prepare`
    notes : choices between series, in sentences
    overrides : the user's own weight, dose, injection time for the PET of a DICOM folder
    prepared_with : those with which `tmtv prepare` made the image file, as case.json has them
    """

    path: Path
    pet: Series | None = None
    ct: Series | None = None
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    computed: bool = False
    notes: tuple[str, ...] = ()
    overrides: Overrides | None = None
    prepared_with: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """For results: the name of the file, or the SeriesInstanceUID (a folder may be called like a patient)."""
        return stated_name(self.path) if self.pet is None else f"{SERIES}{self.series_uid}"

    @property
    def values(self) -> str:
        """The user's own values, for fingerprints; "" where the header's are taken."""
        given = self.overrides.as_dict() if self.overrides is not None else {}
        return json.dumps(given, sort_keys=True) if given else ""

    @property
    def record(self) -> dict[str, Any]:
        """What a result says of it, so that the same SUV can be made from DICOM (`suv_of_result`)."""
        if not self.prepared_with:
            return {}
        return {"series_uid": self.series_uid, "overrides": dict(self.prepared_with)}

    def files(self) -> list[Path]:
        return [self.path] if self.pet is None else sorted(self.pet.files)

    def read(self) -> tuple[Image, list[str]]:
        """The PET in SUVbw, and warnings.

        Raises
        ------
        TmtvError
            The image cannot be read, SUV cannot be known, or its values are no SUV.
        """
        if self.pet is not None:
            from petct.exam import read_series

            exam = read_series(self.pet, overrides=self.overrides)
            folder = str(self.pet.folder)
            return exam.pet, [*self.notes, *(text.replace(folder, "PET") for text in exam.warnings)]
        image = read_image(self.path)
        voxel_ml = image.geometry.voxel_ml
        warnings = check_suv_values(image.array, str(self.path), computed=self.computed, voxel_ml=voxel_ml)
        sample = image.array[:: max(1, image.array.shape[0] // 16)]
        if not warnings and (image.array.dtype.kind in "iu" or (sample.max() > 0 and not (sample % 1).any())):
            warnings = ["All its values are whole numbers: is this SUV?"]
        return image, [f"{self.name}: {text[0].lower()}{text[1:]}" for text in warnings]


def find_suv(path: str | os.PathLike[str], result: Path | None = None) -> SuvSource:
    """The PET of a file or of a DICOM folder; headers are read, voxels are not.

    Parameters
    ----------
    path : image file, or DICOM folder
    result : folder of a case that may hold a result; if that was made from a series of `path`, this series is taken,
        with the user's own weight, dose and injection time of that result

    Raises
    ------
    TmtvError
        No such file; one DICOM slice; a folder without one study that has a usable PET.
    """
    path = Path(path)
    if path.is_dir():
        from petct.exam import select_exam

        uid, overrides = ("", None) if result is None else _of_series(result)
        selection = select_exam(path, uid)
        pet = selection.require_pet()
        own = pet.series_uid == uid
        # The choice of a CT changes no SUV, and a PET chosen by its result is no choice.
        notes = (n for n in selection.notes if "CT" not in n and not (own and "chosen by the user" in n))
        return SuvSource(
            path,
            pet,
            selection.ct,
            pet.series_uid,
            pet.frame_of_reference_uid,
            computed=True,
            notes=tuple(notes),
            overrides=overrides if own else None,
        )
    if not path.is_file():
        raise TmtvError(f"{path}: no such file.")
    if is_dicom(path):
        raise ImageError(
            f"{path}: one DICOM file, whose slices lie in other files; give the folder of the PET series."
        )
    info = _case_info(path)
    suv = info.get("suv")
    given = suv.get("overrides") if isinstance(suv, dict) else None
    return SuvSource(
        path,
        series_uid=str(info.get("pet_series_uid") or ""),
        frame_of_reference_uid=str(info.get("frame_of_reference_uid") or ""),
        computed=isinstance(suv, dict) and suv.get("factor") is not None,
        prepared_with=given if isinstance(given, dict) else {},
    )


def suv_of_result(folder: Path) -> tuple[str, Overrides | None]:
    """What a result was made from: its PET, and the user's own weight, dose and injection time.

    SeriesInstanceUID of the PET ("": nobody says it, or no result). `tmtv run` keeps the rest in `source.json`; the
    result of a case that was prepared with such values states them itself.

    Raises
    ------
    TmtvError
        A `source.json` or a result that cannot be read.
    """
    stated = _stated_suv(folder)
    if own := stated.get("overrides"):
        return str(stated.get("series_uid") or ""), _overrides(own, folder / RESULT_FILE)
    return _of_series(folder)


def _stated_suv(folder: Path) -> Mapping[str, Any]:
    result = read_result(folder)
    return result["inputs"].get("suv", {}) if result is not None else {}


def _of_series(folder: Path) -> tuple[str, Overrides | None]:
    """`suv_of_result`, where the result was made from DICOM itself."""
    name = str(_stated_suv(folder).get("file"))
    if not name.startswith(SERIES):
        return "", None
    uid, path = name.removeprefix(SERIES), folder / SOURCE_FILE
    if not path.is_file():
        return uid, None
    found = read_json(path)
    made = found.get("made") if isinstance(found, dict) else None
    given = made.get("overrides") if isinstance(made, dict) else None
    if not isinstance(given, dict):
        raise TmtvError(f"{path}: not written by tmtv run (no 'made' with 'overrides').")
    if not given or found.get("pet_series_uid") != uid:
        return uid, None
    return uid, _overrides(given, path)


def _overrides(given: Mapping[str, Any], path: Path) -> Overrides:
    from petct.suv import Overrides

    try:
        return Overrides.from_dict(given)
    except TmtvError as error:
        raise TmtvError(f"{path}: {error}") from error


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its first bytes or its suffix."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in DICOM_SUFFIXES


def _case_info(path: Path) -> dict[str, object]:
    """The `case.json` beside a `pet.nii.gz`; empty where there is none that can be read."""
    beside = path.with_name(CASE_FILE)
    if not path.name.startswith("pet.") or not beside.is_file():
        return {}
    try:
        info = read_json(beside)
    except TmtvError:
        return {}
    return info if isinstance(info, dict) else {}
