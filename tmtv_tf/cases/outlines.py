"""The readers' outlines beside the images of a study: which of them `prepare` takes, and whether it can read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from petct.dicom.headers import Series
from petct.dicom.selection import Selection
from petct.dicom.volume import sort_slices
from petct.errors import TmtvError
from petct.image import Image
from petct.rois.files import RoiTarget, read_rois
from petct.rois.lookup import RoiFile, describe_series, drawn_on, drawn_on_other_pets


@dataclass(frozen=True)
class Outlines:
    """One series of RTSTRUCT or SEG.

    Attributes
    ----------
    used : the truth would be made from it
    names : of its ROIs, free text that may name a patient
    refused : why it cannot be used though it would be, in one sentence; the whole study is refused then
    """

    used: bool
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refused: str | None = None


def read_outlines(selection: Selection) -> dict[str, Outlines]:
    """SeriesInstanceUID -> what comes of it, for each series of outlines of a study with a PET."""
    if selection.pet is None:
        return {}
    described: dict[str, list[RoiFile]] = {}
    outlines: dict[str, Outlines] = {}
    for series in selection.rois:
        try:
            described[series.series_uid] = describe_series(series)
        except TmtvError as error:
            outlines[series.series_uid] = Outlines(True, refused=str(error))
    pet = selection.pet
    every = [file for files in described.values() for file in files]
    used = set(drawn_on(every, pet.series_uid, pet.frame_of_reference_uid)[0])
    target = _target(pet)
    for uid, files in described.items():
        taken = [file for file in files if file.path in used]
        found = _read(taken, target)
        other = drawn_on_other_pets(taken, pet.series_uid, selection.other_pets)
        outlines[uid] = replace(found, warnings=(*found.warnings, *other))
    return outlines


def _target(pet: Series) -> RoiTarget | None:
    """The grid of a PET whose values nobody needs; None if it has none."""
    try:
        geometry = sort_slices(pet).geometry
    except TmtvError:
        return None
    values = np.broadcast_to(np.float32(0), geometry.shape)  # takes no memory
    return RoiTarget(Image(values, geometry), pet.series_uid, pet.frame_of_reference_uid)


def _read(files: list[RoiFile], target: RoiTarget | None) -> Outlines:
    names: list[str] = []
    warnings: list[str] = []
    for file in files:
        if target is None:  # the PET itself is refused
            break
        try:
            rois, notes = read_rois(file.path, target)
        except TmtvError as error:
            return Outlines(True, refused=str(error))
        names += [roi.name for roi in rois]
        warnings += notes
    return Outlines(bool(files), tuple(names), tuple(warnings))
