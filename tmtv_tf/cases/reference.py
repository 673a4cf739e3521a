"""Files of reader ROIs to the reference of a case: ROI labels, outlines, the four masks, TMTVprob, rois.csv."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from petct.checks import MAX_LABEL
from petct.errors import CaseError, RoiError
from petct.image import Image, image_sha256, write_image
from petct.rois import Roi, RoiTarget, read_rois
from tmtv_tf.cases.case import OUTLINES_NAME, ROIS_NAME, TRUTH_NAME, reference_name, roi_labels_name
from tmtv_tf.cases.table import write_table
from tmtv_tf.cases.truth import METHODS, Truth, make_truth

if TYPE_CHECKING:
    from tmtv_tf.cases.prepare import Settings

# A ROI that is colder than blood (SUVmean about 1 to 2) on the whole holds no FDG-avid lesion.
ROI_COLD_SUV_MEAN = 0.5
# The largest TMTV of the first paper's 1,218 patients is of this order; one ROI beyond it is a body part.
ROI_HUGE_ML = 4000.0
RULES = {
    "roi-cold": f"SUVmean below {ROI_COLD_SUV_MEAN:g}",
    "roi-huge": f"more than {ROI_HUGE_ML:,.0f} mL",
}
ROIS_LISTED = 10


@dataclass(frozen=True)
class Reference:
    """What one reader's ROI files say of one PET.

    Attributes
    ----------
    rois : in the order of rois.csv
    truth : the four masks and the table
    files : how many files the ROIs are of
    broken : see `broken_rules`
    warnings : sentences for case.json
    """

    rois: list[Roi]
    truth: Truth
    files: int
    broken: dict[str, list[int]]
    warnings: list[str]

    def outlines(self) -> npt.NDArray[np.bool_]:
        """The union of the ROIs (Z, Y, X)."""
        union = np.zeros(self.truth.flags.shape, bool)
        for roi in self.rois:
            union[roi.slices] |= roi.mask
        return union


def read_reference(files: Sequence[Path], target: RoiTarget, settings: Settings) -> Reference:
    """Read ROI files and threshold inside each ROI.

    Raises
    ------
    TmtvError
        A file that cannot be read; no ROI of the name asked for; no voxel on the PET; with `settings.strict`, a ROI
        that cannot be a lesion.
    """
    rois, warnings = _read(files, target, settings)
    truth = make_truth(target.pet.array, rois, target.pet.geometry.voxel_ml)
    broken = broken_rules(truth.rows)
    warnings += [_rule_warning(rule, numbers) for rule, numbers in broken.items()]
    if broken and settings.strict:
        raise RoiError(f"{files[0]}: {warnings[-1]} Refused because of --strict.")
    return Reference(rois, truth, len(files), broken, warnings)


def write_reference(
    folder: Path, files: Sequence[Path], target: RoiTarget, settings: Settings
) -> tuple[dict[str, Any], list[str]]:
    """Write what one reader's ROIs say of one PET into `folder` (`save_reference`); raises as `read_reference`.

    Returns
    -------
    dict
        For case.json, see `save_reference`.
    list of str
        Warnings.
    """
    reference = read_reference(files, target, settings)
    return save_reference(folder, reference, target.pet, settings), reference.warnings


def save_reference(folder: Path, reference: Reference, pet: Image, settings: Settings) -> dict[str, Any]:
    """Write the reader's truth into a case folder.

    `rois.nii.gz` and, for ROIs that overlap, `rois_2.nii.gz`, ... (uint16, label = row number of `rois.csv`),
    `reference_outlines.nii.gz` (uint8, their union), `reference_<method>.nii.gz`, `tmtvprob.nii.gz`, `rois.csv`.

    Returns
    -------
    dict
        For case.json: number of ROIs, of ROIs with a voxel on the PET, of files and of label images, whether the ROIs
        are parts of masks, TMTV per method, and the ROIs of each of `RULES`.
    """
    truth, broken = reference.truth, reference.broken
    masks = {method: truth.mask(method) for method in METHODS}
    tmtv_ml = write_masks(folder, masks, truth.probability(), reference.outlines(), pet)
    label_images = _write_labels(folder, reference.rois, pet)
    columns = ["roi", "name", "voxels", "volume_ml", "suv_max", "suv_mean"]
    columns += [*(f"volume_{method}_ml" for method in METHODS), "rules"]
    if not settings.show_text:
        columns.remove("name")
    rows: list[dict[str, Any]] = [{column: row.get(column) for column in columns} for row in truth.rows]
    for row in rows:
        row["rules"] = " ".join(rule for rule, numbers in broken.items() if row["roi"] in numbers)
    write_table(folder / ROIS_NAME, columns, rows)
    return {
        "count": len(reference.rois),
        "count_on_pet": sum(bool(roi.voxels) for roi in reference.rois),
        "components": settings.roi_components,
        "files": reference.files,
        "label_images": label_images,
        "tmtv_ml": tmtv_ml,
        "rules": broken,
    }


def write_masks(
    folder: Path,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    tmtvprob: npt.NDArray[np.float32],
    outlines: npt.NDArray[np.bool_],
    pet: Image,
) -> dict[str, float]:
    """Write the mask of each method, TMTVprob and the outlines, all (Z, Y, X) on the PET; TMTV in mL per method."""
    for method, mask in masks.items():
        write_image(folder / reference_name(method), pet.with_array(mask))
    write_image(folder / TRUTH_NAME, pet.with_array(tmtvprob))
    write_image(folder / OUTLINES_NAME, pet.with_array(outlines))
    voxel_ml = pet.geometry.voxel_ml
    return {method: int(np.count_nonzero(mask)) * voxel_ml for method, mask in masks.items()}


def broken_rules(rows: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Rule of `RULES` -> numbers of the ROIs that cannot be lesions by it; rules that none breaks are left out.

    Parameters
    ----------
    rows : of `make_truth`. A ROI without a voxel on the PET breaks no rule.

    Examples
    --------
    >>> broken_rules([{"roi": 1, "suv_mean": 0.29, "volume_ml": 1705.0}])
    {'roi-cold': [1]}
    """
    cold = [row["roi"] for row in rows if row["suv_mean"] is not None and row["suv_mean"] < ROI_COLD_SUV_MEAN]
    huge = [row["roi"] for row in rows if row["volume_ml"] > ROI_HUGE_ML]
    return {rule: numbers for rule, numbers in (("roi-cold", cold), ("roi-huge", huge)) if numbers}


def _rule_warning(rule: str, numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:ROIS_LISTED])) + (" and more" if len(numbers) > ROIS_LISTED else "")
    have = "ROI has" if len(numbers) == 1 else "ROIs have"
    return (
        f"{rule}: {len(numbers)} {have} {RULES[rule]} ({ROIS_NAME}: {listed}). Such a ROI is no lesion; look whether "
        "it is a body outline, or of another image."
    )


def _read(files: Sequence[Path], target: RoiTarget, settings: Settings) -> tuple[list[Roi], list[str]]:
    """The ROIs to use, and warnings."""
    rois: list[Roi] = []
    warnings: list[str] = []
    first: dict[str, Path] = {}
    for path in files:
        first.setdefault(image_sha256(path), path)
    distinct = list(first.values())
    if len(distinct) < len(files):
        warnings.append(f"{len(files) - len(distinct)} of {len(files)} ROI files are copies: counted once.")
    for path in distinct:
        read, notes = read_rois(path, target)
        rois += read
        warnings += notes
    if len(distinct) > 1:
        warnings.append(f"ROIs of {len(distinct)} files are used together.")
    if settings.roi_pattern:
        rois, every = _named_like(settings.roi_pattern, rois), rois
        if every and not rois:
            raise CaseError(
                f"{files[0]}: none of its {len(every)} ROIs has a name like {settings.roi_pattern!r}."
            )
        if len(rois) < len(every):
            warnings.append(f"{len(every) - len(rois)} of {len(every)} ROIs left out by their name.")
    elif (kinds := len({_kind_of_name(roi.name) for roi in rois})) > 1:
        warnings.append(
            f"The truth is made from ROIs with {kinds} different names (numbers in them not counted); --roi-pattern "
            "takes some of them, tmtv inspect --show-text lists the names."
        )
    if settings.roi_components:
        rois = [part for roi in rois for part in roi.components()]
    if rois and not any(roi.voxels for roi in rois):
        raise CaseError(f"{files[0]}: none of its {len(rois)} ROIs holds a voxel of the PET.")
    if len(rois) > MAX_LABEL:
        raise CaseError(
            f"{files[0]}: {len(rois)} ROIs; at most {MAX_LABEL} can be told apart in a label image."
        )
    return rois, warnings


def _write_labels(folder: Path, rois: Sequence[Roi], pet: Image) -> int:
    """The ROIs as label images, as few as their overlaps allow in the order of rois.csv.

    Returns how many label images there are; one at a time is in memory.
    """
    waiting = list(enumerate(rois, start=1))
    number = 0
    while waiting or number == 0:
        number += 1
        labels = np.zeros(pet.array.shape, np.uint16)
        overlapping = []
        for row, roi in waiting:
            part = labels[roi.slices]
            if part[roi.mask].any():
                overlapping.append((row, roi))
            else:
                part[roi.mask] = row
        write_image(folder / roi_labels_name(number), pet.with_array(labels))
        waiting = overlapping
    return number


def _kind_of_name(name: str) -> str:
    """What is left of a name without numbers: lesion 1 and Lesion_2 are of one kind, GTV_Mass and GTV_Edema are not."""
    return re.sub(r"[\d\W_]+", "", name).lower()


def _named_like(pattern: str, rois: Sequence[Roi]) -> list[Roi]:
    return [roi for roi in rois if re.search(pattern, roi.name, re.IGNORECASE)]
