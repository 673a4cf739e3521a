"""Several readers' ROIs of one PET to one reference: what more than half of them drew, the mean of their TMTVprob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError
from petct.ids import check_distinct, check_id
from petct.rois import Roi, RoiTarget
from petct.rois.lookup import RoiFile
from tmtv_tf.cases.case import READERS_NAME
from tmtv_tf.cases.reference import Reference, broken_rules, read_reference, save_reference, write_masks
from tmtv_tf.cases.truth import METHODS, make_truth

if TYPE_CHECKING:
    from tmtv_tf.cases.prepare import Settings

CONSENSUS = (
    "rois.csv and rois.nii.gz are the connected parts of what more than half of the readers outlined; each reader's "
    "own ROIs are in readers/."
)


def group_by_reader(root: Path, files: Sequence[RoiFile]) -> dict[str, list[RoiFile]]:
    """Reader -> files, the reader being the first folder below `root`.

    Raises
    ------
    CaseError
        A file directly in `root`, a folder whose name cannot be a reader's, or no file.
    """
    groups: dict[str, list[RoiFile]] = {}
    for file in files:
        reader, *rest = file.path.relative_to(root).parts
        if not rest:
            raise CaseError(
                f"{file.path}: with --readers each file lies in the folder of its reader, --rois/READER/...; this one "
                "lies beside them."
            )
        # The reader's folder says nothing of the patient: a reader called like a patient must not get all files.
        names = file.names[:1] + file.names[2:] if file.names else ()
        groups.setdefault(check_id(reader, str(root), "reader"), []).append(replace(file, names=names))
    if not groups:
        raise CaseError(f"{root}: no file with ROIs in any reader's folder.")
    check_distinct(groups, str(root), "reader")
    return groups


def majority(count: npt.NDArray[np.integer], readers: int) -> npt.NDArray[np.bool_]:
    """Where more than half of the readers agree: 2 of 3 yes, 2 of 4 no.

    Examples
    --------
    >>> majority(np.array([0, 1, 2, 3, 4]), 4).tolist()
    [False, False, False, True, True]
    """
    return 2 * count > readers


def write_readers(
    folder: Path, files: Mapping[str, Sequence[Path]], target: RoiTarget, settings: Settings
) -> tuple[dict[str, Any], list[str]]:
    """Write each reader's reference into `folder/readers/<reader>/`, and that of all of them into `folder`.

    Outlines and masks: a voxel is in it if more than half of these readers have it. TMTVprob: the mean of theirs.

    Returns
    -------
    dict
        For case.json, as of one reader (`save_reference`), of the connected parts of the common outlines; `readers`
        holds the same of each reader.
    list of str
        Warnings; those of a reader begin with his name.

    Raises
    ------
    TmtvError
        As `read_reference`, for any reader.
    """
    pet, shape = target.pet, target.pet.array.shape
    outlined, quarters = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    votes = {method: np.zeros(shape, np.uint8) for method in METHODS}
    infos: dict[str, Any] = {}
    warnings: list[str] = []
    for reader, paths in files.items():
        reference = read_reference(paths, target, settings)
        infos[reader] = save_reference(folder / READERS_NAME / reader, reference, pet, settings)
        warnings += [f"Reader {reader}: {text}" for text in reference.warnings]
        outlined += reference.outlines()
        for method, count in votes.items():
            mask = reference.truth.mask(method)
            count += mask
            quarters += mask
    common = majority(outlined, len(files))
    parts = Roi.from_mask("", common).components()
    truth = make_truth(pet.array, parts, pet.geometry.voxel_ml)
    consensus = Reference(parts, truth, sum(len(p) for p in files.values()), broken_rules(truth.rows), [])
    info = save_reference(folder, consensus, pet, replace(settings, roi_components=True))
    masks = {method: majority(count, len(files)) for method, count in votes.items()}
    tmtvprob = (quarters / np.float32(len(METHODS) * len(files))).astype(np.float32)
    info["tmtv_ml"] = write_masks(folder, masks, tmtvprob, common, pet)
    return info | {"readers": infos}, [*warnings, CONSENSUS]
