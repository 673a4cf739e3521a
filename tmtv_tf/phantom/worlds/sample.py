"""One image of a world: PET, CT and TMTVprob on cubes of 4 mm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.errors import ParameterError
from petct.rois.roi import Roi
from tmtv_tf.cases.truth import tmtv_probability
from tmtv_tf.phantom.worlds import posture, scan, uptake
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy, Field
from tmtv_tf.phantom.worlds.lesions import draw_seeds, paint_lesions
from tmtv_tf.phantom.worlds.tissues import Tissue as T

WORLDS = ("painter", "male", "female", "primitives")
AVOIDED_SUV = 2.4  # a reader keeps an outline off normal tissue hotter than this
PHYSIOLOGICAL = (T.BRAIN, T.CEREBELLUM, T.MYOCARDIUM, T.BLOOD, T.KIDNEY, T.URINE, T.BLADDER)


@dataclass(frozen=True)
class Sample:
    """Arrays (Z, Y, X) on cubes of VOXEL_MM, z to the head, y to the back, x to the left.

    Attributes
    ----------
    suv, hu : float32.
    tmtvprob : float32 in {0, 0.25, 0.5, 0.75, 1}.
    lesions : uint8, number of the lesion, 0 elsewhere.
    hot : bool, where brain, heart, kidneys or bladder are and no lesion; all False where the world does not say.
    """

    suv: Field
    hu: Field
    tmtvprob: Field
    lesions: npt.NDArray[np.uint8]
    hot: npt.NDArray[np.bool_]


def make_sample(world: str, seed: Sequence[int], anatomies: Path | None = None) -> Sample:
    """Draw one image; the same arguments give the same image.

    Parameters
    ----------
    world : one of WORLDS: "painter" is `tmtv phantom`'s, "male" and "female" the segmented adults, "primitives" random.
    anatomies : folder of the label maps, for "male" and "female".

    Raises
    ------
    ParameterError
        An unknown world, or one of a segmented adult without `anatomies`.
    """
    if world not in WORLDS:
        raise ParameterError(f"The world must be one of {', '.join(WORLDS)}. Received: {world!r}.")
    rng = np.random.default_rng([*seed, WORLDS.index(world)])
    if world == "painter":
        from tmtv_tf.phantom.worlds.painter import painted

        return painted(rng)
    if world == "primitives":
        from tmtv_tf.phantom.worlds.primitives import random_adult

        anatomy = random_adult(rng)
    else:
        if anatomies is None:
            raise ParameterError(f"The world {world!r} needs the folder of the label maps (--anatomies).")
        from tmtv_tf.phantom.worlds.segmented import segmented_adult

        anatomy = segmented_adult(Path(anatomies), world)
    return image_of(anatomy, rng)


def image_of(anatomy: Anatomy, rng: np.random.Generator) -> Sample:
    """Dress, deform, paint, add lesions, scan, outline."""
    width = float(rng.choice([0.7, 1.0, 1.3]))
    labels, arms = posture.dress(anatomy, rng)
    suv, hu = uptake.paint(labels, anatomy, arms, rng, width)
    pull_back, (low, high) = posture.draw_map(anatomy, labels, rng, width)
    low, shape = _field_of_view(pull_back, anatomy, labels, low, high, rng)
    places = posture.coordinates(pull_back, low, shape)
    labels = posture.gather(labels, places, T.AIR)
    suv, hu = posture.gather(suv, places, 0.0), posture.gather(hu, places, -1000.0)
    scanner = scan.draw_scanner(rng)
    diaphragm = _diaphragm(labels)
    normal = scan.blurred(suv, scanner, diaphragm)
    numbers = paint_lesions(suv, hu, labels, draw_seeds(anatomy, labels, places, rng), rng)
    pet = scan.noisy(scan.blurred(suv, scanner, diaphragm), scanner, rng)
    truth = tmtv_probability(pet, outlines(numbers, normal, rng))
    hot = np.isin(labels, PHYSIOLOGICAL) & (numbers == 0)
    return Sample(pet, scan.ct_image(hu, rng).astype(np.float32), truth, numbers, hot)


def outlines(numbers: npt.NDArray[np.uint8], normal: Field, rng: np.random.Generator) -> list[Roi]:
    """A reader's generous region around each lesion, kept off other lesions and hot organs."""
    rois = []
    for number, found in enumerate(ndimage.find_objects(numbers), start=1):
        if found is None:
            continue
        margin_mm = float(rng.uniform(5, 11))
        pad = int(np.ceil(margin_mm / VOXEL_MM)) + 1
        box = tuple(slice(max(s.start - pad, 0), s.stop + pad) for s in found)
        own = numbers[box] == number
        near = ndimage.distance_transform_edt(~own) * VOXEL_MM <= margin_mm
        region = own | (near & (numbers[box] == 0) & (normal[box] <= AVOIDED_SUV))
        rois.append(Roi.from_mask(f"lesion {number}", region, tuple(s.start for s in box)))
    return rois


def _diaphragm(labels) -> float | None:
    rows = np.flatnonzero((labels == T.LIVER).any(axis=(1, 2)))
    return float(rows.max()) if len(rows) else None


def _field_of_view(pull_back: Callable, anatomy: Anatomy, labels, low, high, rng):
    """First voxel (mm) and shape of the scan: the body, cut above and below as scans are."""
    step = 4
    shape = np.ceil((high - low) / VOXEL_MM / step).astype(int)
    axes = [lo + np.arange(n) * VOXEL_MM * step for lo, n in zip(low, shape)]
    places = pull_back(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    body = posture.gather(labels, np.moveaxis(places, -1, 0).astype(np.float32), 0) > 0
    first, last = (
        np.array([f(np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {k})))) for k in range(3)])
        for f in (np.min, np.max)
    )
    bottom, top = axes[0][first[0]], axes[0][last[0]]
    height = places[..., 0][:, shape[1] // 2, shape[2] // 2]  # of the anatomy, at each slice

    def at(z_mm: float) -> float:
        return float(np.interp(z_mm, height, axes[0]))

    head = float(anatomy.neck[0])
    kind = rng.random()
    if kind < 0.45:
        top = min(top, at(head + rng.uniform(30, 150)))  # from the chin to the middle of the brain
    elif kind < 0.75:
        top = min(top, at(head + 230) + rng.uniform(0, 40))
    hips = head - 640 * (anatomy.trunk_mm[0] / 180) ** 0.3
    if rng.random() < 0.65:
        bottom = max(bottom, at(hips + rng.uniform(-200, 10)))
    margin = rng.uniform(4, 30, 2)
    lo = np.array([bottom, axes[1][first[1]] - margin[0], axes[2][first[2]] - margin[1]])
    hi = np.array([max(top, bottom + 500), axes[1][last[1]] + margin[0], axes[2][last[2]] + margin[1]])
    widest = rng.uniform(480, 700)
    middle = (lo[2] + hi[2]) / 2
    lo[2], hi[2] = max(lo[2], middle - widest / 2), min(hi[2], middle + widest / 2)
    return lo, tuple(int(n) for n in np.ceil((hi - lo) / VOXEL_MM))
