"""One case under every method: Dice, and each measure, drawn and predicted; readers against each other."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from petct.errors import TmtvError
from petct.image import Geometry
from postprocess import Config
from postprocess.distance import farthest_distance, outermost
from postprocess.methods import parse_method
from postprocess.segmentation import Segmentation
from tmtv_tf.evaluation.overlap import confusion
from tmtv_tf.evaluation.reading import RAW, LoadedCase
from tmtv_tf.evaluation.truths import TMTVPROB_THRESHOLD, read_truth, reader_names

NAN = float("nan")
NETWORK = "network"

Mask = npt.NDArray[np.bool_]


class PatientNumbers(TypedDict):
    """See `patient_numbers`."""

    tlg: float
    dmax_mm: float
    dmax_voxel_mm: float
    dmax_bulk_mm: float
    lesion_count: int


class MethodRow(TypedDict):
    """A row of case_methods.csv, see `method_rows`."""

    case_id: str
    method: str
    dice: float
    jaccard: float
    sensitivity: float
    ppv: float
    tmtv_manual_ml: float
    tmtv_predicted_ml: float
    lesion_count: int
    raw_dice: float
    raw_jaccard: float
    ceiling_dice: float
    ceiling_tmtv_ml: float
    tlg_manual: float
    dmax_mm_manual: float
    dmax_voxel_mm_manual: float
    dmax_bulk_mm_manual: float
    lesion_count_manual: int
    tlg_predicted: float
    dmax_mm_predicted: float
    dmax_voxel_mm_predicted: float
    dmax_bulk_mm_predicted: float
    lesion_count_predicted: int


class ReaderRow(TypedDict):
    """A row of case_readers.csv: two readers, or a reader and the network (`second` is NETWORK)."""

    case_id: str
    method: str
    first: str
    second: str
    dice: float
    tmtv_first_ml: float
    tmtv_second_ml: float


def patient_numbers(
    labels: npt.NDArray[np.integer], suv: npt.NDArray[np.floating], geometry: Geometry
) -> PatientNumbers:
    """TLG, lesion count and the three Dmax of a label image (Z, Y, X); definitions: docs/reference/measures.md.

    No lesion: TLG and count are 0, Dmax NaN. One lesion: `dmax_mm` and `dmax_bulk_mm` are 0.
    """
    index = np.flatnonzero(labels.reshape(-1) != 0)  # of booleans: several times faster than of integers
    if not index.size:
        return {"tlg": 0.0, "dmax_mm": NAN, "dmax_voxel_mm": NAN, "dmax_bulk_mm": NAN, "lesion_count": 0}
    _, label = np.unique(labels.reshape(-1)[index], return_inverse=True)
    place = np.stack(np.unravel_index(index, labels.shape), axis=1)
    count = np.bincount(label)
    centre_mm = np.stack([np.bincount(label, axis) / count for axis in place.T], axis=1) * geometry.spacing_mm
    return {
        "tlg": float(suv.reshape(-1)[index].sum(dtype=np.float64)) * geometry.voxel_ml,
        "dmax_mm": farthest_distance(centre_mm),
        "dmax_voxel_mm": farthest_distance(outermost(place) * geometry.spacing_mm),
        "dmax_bulk_mm": float(np.linalg.norm(centre_mm - centre_mm[count.argmax()], axis=1).max()),
        "lesion_count": int(count.size),
    }


def reference_lesions(
    case: LoadedCase, method: str, reference: Mask, config: Config
) -> npt.NDArray[np.integer]:
    """The reader's lesions under a method: the ROIs for a method of parts (where they are known), else components."""
    if case.roi_labels is not None and method != RAW and parse_method(method, config).per_part:
        inside = case.roi_labels * reference
        if np.array_equal(inside > 0, reference):
            return inside
    box = bounding_box(reference)
    labels = np.zeros(reference.shape, np.int32)
    labels[box] = ndimage.label(reference[box])[0]
    return labels


def method_rows(case: LoadedCase, truth: Mask, config: Config) -> list[MethodRow]:
    """One row per method: Dice and measures of the result, of the raw mask, and of the ceiling.

    `raw` is compared with the truth, every other method with the reader's mask of that method. The ceiling is TMTVprob
    itself sent through the same post-processing: the best that a perfect network could reach.
    """
    perfect = Segmentation(case.tmtvprob, case.pet.array, case.pet.spacing_mm, config)
    voxel_ml, rows = case.pet.geometry.voxel_ml, []
    for method, labels in case.labels.items():
        reference = truth if method == RAW else case.references[method]
        ceiling = perfect.lesions(method).paint() > 0
        counts, raw = confusion(labels > 0, reference), confusion(case.prediction, reference)
        drawn = reference_lesions(case, method, reference, config)
        manual, predicted = (patient_numbers(x, case.pet.array, case.pet.geometry) for x in (drawn, labels))
        row: MethodRow = {
            "case_id": case.case_id,
            "method": method,
            "dice": counts.dice,
            "jaccard": counts.jaccard,
            "sensitivity": counts.sensitivity,
            "ppv": counts.ppv,
            "tmtv_manual_ml": np.count_nonzero(reference) * voxel_ml,
            "tmtv_predicted_ml": np.count_nonzero(labels) * voxel_ml,
            "lesion_count": int(np.unique(labels[labels > 0]).size),
            "raw_dice": raw.dice,
            "raw_jaccard": raw.jaccard,
            "ceiling_dice": confusion(ceiling, reference).dice,
            "ceiling_tmtv_ml": np.count_nonzero(ceiling) * voxel_ml,
            "tlg_manual": manual["tlg"],
            "dmax_mm_manual": manual["dmax_mm"],
            "dmax_voxel_mm_manual": manual["dmax_voxel_mm"],
            "dmax_bulk_mm_manual": manual["dmax_bulk_mm"],
            "lesion_count_manual": manual["lesion_count"],
            "tlg_predicted": predicted["tlg"],
            "dmax_mm_predicted": predicted["dmax_mm"],
            "dmax_voxel_mm_predicted": predicted["dmax_voxel_mm"],
            "dmax_bulk_mm_predicted": predicted["dmax_bulk_mm"],
            "lesion_count_predicted": predicted["lesion_count"],
        }
        rows.append(row)
    return rows


def reader_rows(case: LoadedCase, folder: Path, config: Config) -> tuple[list[ReaderRow], list[str]]:
    """Every pair of readers, and each reader with the network, per method: Dice and both TMTV.

    A reader whose truth cannot be read, or who lacks a method, has no row there.

    Returns
    -------
    rows : one per method and pair
    notes : why a reader is missing
    """
    notes: list[str] = []
    masks: dict[str, dict[str, Mask]] = {}
    for reader in reader_names(folder):
        try:
            truth = read_truth(folder / "readers" / reader, case.pet, list(case.labels), config)
        except TmtvError as error:
            notes.append(f"Reader {reader} left out: {error}")
            continue
        masks[reader] = {RAW: truth.tmtvprob > TMTVPROB_THRESHOLD, **truth.references}
    if not masks:
        return [], notes
    names = sorted(masks)
    masks[NETWORK] = {method: labels > 0 for method, labels in case.labels.items()}
    voxel_ml = case.pet.geometry.voxel_ml
    rows: list[ReaderRow] = []
    for first, second in [*combinations(names, 2), *((name, NETWORK) for name in names)]:
        for method in case.labels:
            if method not in masks[first] or method not in masks[second]:
                continue
            one, two = masks[first][method], masks[second][method]
            rows.append(
                {
                    "case_id": case.case_id,
                    "method": method,
                    "first": first,
                    "second": second,
                    "dice": confusion(one, two).dice,
                    "tmtv_first_ml": np.count_nonzero(one) * voxel_ml,
                    "tmtv_second_ml": np.count_nonzero(two) * voxel_ml,
                }
            )
    return rows, notes
