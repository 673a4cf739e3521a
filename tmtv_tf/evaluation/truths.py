"""What a case is compared with: TMTVprob and the masks of its ROIs, any other mask, and several readers' truths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError
from petct.image import Image, read_image
from postprocess import Config, segment
from postprocess.inputs import as_mask
from postprocess.results import RESULT_FILE
from postprocess.review import final_folder

RAW = "raw"
# The four masks of a reader's ROIs.
REFERENCE_METHODS = ("41", "2.5", "4.0", "otsu")
TMTVPROB_NAME = "tmtvprob.nii.gz"
TMTVPROB_THRESHOLD = 0.5  # strict: a voxel of the reference was in at least three of the four masks
# Truths without TMTVprob, the first that is there: an expert's mask, the readers' outlines. Else one method's mask.
MASK_NAMES = ("mask.nii.gz", "reference_outlines.nii.gz")
READERS = "readers"
TMTVPROB_KIND = "TMTVprob > 0.5"
RESULT_KIND = "the final result of another reader"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TruthOfCase:
    """The truth of one case on the grid of its PET.

    Attributes
    ----------
    tmtvprob : (Z, Y, X) float32 in [0, 1]; where there is none, the mask as 0 and 1.
    references : mask per method. Where only a mask is there, the method inside that mask.
    kind : what it is, as the report says it.
    reference_kinds : the same per method.
    """

    tmtvprob: npt.NDArray[np.float32]
    references: dict[str, Mask]
    kind: str = TMTVPROB_KIND
    reference_kinds: dict[str, str] = field(default_factory=dict)


def read_truth(folder: Path, pet: Image, methods: list[str], config: Config | None = None) -> TruthOfCase:
    """The truth in a case folder (or in `readers/<reader>/` of one) for the methods asked for.

    With TMTVprob, methods without a `reference_<method>.nii.gz` are left out. With a mask only (one of `MASK_NAMES`, or
    the mask of one method), every method without a mask of its own is compared with the same method inside that mask,
    so that both sides share the rule. In a folder of results (of another reader) the final result is the truth.

    Raises
    ------
    CaseError
        No truth, or all four masks of `tmtv prepare` without its TMTVprob; a file on another grid than the PET;
        TMTVprob outside [0, 1].
    ImageError
        The values of a mask are those of no mask.
    """
    if (folder / TMTVPROB_NAME).is_file():
        return _of_rois(folder, pet, methods)
    name = _mask_name(folder)
    if name is None and (folder / RESULT_FILE).is_file():
        return _of_result(folder, pet, methods)
    if name is None:
        raise CaseError(
            f"{folder / TMTVPROB_NAME}: no such file; case {folder.name} has no reader's reference."
        )
    mask = _mask(folder / name, pet)
    references, kinds = {}, {}
    for method in methods:
        own = folder / f"reference_{method}.nii.gz"
        if method == RAW:
            continue
        if own.is_file():
            references[method], kinds[method] = _mask(own, pet), own.name
        else:
            references[method] = segment(mask, pet.array, pet.spacing_mm, method, config) > 0
            kinds[method] = f"{method} inside {name}"
    return TruthOfCase(mask.astype(np.float32), references, name, kinds)


def _mask_name(folder: Path) -> str | None:
    of_methods = [f"reference_{name}.nii.gz" for name in REFERENCE_METHODS]
    there = [name for name in of_methods if (folder / name).is_file()]
    if len(there) == len(of_methods):
        return None  # `tmtv prepare` wrote them, and its TMTVprob is lost
    found = [name for name in MASK_NAMES if (folder / name).is_file()]
    return found[0] if found else there[0] if len(there) == 1 else None


def _of_result(folder: Path, pet: Image, methods: list[str]) -> TruthOfCase:
    """Another reader's result (`tmtv review --blind`), after the edits: the raw mask, and each method's lesions."""
    final = final_folder(folder)
    masks = {
        method: on_grid(final / f"lesions_{method}.nii.gz", pet) > 0
        for method in dict.fromkeys([RAW, *methods])
        if (final / f"lesions_{method}.nii.gz").is_file()
    }
    if RAW not in masks:
        raise CaseError(
            f"{final}: as a reference a result needs the method raw; run tmtv-postprocess with it."
        )
    raw = masks.pop(RAW).astype(np.float32)
    kinds = {method: f"lesions_{method}.nii.gz" for method in masks}
    return TruthOfCase(raw, masks, RESULT_KIND, kinds)


def _of_rois(folder: Path, pet: Image, methods: list[str]) -> TruthOfCase:
    path = folder / TMTVPROB_NAME
    tmtvprob = on_grid(path, pet)
    if not (tmtvprob.min() >= 0 and tmtvprob.max() <= 1):  # NaN fails both
        raise CaseError(f"{path}: its values must lie in [0, 1].")
    known = [method for method in methods if method in REFERENCE_METHODS]
    references = {method: _mask(folder / f"reference_{method}.nii.gz", pet) for method in known}
    kinds = {method: f"reference_{method}.nii.gz" for method in known}
    return TruthOfCase(tmtvprob.astype(np.float32, copy=False), references, TMTVPROB_KIND, kinds)


def reader_names(case: Path) -> list[str]:
    """The readers whose truths a case folder holds, by name."""
    folder = case / READERS
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def roi_labels(folder: Path, pet: Image) -> npt.NDArray[np.integer] | None:
    """The readers' ROIs as one label image (the lowest number where they overlap), or None without `rois.nii.gz`."""
    if not (folder / "rois.nii.gz").is_file():
        return None
    labels, number = on_grid(folder / "rois.nii.gz", pet).astype(np.int32), 2
    while (path := folder / f"rois_{number}.nii.gz").is_file():
        more = on_grid(path, pet)
        index = np.flatnonzero(more > 0)
        here, other = labels.reshape(-1)[index], more.reshape(-1)[index]
        labels.reshape(-1)[index] = np.where((here == 0) | (other < here), other, here)
        number += 1
    return labels


def on_grid(path: Path, pet: Image) -> npt.NDArray:
    """The voxels of an image on the grid of the PET. Raises CaseError on another grid."""
    image = read_image(path)
    if not image.geometry.same_grid(pet.geometry):
        raise CaseError(
            f"{path}: not on the grid of the case's pet.nii.gz: shape {image.geometry.shape} against "
            f"{pet.geometry.shape} (Z, Y, X), spacing {_rounded(image.spacing_mm)} against "
            f"{_rounded(pet.spacing_mm)} mm, origin "
            f"{_rounded(image.geometry.origin_mm)} against {_rounded(pet.geometry.origin_mm)} mm."
        )
    return image.array


def _mask(path: Path, pet: Image) -> Mask:
    """A reader's mask on the grid of the PET, checked as `tmtv-postprocess --mask` does."""
    return as_mask(Image(on_grid(path, pet), pet.geometry), path).array


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
