"""A simulated reader corrects the packaged network by clicks: `python -m benchmarks.reader RESULTS --cases CASES`.

In the manner of the interactive tracks of autoPET IV and V: the reader knows the reference, and each click mends one of
the errors that are left. RESULTS are of `tmtv run` on phantoms that the network has not seen, CASES of `tmtv prepare`
on the same phantoms (`reference_41.nii.gz` is the reference). Every click is an edit of the review page, by the same
functions; one stroke of the brush is one click. A click that the preview shows to make things worse is not made.

Whole lesions come first, the largest error first, then their outlines:

- a lesion with less than a tenth of its volume in the reference: exclude it; or a box (the lasso of the page) around it
  and other such lesions, with no voxel in it that is rightly found;
- a lesion of the reference with less than a tenth of its volume found: a click on its hottest voxel;
- a lesion of the reference that is found in part: the same click, which fills it up to the threshold;
- any other connected part that is too much or too little: one stroke of a ball as large as fits into it, along its
  length where that mends more.

The reader needs as many clicks as it takes until TMTV is within 10 % or 10 mL of the reference; Dice and lesion F1 (a
lesion is found if one voxel is) are given after 0, 1, 2, 3, 5 and 10 clicks of a reader who goes on. Beside it the same
reader starts from nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.errors import TmtvError
from petct.image import Image, read_image
from petct.orientation import to_canonical
from postprocess.replay import edit_of
from postprocess.requests import Who
from postprocess.results import read_result
from postprocess.seeds import SEED_LIMIT_MM
from postprocess.segmentation import Segmentation
from tmtv_tf.evaluation.detection import unmatched_components
from tmtv_tf.evaluation.overlap import bounding_box, confusion
from tmtv_tf.review.brush import stroke
from tmtv_tf.review.corrections import Context, correct, read_asked
from tmtv_tf.review.images import CaseImages
from tmtv_tf.review.mip import Projections
from tmtv_tf.review.snapshot import Snapshot
from tmtv_tf.review.worklist import Folders, find_cases

METHOD = "41"
SHOWN = (0, 1, 2, 3, 5, 10)
WITHIN, WITHIN_ML = 0.10, 10.0
GROWN_MM = 5.0
STROKES_TRIED = 4  # a reader mends one of the largest errors
BARELY = 0.1  # a lesion with less of its volume in common with the other side is wrong as a whole
WHO = Who("simulated reader", "2026-01-01T00:00:00Z")


@dataclass
class Reader:
    """A reader at work on one case."""

    pet: Image
    work: Segmentation
    reference: npt.NDArray[np.bool_]
    now: Snapshot

    def numbers(self) -> dict[str, float]:
        """How far the result is."""
        mask = self.mask()
        geometry = self.pet.geometry
        missed, real = unmatched_components(self.reference, mask, self.pet.array, geometry)
        false, _ = unmatched_components(mask, self.reference, self.pet.array, geometry)
        found = real - len(missed)
        return {
            "tmtv_ml": self.now.methods[METHOD].measures.tmtv_ml,
            "reference_ml": float(np.count_nonzero(self.reference)) * geometry.voxel_ml,
            "dice": confusion(mask, self.reference).dice,
            "f1": 2 * found / max(2 * found + len(false) + len(missed), 1),
        }

    def mask(self) -> npt.NDArray[np.bool_]:
        return self.now.methods[METHOD].lesions.paint() > 0

    def click(self) -> bool:
        """Mend the largest error that a click makes smaller; whether there was one."""
        before = self.wrong_voxels(self.now)
        for edit in self.wishes():
            try:
                after = self.after(edit)
            except TmtvError:  # the page would refuse it
                continue
            if self.wrong_voxels(after) < before:
                self.now = after
                return True
        return False

    def after(self, edit: dict[str, Any]) -> Snapshot:
        """What the page would show after an edit."""
        geometry = self.pet.geometry
        case = Context(METHOD, self.now.states, self.work, geometry, lambda: Projections(self.pet))
        made = correct(read_asked(edit), WHO, case)
        change, said = edit_of(made.entry, Path(), self.work, geometry, made.regions)  # type: ignore[arg-type]
        return self.now.after(change, said)

    def wrong_voxels(self, snapshot: Snapshot) -> int:
        return int(np.count_nonzero((snapshot.methods[METHOD].lesions.paint() > 0) != self.reference))

    def wishes(self) -> Iterator[dict[str, Any]]:
        """Edits in the order in which a reader would try them."""
        for kinds in (
            (self.false_regions, self.false_lesions, self.missed_lesions),
            (self.small_lesions, self.strokes),
        ):
            wishes = [wish for kind in kinds for wish in kind()]
            yield from (edit for _, edit in sorted(wishes, key=lambda wish: -wish[0]))

    def false_lesions(self) -> Iterator[tuple[int, dict[str, Any]]]:
        lesions = self.now.methods[METHOD].lesions
        size = np.bincount(lesions.label)
        right = np.bincount(lesions.label[self.reference.reshape(-1)[lesions.index]], minlength=size.size)
        for label in np.flatnonzero((size > 0) & (right < BARELY * size)):
            yield int(size[label]), {"kind": "exclude_lesion", "label": int(label)}

    def false_regions(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Boxes that grow from each false lesion over the next ones, while nothing that is right is in them."""
        lesions = self.now.methods[METHOD].lesions
        place = self.pet.geometry.to_world(np.stack(np.unravel_index(lesions.index, lesions.shape), axis=1))
        right = place[self.reference.reshape(-1)[lesions.index]]
        false = [edit["label"] for _, edit in self.false_lesions()]
        corners = {n: (p.min(axis=0), p.max(axis=0)) for n in false if len(p := place[lesions.label == n])}
        size = np.bincount(lesions.label)
        for start in false:
            low, high, held = *corners[start], {start}
            for other in sorted(
                false, key=lambda n: float(np.linalg.norm(corners[n][0] - corners[start][0]))
            ):
                wider = np.minimum(low, corners[other][0]), np.maximum(high, corners[other][1])
                if not ((right >= wider[0]) & (right <= wider[1])).all(axis=1).any():
                    low, high, held = *wider, held | {other}
            if len(held) > 1:
                box = {"lo": (low - 0.1).tolist(), "hi": (high + 0.1).tolist()}
                yield int(sum(size[n] for n in held)), {"kind": "exclude_region", "box_mm": box}

    def missed_lesions(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Clicks on lesions that are not found."""
        return ((size, edit) for size, share, edit in self.clicks_on_lesions() if share < BARELY)

    def small_lesions(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Clicks on lesions that are found in part: the threshold fills up the rest."""
        return ((size, edit) for size, share, edit in self.clicks_on_lesions() if BARELY <= share < 1)

    def clicks_on_lesions(self) -> Iterator[tuple[int, float, dict[str, Any]]]:
        """For each lesion of the reference the voxels it lacks, the share it has, and a click on its hottest voxel.

        The region may grow as far as the lesion reaches: the reader drags it so.
        """
        mask = self.mask()
        for place, part in components(self.reference):
            share = np.count_nonzero(mask[place] & part) / np.count_nonzero(part)
            at = np.unravel_index(int(np.where(part, self.pet.array[place], -np.inf).argmax()), part.shape)
            far_mm = np.linalg.norm((np.argwhere(part) - at) * self.pet.spacing_mm, axis=1).max()
            limit_mm = float(np.clip(far_mm + GROWN_MM, SEED_LIMIT_MM, 300.0))
            edit = {"kind": "add_point", "point_mm": self.world(place, at), "limit_mm": limit_mm}
            yield int(np.count_nonzero(part & ~mask[place])), share, edit

    def strokes(self) -> Iterator[tuple[int, dict[str, Any]]]:
        mask = self.mask()
        errors = [
            (int(part.sum()), add, place, part)
            for add, error in ((True, self.reference & ~mask), (False, mask & ~self.reference))
            for place, part in components(error)
        ]
        for size, add, place, part in sorted(errors, key=lambda error: -error[0])[:STROKES_TRIED]:
            depth = ndimage.distance_transform_edt(np.pad(part, 1), self.pet.spacing_mm)[1:-1, 1:-1, 1:-1]
            at = np.unravel_index(int(depth.argmax()), depth.shape)
            radius_mm = min(max(float(depth.max()), 1.0), 100.0)
            ball = {
                "kind": "brush",
                "add": add,
                "radius_mm": radius_mm,
                "points_mm": [self.world(place, at)],
            }
            deep = np.argwhere(depth >= 0.7 * depth.max()) * self.pet.spacing_mm
            along = (deep - deep.mean(axis=0)) @ np.linalg.svd(deep - deep.mean(axis=0))[2][0]
            order = np.argsort(along)[:: max(1, len(deep) // 6)]
            path = [self.world(place, deep[n] / self.pet.spacing_mm) for n in order]
            line = {**ball, "points_mm": path, "radius_mm": 0.7 * radius_mm}
            yield size, max(line, ball, key=self.mended)

    def mended(self, edit: dict[str, Any]) -> int:
        """How many voxels a stroke puts right, less those that it spoils."""
        covered = stroke(self.pet.geometry, edit["points_mm"], edit["radius_mm"])
        wrong = (self.mask() != self.reference) & (self.reference == edit["add"])
        return int(np.count_nonzero(covered & wrong)) - int(
            np.count_nonzero(covered & (self.reference != edit["add"]))
        )

    def world(self, place: tuple[slice, ...], at: Any) -> list[float]:
        index = [part.start + round(float(k)) for part, k in zip(place, at)]
        return self.pet.geometry.to_world(index)[0].tolist()


def components(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[tuple[slice, ...], npt.NDArray[np.bool_]]]:
    """The boxes of the connected parts of a mask, and each part in its box."""
    if not mask.any():
        return
    outer = bounding_box(mask)
    labels, _ = ndimage.label(mask[outer])
    for n, box in enumerate(ndimage.find_objects(labels), start=1):
        place = tuple(slice(o.start + b.start, o.start + b.stop) for o, b in zip(outer, box))
        yield place, labels[box] == n


def is_within(numbers: dict[str, float]) -> bool:
    """Whether TMTV is within 10 % or 10 mL of the reference."""
    off_ml = abs(numbers["tmtv_ml"] - numbers["reference_ml"])
    return off_ml <= max(WITHIN * numbers["reference_ml"], WITHIN_ML)


def correct_case(reader: Reader) -> dict[str, Any]:
    """What a reader reaches after each click."""
    steps = [reader.numbers()]
    for _ in range(SHOWN[-1]):
        if not reader.click():
            break
        steps.append(reader.numbers())
    enough = [n for n, numbers in enumerate(steps) if is_within(numbers)]
    good = [n for n in enough if steps[n]["f1"] >= 0.9]
    return {
        "clicks": enough[0] if enough else None,
        "clicks_and_f1": good[0] if good else None,
        "made": len(steps) - 1,
        "steps": {n: steps[min(n, len(steps) - 1)] for n in SHOWN},
    }


def read_case(folders: Folders, case_id: str) -> tuple[CaseImages, npt.NDArray[np.bool_]]:
    """The images of a result, and the reference on their axes."""
    result = read_result(folders.results / case_id)
    if result is None or folders.cases is None:
        raise SystemExit(f"{folders.results / case_id}: not a whole result.")
    reference = to_canonical(read_image(folders.cases / case_id / f"reference_{METHOD}.nii.gz"))
    return CaseImages(case_id, folders, result), reference.array > 0


def summary(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over cases; a case that never gets there counts as one click more than were made."""
    never = SHOWN[-1] + 1

    def median(key: str) -> float:
        return statistics.median(never if case[key] is None else case[key] for case in cases)

    return {
        "cases": len(cases),
        "median_clicks": median("clicks"),
        "median_clicks_and_f1": median("clicks_and_f1"),
        "not_reached": sum(case["clicks"] is None for case in cases),
        "after_clicks": {
            n: {
                "median_dice": round(statistics.median(case["steps"][n]["dice"] for case in cases), 3),
                "median_f1": round(statistics.median(case["steps"][n]["f1"] for case in cases), 3),
                "within": sum(is_within(case["steps"][n]) for case in cases),
            }
            for n in SHOWN
        },
    }


def main() -> None:
    """Correct every case and print what was reached, as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--cases", type=Path, required=True)
    asked = parser.parse_args()
    folders = Folders(asked.results, asked.cases)
    found: dict[str, list[dict[str, Any]]] = {"from the network": [], "from nothing": []}
    for case_id in find_cases(folders):
        images, reference = read_case(folders, case_id)
        pet, work = images.pet, images.work
        nothing = Segmentation(np.zeros(pet.array.shape, bool), pet.array, pet.spacing_mm, images.config)
        for name, start in (("from the network", work), ("from nothing", nothing)):
            automatic = Snapshot.automatic(start, pet.geometry, [METHOD])
            found[name].append(correct_case(Reader(pet, start, reference, automatic)))
            print(case_id, name, found[name][-1]["clicks"], found[name][-1]["clicks_and_f1"], flush=True)
        images.pool.shutdown()
    print(json.dumps({name: summary(cases) for name, cases in found.items()}, indent=2))


if __name__ == "__main__":
    main()
