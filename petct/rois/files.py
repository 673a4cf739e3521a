"""One ROI file of any kind: which reader it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import RoiError, TmtvError
from petct.geometry import require_image
from petct.image import SUFFIXES, Image, image_suffix
from petct.rois.nifti import read_label_image
from petct.rois.roi import Roi
from petct.rois.rtstruct import read_rtstruct
from petct.rois.seg import read_seg

TABLE_SUFFIX = ".csv"
DICOM_MODALITIES = ("RTSTRUCT", "SEG")


@dataclass(frozen=True)
class RoiTarget:
    """The PET on which ROIs are wanted: its SUV image, and the UIDs by which DICOM ROIs refer to it.

    Attributes
    ----------
    pet : Image, SUVbw
    series_uid, frame_of_reference_uid : SeriesInstanceUID and FrameOfReferenceUID; empty where unknown
    """

    pet: Image
    series_uid: str = ""
    frame_of_reference_uid: str = ""


def roi_suffix(path: Path) -> str:
    """The suffix that makes a file a ROI image or table, lower case; "" for any other (DICOM, if anything).

    Of a pair `.hdr` and `.img` the header stands for both: the ROIs must not count twice.
    """
    suffix = TABLE_SUFFIX if path.suffix.lower() == TABLE_SUFFIX else image_suffix(path)
    return "" if suffix.startswith(".img") else suffix


@quiet_pydicom()
def read_rois(path: str | Path, target: RoiTarget) -> tuple[list[Roi], list[str]]:
    """The ROIs of one file (RTSTRUCT, SEG, NIfTI or other image, Fiji CSV) on the PET grid, and warnings.

    A voxel is in a ROI if its centre is.

    Parameters
    ----------
    path : file name
    target : the PET; its UIDs are needed for RTSTRUCT and SEG

    Returns
    -------
    rois : list of Roi
        In the file's order, each in its own bounding box; they may overlap.
    warnings : list of str

    Raises
    ------
    RoiError
        The file is none of these, or cannot be trusted on this PET.

    Examples
    --------
    >>> exam = petct.read_exam("export")  # doctest: +SKIP
    >>> series = exam.pet_series  # doctest: +SKIP
    >>> target = petct.RoiTarget(exam.pet, series.series_uid, series.frame_of_reference_uid)  # doctest: +SKIP
    >>> rois, warnings = petct.read_rois("rtstruct.dcm", target)  # doctest: +SKIP
    """
    path = Path(path)
    if not isinstance(target, RoiTarget):
        raise RoiError(
            "`target` must be a petct.RoiTarget (the PET, its series and its frame of reference). "
            f"Received: {type(target).__name__}."
        )
    require_image(target.pet, "target.pet")
    if not path.is_file():
        raise RoiError(f"{path}: no such file.")
    suffix = roi_suffix(path)
    if suffix == TABLE_SUFFIX:
        from petct.rois.fiji import read_fiji

        return read_fiji(path, target.pet), []
    if image_suffix(path):
        return read_label_image(path, target.pet.geometry)
    modality = _modality(path)
    if modality not in DICOM_MODALITIES:
        raise RoiError(
            f"{path}: not a file of ROIs (Modality (0008,0060) is {modality!r}; expected RTSTRUCT, SEG, an image "
            f"({', '.join(SUFFIXES)}) or a Fiji table ({TABLE_SUFFIX}))."
        )
    read = read_rtstruct if modality == "RTSTRUCT" else read_seg
    try:
        return read(
            path,
            target.pet.geometry,
            frame_of_reference_uid=target.frame_of_reference_uid,
            series_uid=target.series_uid,
        )
    except TmtvError:
        raise
    except PYDICOM_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise RoiError(f"{path}: a value in it is missing or not as DICOM has it ({reason}).") from error


def _modality(path: Path) -> str:
    try:
        return str(dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality", ""))
    except PYDICOM_ERRORS as error:
        raise RoiError(f"{path}: not readable as DICOM ({error}).") from error
