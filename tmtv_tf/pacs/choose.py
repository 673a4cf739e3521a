"""Which series of a study are fetched: those that `petct` would use, chosen before anything is fetched."""

from __future__ import annotations

from dataclasses import dataclass

from petct.dicom.headers import Series, series_of_headers
from petct.dicom.selection import select_studies
from petct.errors import ArchiveError, DicomError
from tmtv_tf.pacs.archive import Archive, SeriesFound, StudyFound

IMAGES = ("PT", "CT")
ROIS = ("RTSTRUCT", "SEG")


@dataclass(frozen=True)
class Choice:
    """What to fetch of one study.

    Attributes
    ----------
    series : SeriesInstanceUIDs; empty if nothing of the study can be used, and then `problem` says why
    notes : choices made, in sentences
    no_pet : it is no PET study
    """

    series: tuple[SeriesFound, ...]
    notes: tuple[str, ...] = ()
    problem: str | None = None
    no_pet: bool = False

    @property
    def uids(self) -> list[str]:
        return [one.series_uid for one in self.series]


@dataclass(frozen=True)
class Wanted:
    """Which series of a study are fetched.

    Attributes
    ----------
    everything : all of them; else the PET and the CT that would be used
    rois : also readers' RTSTRUCT and SEG; what this software wrote is no reader's
    pet_uid, ct_uid : SeriesInstanceUID of the PET and the CT to take
    """

    everything: bool = False
    rois: bool = False
    pet_uid: str | None = None
    ct_uid: str | None = None


def choose(archive: Archive, study: StudyFound, wanted: Wanted = Wanted()) -> Choice:
    """The PET and the CT that `petct` would take (`petct.dicom.selection`); the rules need headers, not pixels.

    Where the archive does not tell the headers, every PET and CT series of the study is taken, with a note.
    """
    if wanted.everything:
        return Choice(study.series)
    extra = tuple(one for one in study.series if wanted.rois and one.modality in ROIS and not one.ours)
    images = [one for one in study.series if one.modality in IMAGES]
    if not any(one.modality == "PT" for one in images):
        kinds = ", ".join(sorted({one.modality or "no modality" for one in study.series})) or "no series"
        return Choice(
            (), problem=f"no PET series in it (Modality (0008,0060) PT); found {kinds}.", no_pet=True
        )
    try:
        described = [series_of_headers(archive.headers(study, one.series_uid)) for one in images]
        if not all(map(_is_placed, described)):
            raise DicomError("ImagePositionPatient (0020,0032) is not told for every slice")
    except (ArchiveError, DicomError) as error:
        if isinstance(error, ArchiveError) and error.retry:
            raise
        many = tuple(one for one in images if one.images != 1)
        note = (
            f"The archive does not tell enough to choose before fetching ({str(error).rstrip('.')}): all {len(many)} "
            "PET and CT series are fetched."
        )
        return Choice(many + extra, (note,))
    try:
        (selection,) = select_studies(described, pet_uid=wanted.pet_uid, ct_uid=wanted.ct_uid)
    except DicomError as error:
        return Choice((), problem=str(error))
    if selection.pet is None:
        return Choice((), selection.notes, selection.problem)
    chosen = {selection.pet.series_uid, selection.ct.series_uid if selection.ct else ""}
    return Choice(tuple(one for one in images if one.series_uid in chosen) + extra, selection.notes)


def _is_placed(series: Series) -> bool:
    """Where its slices lie is known; that of a single slice, which is never used, does not matter."""
    return len(series.instances) < 2 or all(one.position_mm is not None for one in series.instances)
