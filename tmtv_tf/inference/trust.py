"""When not to trust a network: what is unusual about an image, and about the answer that a network gave for it.

Pure functions that return sentences; an image that cannot be a patient is refused. The limits are those of the
packaged networks' training (`tmtv_tf.phantom.worlds`) and of the EANM guideline (Boellaard et al. 2015).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from petct.errors import CaseError
from petct.image import Image
from tmtv_tf.input.grid import BODY_SUV

SMALLEST_BODY_ML = 1000.0
SHORTEST_BODY_MM = 450.0
UPTAKE_MINUTES = (45.0, 120.0)
LIVER_SUV = (1.2, 4.5)
LIVER_ML = (400.0, 3500.0)
NOISIEST = 0.30  # standard deviation of neighbouring voxels in the liver, as a share of its mean
TRAINED_TMTV_ML = 3000.0
HOT_SHARE = 0.2
UNMARKED_SUV, UNMARKED_ML = 4.0, 10.0
BRAIN_ML = (150.0, 2500.0)
BRAIN_SUV, BLADDER_SUV = 4.0, 5.0
HEAD_MM, PELVIS_MM = 230.0, 330.0
FDG = ("fluorodeoxyglucose", "fdg")
LOOK_MM = 5.0  # organs are looked for on about this grid
SMOOTH_MM, TRUNCATE = 6.0, 4.0  # of the Gaussian, which ends at so many of its widths


def check_input(pet: Image, uptake_s: float | None = None, tracer: str | None = None) -> list[str]:
    """What is unusual about a PET (SUVbw) that a network trained on synthetic FDG images is to read.

    Parameters
    ----------
    uptake_s : injection to scan, where known.
    tracer : the tracer as the header names it; None where unknown.

    Raises
    ------
    CaseError
        The image holds almost no body.
    """
    warnings = []
    body = pet.array > BODY_SUV
    volume_ml = float(np.count_nonzero(body)) * pet.geometry.voxel_ml
    if volume_ml < SMALLEST_BODY_ML:
        raise CaseError(
            f"The PET holds {volume_ml:.0f} mL above SUV {BODY_SUV:g}: almost no body. A network cannot read it; check "
            "the SUV, or measure drawn lesions with --mask."
        )
    slices = np.flatnonzero(body.any(axis=(1, 2)))
    height_mm = float(slices[-1] - slices[0] + 1) * pet.spacing_mm[0]
    if height_mm < SHORTEST_BODY_MM:
        warnings.append(
            f"The PET shows {height_mm:.0f} mm of the body; the network learnt from {SHORTEST_BODY_MM:.0f} mm and more."
        )
    if uptake_s is not None and not UPTAKE_MINUTES[0] <= uptake_s / 60 <= UPTAKE_MINUTES[1]:
        warnings.append(
            f"Uptake time {uptake_s / 60:.0f} min: outside {UPTAKE_MINUTES[0]:.0f} to {UPTAKE_MINUTES[1]:.0f} min."
        )
    if tracer is not None and not any(name in tracer.lower() for name in FDG):
        warnings.append(f"The tracer is {tracer}; the network was trained on images of FDG.")
    liver = find_liver(pet)
    if liver is not None:
        mean, noise = liver
        if not LIVER_SUV[0] <= mean <= LIVER_SUV[1]:
            warnings.append(
                f"Liver SUV {mean:.1f}: outside {LIVER_SUV[0]} to {LIVER_SUV[1]}. Check weight, dose and times."
            )
        if noise > NOISIEST:
            warnings.append(
                f"Noise in the liver {100 * noise:.0f} % of its mean: more than the network was trained on."
            )
    return warnings


def check_output(mask: npt.NDArray[np.bool_], pet: Image) -> list[str]:
    """What is unusual about a network's mask (Z, Y, X) on the PET's grid.

    Of an empty mask: how large the largest part above UNMARKED_SUV is that does not seem to be brain or bladder, if it
    is no less than UNMARKED_ML. A heart or a kidney is such a part too, so it is a place to look at and no more.
    """
    warnings = []
    total_ml = float(np.count_nonzero(mask)) * pet.geometry.voxel_ml
    if total_ml > TRAINED_TMTV_ML:
        warnings.append(
            f"The mask holds {total_ml:.0f} mL; the network was trained on at most {TRAINED_TMTV_ML:.0f} mL."
        )
    if total_ml > 0:
        found = tuple(index // n for index, n in zip(np.nonzero(mask), _step(pet)))
        for place, where in always_hot(pet).items():
            share = float(np.count_nonzero(where[found])) * pet.geometry.voxel_ml / total_ml
            if share > HOT_SHARE:
                warnings.append(
                    f"{100 * share:.0f} % of the mask lies where the {place} seems to be: look at it."
                )
    elif (unmarked_ml := _largest_hot_ml(pet)) >= UNMARKED_ML:
        warnings.append(
            f"Nothing is marked, but a part of {unmarked_ml:.0f} mL is above SUV {UNMARKED_SUV:g}, and more may be: "
            "look at the image."
        )
    return warnings


def find_liver(pet: Image) -> tuple[float, float] | None:
    """Mean SUV of the liver and its noise (share of the mean), or None where no organ looks like one.

    The liver is the largest even region of SUV 0.8 to 7 on the patient's right (low x), without its surface.
    """
    coarse, spacing = _coarse(pet)
    sigma = [SMOOTH_MM / s for s in spacing]
    # Nothing counts that is not smoothed to more than BODY_SUV: outside this box there is no such voxel.
    coarse = coarse[bounding_box(coarse > BODY_SUV, margin=[2 * math.ceil(TRUNCATE * s) for s in sigma])]
    if not coarse.size:
        return None
    smooth = ndimage.gaussian_filter(coarse, sigma, truncate=TRUNCATE)
    steep = ndimage.gaussian_gradient_magnitude(coarse, sigma, truncate=TRUNCATE)
    even = (smooth > 0.8) & (smooth < 7) & (steep * np.mean(spacing) < 0.12 * smooth * np.mean(spacing))
    body = np.flatnonzero((smooth > BODY_SUV).any(axis=(0, 1)))
    if not len(body):
        return None
    even[..., (body[0] + body[-1]) // 2 + int(40 / spacing[2]) :] = False
    labels, count = ndimage.label(
        ndimage.binary_erosion(even & (smooth > 1.25 * np.median(smooth[smooth > BODY_SUV])))
    )
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    region = labels == int(np.argmax(sizes))
    if not LIVER_ML[0] * 0.3 <= np.count_nonzero(region) * float(np.prod(spacing)) / 1000 <= LIVER_ML[1]:
        return None
    values = coarse[region]
    mean = float(values.mean())
    return mean, float((values - smooth[region]).std() / mean)


def always_hot(pet: Image) -> dict[str, npt.NDArray[np.bool_]]:
    """Where brain and bladder seem to be: a large hot part at the top, hot parts low in the middle.

    (Z, Y, X) on the coarse grid of `_step`.
    """
    coarse, spacing = _coarse(pet)
    body = np.flatnonzero((coarse > BODY_SUV).any(axis=(1, 2)))
    places = {name: np.zeros(coarse.shape, bool) for name in ("brain", "bladder")}
    if len(body):
        top, bottom = body[-1], body[0]
        voxel_ml = float(np.prod(spacing)) / 1000
        for name, suv in (("brain", BRAIN_SUV), ("bladder", BLADDER_SUV)):
            hot = coarse > suv
            if not hot.any():
                continue
            around = bounding_box(hot)
            labels, _ = ndimage.label(hot[around])
            sizes = np.bincount(labels.ravel()) * voxel_ml
            for number, inner in enumerate(ndimage.find_objects(labels), start=1):
                box = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(around, inner))
                middle = (box[0].start + box[0].stop) / 2
                if name == "brain":
                    fits = (top - middle) * spacing[0] < HEAD_MM and BRAIN_ML[0] <= sizes[number] <= BRAIN_ML[
                        1
                    ]
                else:
                    x = (box[2].start + box[2].stop) / 2 / coarse.shape[2]
                    low = (middle - bottom) * spacing[0] < PELVIS_MM and (top - bottom) * spacing[0] > 600
                    fits = low and 20 <= sizes[number] <= 1200 and 0.42 < x < 0.58
                if fits:
                    places[name][box] |= labels[inner] == number
    return places


def _largest_hot_ml(pet: Image) -> float:
    """The largest part above UNMARKED_SUV that does not seem to be brain or bladder."""
    coarse, spacing = _coarse(pet)
    hot = coarse > UNMARKED_SUV
    for place in always_hot(pet).values():
        hot &= ~place
    labels, _ = ndimage.label(hot)
    return float(np.bincount(labels.ravel())[1:].max(initial=0)) * float(np.prod(spacing)) / 1000


def _step(pet: Image) -> tuple[int, ...]:
    return tuple(max(1, round(LOOK_MM / s)) for s in pet.spacing_mm)


def _coarse(pet: Image) -> tuple[npt.NDArray[np.float32], tuple[float, ...]]:
    """Every n-th voxel along each axis, about LOOK_MM apart, and their distances."""
    z, y, x = _step(pet)
    return pet.array[::z, ::y, ::x].astype(np.float32), tuple(
        s * n for s, n in zip(pet.spacing_mm, (z, y, x))
    )
