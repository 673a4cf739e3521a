"""A simulated reader corrects the packaged network by clicks: `python -m benchmarks.reader RESULTS --cases CASES`.

In the manner of the interactive tracks of autoPET IV and V: the reader knows the reference, and each click mends one of
the errors that are left. RESULTS are of `tmtv run` on phantoms that the network has not seen, CASES of `tmtv prepare`
on the same phantoms (`reference_41.nii.gz` is the reference). Every click is an edit of the review page, by the same
functions; one stroke of the brush is one click. A click that the preview shows to make things worse is not made.

A lesion of the reference is one that was drawn (`rois.nii.gz`), with its voxels in the reference; a lesion of the
result is one row of the page's table. Each click is for the largest error that is left, until TMTV is near enough; then
for the largest lesion that is missed or false, if there is one. An error of which no click mends a fifth comes last:

- a lesion with less than a tenth of its volume in the reference: exclude it; or a box (the lasso of the page) around it
  and other such lesions, with no voxel in it that is rightly found;
- a lesion of the reference that is not found, or found in part: a click on its hottest voxel, or on the hottest that it
  lacks, which fills it up to the threshold; the reader looks at the preview and may change its reach, in the page's
  steps of 10 mm. Where a hotter neighbour catches the click, a stroke;
- all lesions that are found in part: all lesions are chosen and filled up to the threshold (Ctrl+A, Shift+F), false
  ones too, once;
- any other connected part that is too much or too little: one stroke of a ball as large as fits into it, along its
  length where that mends more.

The reader needs as many clicks as it takes until TMTV is within 10 % or 10 mL of the reference; Dice and lesion F1 (a
lesion is found if one voxel is) are given after 0, 1, 2, 3, 5 and 10 clicks of a reader who goes on. Beside it the same
reader starts from nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from petct.errors import TmtvError
from petct.image import Image, read_image
from petct.orientation import to_canonical
from postprocess.regions import label_files
from postprocess.replay import edit_of
from postprocess.requests import Who
from postprocess.results import read_result
from postprocess.segmentation import Segmentation
from tmtv_tf.evaluation.overlap import confusion
from tmtv_tf.review.brush import stroke
from tmtv_tf.review.corrections import Context, correct, read_asked
from tmtv_tf.review.images import CaseImages
from tmtv_tf.review.mip import Projections
from tmtv_tf.review.snapshot import Snapshot
from tmtv_tf.review.worklist import Folders, find_cases

METHOD = "41"
SHOWN = (0, 1, 2, 3, 5, 10)
WITHIN, WITHIN_ML = 0.10, 10.0
REACH_MM = 10.0  # the page's step from one reach of an added region to the next
WORTH = 0.2  # of an error: less than that is no click worth making while there are others
FILL_REACHES_MM = (20.0, 30.0)
NEARLY = 0.8  # of what the best preview mends: of such the reader takes the largest, and cuts no lesion off for little
REACHES = (0.6, 1.0, 1.4)  # of the lesion's own extent from the point clicked
STROKES_TRIED = 4  # a reader mends one of the largest errors
BARELY = 0.1  # a lesion with less of its volume in common with the other side is wrong as a whole
WHO = Who("simulated reader", "2026-01-01T00:00:00Z")


@dataclass(frozen=True)
class Wish:
    """An error and the clicks that may mend it, of which the reader takes the best. size : its voxels.

    whole : a lesion is missed or false
    """

    size: int
    whole: bool
    edits: list[dict[str, Any]] = field(repr=False)


@dataclass
class Reader:
    """A reader at work on one case."""

    pet: Image
    work: Segmentation
    reference: npt.NDArray[np.bool_]
    lesions: Sequence[npt.NDArray[np.int64]]
    now: Snapshot
    may_fill: bool = True

    def numbers(self) -> dict[str, float]:
        """How far the result is."""
        mask = self.mask()
        found = sum(bool(mask.reshape(-1)[lesion].any()) for lesion in self.lesions)
        lesions = self.now.methods[METHOD].lesions
        right = lesions.label[self.reference.reshape(-1)[lesions.index]]
        false = np.setdiff1d(lesions.label, right).size
        return {
            "tmtv_ml": self.now.methods[METHOD].measures.tmtv_ml,
            "reference_ml": float(np.count_nonzero(self.reference)) * self.pet.geometry.voxel_ml,
            "dice": confusion(mask, self.reference).dice,
            "f1": 2 * found / max(found + len(self.lesions) + false, 1),
        }

    def mask(self) -> npt.NDArray[np.bool_]:
        return self.now.methods[METHOD].lesions.paint() > 0

    def click(self) -> bool:
        """Mend the largest error that a click makes smaller; whether there was one."""
        before = self.wrong_voxels(self.now)
        whole_first = is_within(self.numbers())
        slight: list[tuple[int, Snapshot]] = []
        for wish in sorted(self.wishes(), key=lambda wish: (not (whole_first and wish.whole), -wish.size)):
            found = [after for edit in wish.edits if (after := self.tried(edit)) is not None]
            mends = [before - self.wrong_voxels(after) for after in found]
            near = [after for after, n in zip(found, mends) if n >= NEARLY * max(mends)]
            best = max(near, key=lambda after: after.methods[METHOD].measures.tmtv_ml, default=self.now)
            mended = before - self.wrong_voxels(best)
            if mended >= WORTH * wish.size:
                self.now = best
                self.may_fill = self.may_fill and wish.edits[0]["kind"] != "fill"
                return True
            slight.append((mended, best))
        mended, best = max(slight, key=lambda one: one[0], default=(0, self.now))
        self.now = best if mended > 0 else self.now
        return mended > 0

    def filled(self, limit_mm: float) -> Snapshot:
        """Every lesion is chosen and filled; one that is full stays. What is added keeps a number of its own here."""
        one = self
        for row in self.now.methods[METHOD].rows.values():
            click = {"kind": "add_point", "point_mm": list(row.hottest_mm), "limit_mm": limit_mm}
            one = replace(one, now=one.tried(click) or one.now)
        return one.now

    def tried(self, edit: dict[str, Any]) -> Snapshot | None:
        """What a preview shows; None where the page refuses."""
        try:
            return self.after(edit)
        except TmtvError:
            return None

    def after(self, edit: dict[str, Any]) -> Snapshot:
        """What the page would show after an edit."""
        if edit["kind"] == "fill":
            return self.filled(edit["limit_mm"])
        geometry = self.pet.geometry
        case = Context(METHOD, self.now.states, self.work, geometry, lambda: Projections(self.pet))
        made = correct(read_asked(edit), WHO, case)
        change, said = edit_of(made.entry, Path(), self.work, geometry, made.regions)  # type: ignore[arg-type]
        return self.now.after(change, said)

    def wrong_voxels(self, snapshot: Snapshot) -> int:
        return int(np.count_nonzero((snapshot.methods[METHOD].lesions.paint() > 0) != self.reference))

    def wishes(self) -> list[Wish]:
        """One for each error that is left."""
        kinds = (self.false_regions, self.false_lesions, self.lacking_lesions, self.fill_all, self.strokes)
        return [wish for kind in kinds for wish in kind()]

    def fill_all(self) -> Iterator[Wish]:
        mask = self.mask().reshape(-1)
        lacks = [int(np.count_nonzero(~mask[lesion])) for lesion in self.lesions if mask[lesion].any()]
        if self.may_fill and sum(n > 0 for n in lacks) > 1:
            yield Wish(sum(lacks), False, [{"kind": "fill", "limit_mm": reach} for reach in FILL_REACHES_MM])

    def false_lesions(self) -> Iterator[Wish]:
        lesions = self.now.methods[METHOD].lesions
        size = np.bincount(lesions.label)
        right = np.bincount(lesions.label[self.reference.reshape(-1)[lesions.index]], minlength=size.size)
        for label in np.flatnonzero((size > 0) & (right < BARELY * size)):
            yield Wish(int(size[label]), True, [{"kind": "exclude_lesion", "label": int(label)}])

    def false_regions(self) -> Iterator[Wish]:
        """Boxes that grow from each false lesion over the next ones, while nothing that is right is in them."""
        lesions = self.now.methods[METHOD].lesions
        place = self.pet.geometry.to_world(np.stack(np.unravel_index(lesions.index, lesions.shape), axis=1))
        right = place[self.reference.reshape(-1)[lesions.index]]
        false = [wish.edits[0]["label"] for wish in self.false_lesions()]
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
                yield Wish(int(sum(size[n] for n in held)), True, [{"kind": "exclude_region", "box_mm": box}])

    def lacking_lesions(self) -> Iterator[Wish]:
        """For each lesion of the reference that lacks voxels, the clicks that may fill it up."""
        mask = self.mask().reshape(-1)
        for lesion in self.lesions:
            lacks = lesion[~mask[lesion]]
            if lacks.size:
                edits = [
                    *self.fills(lesion, lesion),
                    *self.fills(lesion, lacks),
                    self.best_stroke(True, lacks),
                ]
                yield Wish(lacks.size, lacks.size > (1 - BARELY) * lesion.size, edits)

    def fills(self, lesion: npt.NDArray[np.int64], among: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """Clicks on the hottest voxel `among` some, with the reaches that are near the extent of the lesion."""
        at = self.places(among)[int(self.pet.array.reshape(-1)[among].argmax())]
        far_mm = float(np.linalg.norm((self.places(lesion) - at) * self.pet.spacing_mm, axis=1).max())
        for reach in sorted({max(1, math.ceil(share * far_mm / REACH_MM)) for share in REACHES}):
            point_mm = self.pet.geometry.to_world(at)[0].tolist()
            yield {"kind": "add_point", "point_mm": point_mm, "limit_mm": min(reach * REACH_MM, 300.0)}

    def strokes(self) -> Iterator[Wish]:
        mask = self.mask()
        errors = [
            (add, np.ravel_multi_index(tuple(np.argwhere(part).T + [[p.start] for p in place]), mask.shape))
            for add, error in ((True, self.reference & ~mask), (False, mask & ~self.reference))
            for place, part in components(error)
        ]
        for add, voxels in sorted(errors, key=lambda error: -error[1].size)[:STROKES_TRIED]:
            best = self.best_stroke(add, voxels)
            yield Wish(self.mended(best), False, [best])

    def best_stroke(self, add: bool, voxels: npt.NDArray[np.int64]) -> dict[str, Any]:
        """A ball as large as fits into some voxels, or a line along them."""
        places = self.places(voxels)
        low = places.min(axis=0)
        part = np.zeros(places.max(axis=0) - low + 3, bool)
        part[tuple((places - low + 1).T)] = True
        depth = ndimage.distance_transform_edt(part, self.pet.spacing_mm)
        radius_mm = min(max(float(depth.max()), 1.0), 100.0)
        deep = np.argwhere(depth >= 0.7 * depth.max())
        ball = {"kind": "brush", "add": add, "radius_mm": radius_mm}
        at = np.argwhere(depth == depth.max())[:1]
        along_mm = (deep - deep.mean(axis=0)) * self.pet.spacing_mm
        along = along_mm @ np.linalg.svd(along_mm, full_matrices=False)[2][0]
        line = deep[np.argsort(along)[:: max(1, len(deep) // 6)]]
        strokes = [
            {**ball, "points_mm": self.pet.geometry.to_world(points + low - 1).tolist(), "radius_mm": radius}
            for points, radius in ((line, 0.7 * radius_mm), (at, radius_mm))
        ]
        return max(strokes, key=self.mended)

    def places(self, voxels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.stack(np.unravel_index(voxels, self.pet.array.shape), axis=1)

    def mended(self, edit: dict[str, Any]) -> int:
        """How many voxels a stroke puts right, less those that it spoils."""
        covered = stroke(self.pet.geometry, edit["points_mm"], edit["radius_mm"])
        right = self.reference.reshape(-1)[covered] == edit["add"]
        mends = right & (self.mask().reshape(-1)[covered] != edit["add"])
        return int(np.count_nonzero(mends)) - int(np.count_nonzero(~right))


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


def read_case(
    folders: Folders, case_id: str
) -> tuple[CaseImages, npt.NDArray[np.bool_], list[npt.NDArray[np.int64]]]:
    """The images of a result, the reference on their axes, and its lesions as flat indices."""
    result = read_result(folders.results / case_id)
    if result is None or folders.cases is None:
        raise SystemExit(f"{folders.results / case_id}: not a whole result.")
    case = folders.cases / case_id
    reference = to_canonical(read_image(case / f"reference_{METHOD}.nii.gz")).array > 0
    lesions = []
    for path in label_files(case / "rois.nii.gz"):
        drawn = np.where(reference, to_canonical(read_image(path)).array, 0).reshape(-1)
        lesions += [np.flatnonzero(drawn == label) for label in np.unique(drawn) if label]
    return CaseImages(case_id, folders, result), reference, lesions


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


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Clicks of each case until TMTV is near enough and F1 >= 0.9, the fewest on the left."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    never = SHOWN[-1] + 1
    for (name, cases), marker, color in zip(found.items(), "os", ("#0072b2", "#d55e00")):
        clicks = sorted(never if case["clicks_and_f1"] is None else case["clicks_and_f1"] for case in cases)
        label = f"{name}: median {statistics.median(clicks):g}"
        axes.plot(range(1, len(clicks) + 1), clicks, marker, ms=8, mfc="none", color=color, label=label)
    axes.set_title("TMTV within 10 % or 10 mL, and F1 of the lesions >= 0.9", fontsize="medium")
    axes.axhline(5, color="0.6", linewidth=1)
    axes.set(xlabel="phantom, the easiest first", ylabel="clicks until both are reached")
    axes.set_yticks(range(never + 1), [*map(str, range(never)), "more"])
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Correct every case and print what was reached, as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--picture", type=Path, help="where to draw the clicks of each case")
    asked = parser.parse_args()
    folders = Folders(asked.results, asked.cases)
    found: dict[str, list[dict[str, Any]]] = {"from the network": [], "from nothing": []}
    for case_id in find_cases(folders):
        images, reference, lesions = read_case(folders, case_id)
        pet, work = images.pet, images.work
        nothing = Segmentation(np.zeros(pet.array.shape, bool), pet.array, pet.spacing_mm, images.config)
        for name, start in (("from the network", work), ("from nothing", nothing)):
            automatic = Snapshot.automatic(start, pet.geometry, [METHOD])
            found[name].append(correct_case(Reader(pet, start, reference, lesions, automatic)))
            print(case_id, name, found[name][-1]["clicks"], found[name][-1]["clicks_and_f1"], flush=True)
        images.pool.shutdown()
    print(json.dumps({name: summary(cases) for name, cases in found.items()}, indent=2))
    if asked.picture is not None:
        draw(found, asked.picture)


if __name__ == "__main__":
    main()
