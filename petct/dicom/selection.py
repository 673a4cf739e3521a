"""Which PET, which CT and which ROIs of a messy tree belong together. Every series left out has its reason.

PET of a study: PET Image Storage, attenuation-corrected, a static image of two slices or more, in units that have an
SUV; of several, the one that covers most of the body, then an original before a derived one, then the lowest number.
CT: the frame of reference of that PET; of several, the one that covers most of the PET, then one without contrast
agent (the low-dose CT of the attenuation correction), then the widest field of view, then the lowest number.
Series that are equal in all this: the lowest SeriesInstanceUID, with a note, for that choice is arbitrary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import (
    CTImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from petct.dicom.headers import Series
from petct.dicom.ranking import PET_ORDER, Choice, best, covered_mm, ct_order
from petct.dicom.values import tag_name, tag_values
from petct.errors import DicomError

PET_CLASSES = (PositronEmissionTomographyImageStorage, LegacyConvertedEnhancedPETImageStorage)
CT_CLASSES = (CTImageStorage, LegacyConvertedEnhancedCTImageStorage)
ROI_CLASSES = (RTStructureSetStorage, SegmentationStorage)
# Units (0054,1001) of which `suv` makes SUV.
SUV_UNITS = ("BQML", "GML", "CM2ML", "CNTS")


@dataclass(frozen=True)
class Selection:
    """What would be used of one study.

    Attributes
    ----------
    pet : the PET to use; None when none of the study can be, and then `problem` says why in one sentence.
    ct : the CT of the PET's frame of reference, if there is one.
    rois : RTSTRUCT and SEG series of that study or frame of reference.
    notes : choices made, in sentences.
    passed_over : SeriesInstanceUID of every image series of the study that is not used -> why.
    other_pets : SeriesInstanceUIDs of the patient's PET series that are not used, in other studies too.
    """

    patient_id: str
    study_uid: str
    pet: Series | None
    ct: Series | None = None
    rois: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()
    passed_over: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    other_pets: frozenset[str] = frozenset()

    def require_pet(self) -> Series:
        """The PET, or the reason why there is none, raised as DicomError."""
        if self.pet is None:
            raise DicomError(self.problem or "No PET series was chosen.")
        return self.pet


def select_studies(
    series: Sequence[Series], *, pet_uid: str | None = None, ct_uid: str | None = None
) -> list[Selection]:
    """One `Selection` for every study that holds a PET series, in the order of `series`.

    Parameters
    ----------
    series : from `dicom.find_series`; any number of patients and studies.
    pet_uid, ct_uid : SeriesInstanceUID the user chose; then only the study of that PET is returned.

    Raises
    ------
    DicomError
        A UID that the user gave is not there, or is not such an image.
    """
    if pet_uid is not None:
        wanted = _by_uid(series, pet_uid, "PT")
        return [_select(series, wanted.patient_id, wanted.study_uid, wanted, ct_uid)]
    studies = dict.fromkeys((s.patient_id, s.study_uid) for s in series if s.modality == "PT")
    if ct_uid is not None:
        frame = _by_uid(series, ct_uid, "CT").frame_of_reference_uid
        studies = {
            key: None
            for key in studies
            if any((s.patient_id, s.study_uid) == key and s.frame_of_reference_uid == frame for s in series)
        }
    return [_select(series, patient_id, study_uid, None, ct_uid) for patient_id, study_uid in studies]


def select_one_study(
    series: Sequence[Series], root: Path | str, *, pet_uid: str | None = None, ct_uid: str | None = None
) -> Selection:
    """The only PET study of a folder.

    Raises
    ------
    DicomError
        No PET at all, or several studies or patients (patients are counted, never named).
    """
    selections = select_studies(series, pet_uid=pet_uid, ct_uid=ct_uid)
    if not selections:
        raise DicomError(f"{root}: {no_pet_reason(series)}")
    if len(selections) > 1:
        patients = len({selection.patient_id for selection in selections})
        raise DicomError(
            f"{root}: {len(selections)} PET studies of {patients} patient{'s' if patients > 1 else ''}, where one "
            "study is expected; name the series by its SeriesInstanceUID (0020,000E) or give one study's folder."
        )
    selections[0].require_pet()
    return selections[0]


def no_pet_reason(series: Sequence[Series]) -> str:
    """Why a tree has nothing to work on, as the end of a sentence."""
    if not series:
        return "no DICOM series in it."
    found = ", ".join(sorted({s.modality or "no modality" for s in series}))
    # A series that begins with a slice of another kind hides the slices of a PET.
    mixed = next((text for s in series for text in s.conflicts if tag_name("Modality") in text), "")
    return f"no PET series in it (Modality (0008,0060) PT); found {found}. {mixed}".rstrip()


def _select(
    series: Sequence[Series], patient_id: str, study_uid: str, pet: Series | None, ct_uid: str | None
) -> Selection:
    study = [s for s in series if (s.patient_id, s.study_uid) == (patient_id, study_uid)]
    pet, notes, passed_over = _choose_pet(study, pet)
    problem = _no_fit_pet(study, passed_over) if pet is None else None
    ct = None
    if pet is not None:
        ct, ct_notes, ct_passed_over = _choose_ct(series, pet, ct_uid)
        notes, passed_over = notes + ct_notes, passed_over | ct_passed_over
    for other in study:
        if other not in (pet, ct) and other.modality not in ("RTSTRUCT", "SEG"):
            passed_over.setdefault(other.series_uid, f"not a PET or CT image ({other.sop_class_name})")
    rois = tuple(
        s
        for s in series
        if s.sop_class_uid in ROI_CLASSES
        and s.patient_id == patient_id
        and (
            s.study_uid == study_uid
            or (pet is not None and s.frame_of_reference_uid == pet.frame_of_reference_uid)
        )
    )
    other_pets = frozenset(
        s.series_uid for s in series if s.modality == "PT" and s.patient_id == patient_id and s is not pet
    )
    return Selection(patient_id, study_uid, pet, ct, rois, tuple(notes), passed_over, problem, other_pets)


def _choose_pet(study: Sequence[Series], wanted: Series | None) -> Choice:
    """The PET of a study: the one the user wants, else the best of those that fit."""
    pets = [s for s in study if s.modality == "PT"]
    unfit = {s.series_uid: reason for s in pets if (reason := _unfit_pet(s))}
    if wanted is None:
        chosen = best([s for s in pets if s.series_uid not in unfit], PET_ORDER, "PET")
        return chosen._replace(passed_over=unfit | chosen.passed_over)
    reason = unfit.get(wanted.series_uid)
    note = "PET chosen by the user." + (f" Without that choice: {reason}." if reason else "")
    others = {s.series_uid: "another PET was chosen by the user" for s in pets if s is not wanted}
    return Choice(wanted, [note], others)


def _choose_ct(series: Sequence[Series], pet: Series, ct_uid: str | None) -> Choice:
    """The CT of a PET: the one the user names, else the best of those that fit."""
    candidates = [s for s in series if s.modality == "CT" and s.patient_id == pet.patient_id]
    if ct_uid is not None:
        chosen = _by_uid(candidates, ct_uid, "CT")
        if chosen.frame_of_reference_uid != pet.frame_of_reference_uid:
            raise DicomError(
                f"{chosen.files[0]}: FrameOfReferenceUID (0020,0052) of the chosen CT is not that of the PET; the two "
                "cannot be laid over each other."
            )
        others = {s.series_uid: "another CT was chosen by the user" for s in candidates if s is not chosen}
        return Choice(chosen, ["CT chosen by the user."], others)
    unfit = {s.series_uid: reason for s in candidates if (reason := _unfit_ct(s, pet))}
    fit = [s for s in candidates if s.series_uid not in unfit]
    here = {s.series_uid for s in candidates if s.study_uid == pet.study_uid}
    choice = best([s for s in fit if s.series_uid in here] or fit, ct_order(pet), "CT")
    notes = choice.notes
    if choice.series is None:
        notes = [*notes, "No CT has the frame of reference of this PET: PET alone."]
    of_study = {uid: reason for uid, reason in unfit.items() if uid in here}
    return Choice(choice.series, notes, of_study | choice.passed_over)


def _unfit_pet(series: Series) -> str | None:
    """Why a PET series cannot be the input, or None."""
    image_type = tag_values(series.header, "ImageType")
    series_type = tag_values(series.header, "SeriesType")
    corrected = tag_values(series.header, "CorrectedImage")
    if series.sop_class_uid == EnhancedPETImageStorage:
        return f"{series.sop_class_name}: this multi-frame form is not read; export it as PET Image Storage"
    if series.sop_class_uid not in PET_CLASSES:
        return f"not a PET image ({series.sop_class_name})"
    if "REPROJECTION" in series_type or any("MIP" in value or "PROJECTION" in value for value in image_type):
        return "a projection (MIP), not a volume"
    if series_type and series_type[0] in ("DYNAMIC", "GATED"):
        return f"SeriesType (0054,1000) is {series_type[0]}: several time points, not one static image"
    if len(series.instances) < 2:
        return "a single slice"
    if not corrected:
        return (
            "CorrectedImage (0028,0051) is missing: nothing says that attenuation was corrected "
            "(it must hold ATTN; if you know that it was, choose the series by its UID)"
        )
    if "ATTN" not in corrected:
        return "not attenuation-corrected: CorrectedImage (0028,0051) has no ATTN"
    units = tag_values(series.header, "Units")
    if units and units[0] not in SUV_UNITS:
        return f"Units (0054,1001) is {units[0]}, which has no SUV"
    return None


def _unfit_ct(series: Series, pet: Series) -> str | None:
    image_type = tag_values(series.header, "ImageType")
    if series.sop_class_uid not in CT_CLASSES:
        return f"not a CT image ({series.sop_class_name})"
    if "LOCALIZER" in image_type:
        return "a localizer"
    if any("MIP" in value or "PROJECTION" in value for value in image_type):
        return "a projection, not a volume"
    if len(series.instances) < 2:
        return "a single slice"
    if not pet.frame_of_reference_uid or series.frame_of_reference_uid != pet.frame_of_reference_uid:
        return "FrameOfReferenceUID (0020,0052) is not that of the PET"
    if covered_mm(series, pet) == 0:
        return "covers nothing of the PET"
    return None


def _no_fit_pet(study: list[Series], passed_over: dict[str, str]) -> str:
    pets = [s for s in study if s.modality == "PT"]
    reasons = "; ".join(dict.fromkeys(passed_over[s.series_uid] for s in pets))
    return f"{pets[0].folder}: none of its {len(pets)} PET series can be used: {reasons}."


def _by_uid(series: Sequence[Series], uid: str, modality: str) -> Series:
    for candidate in series:
        if candidate.series_uid == uid:
            if candidate.modality != modality:
                raise DicomError(
                    f"Series {uid} has Modality (0008,0060) {candidate.modality}; {modality} was expected."
                )
            return candidate
    raise DicomError(f"No series with SeriesInstanceUID (0020,000E) {uid} in this folder.")
