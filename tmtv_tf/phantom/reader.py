"""Synthetic readers: generous outlines around the lesions, kept off hot organs, as polygons on PET slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

from petct.image import Geometry
from tmtv_tf.phantom.canvas import Array

# Normal tissue hotter than this after blurring is cut out of an outline, as a reader would.
AVOIDED_SUV = 2.4
SPLIT_ABOVE_ML = 250.0  # a mass larger than this is outlined in two overlapping pieces


# A small lesion is one that a hurried reader may overlook.
SMALL_ML = 3.0


@dataclass(frozen=True)
class Habit:
    """How one reader draws, the same in every patient.

    Attributes
    ----------
    margin_mm : how much wider than usual the outlines are
    avoided_suv : normal tissue hotter than this is kept out of an outline
    overlooked : share of the small lesions (SMALL_ML) that have no outline
    """

    margin_mm: float = 0.0
    avoided_suv: float = AVOIDED_SUV
    overlooked: float = 0.0


def draw_habit(rng: np.random.Generator) -> Habit:
    """A reader who differs from others as trained readers do: by millimetres, by what is let in, by what is missed."""
    return Habit(
        margin_mm=float(np.clip(rng.normal(0, 1.5), -3, 3)),
        avoided_suv=float(rng.uniform(2.0, 3.2)),
        overlooked=float(rng.uniform(0.05, 0.25)),
    )


@dataclass(frozen=True)
class Outline:
    """One reader ROI: closed axial polygons. `contours` are (slice index, (N, 2) x and y in array indices)."""

    name: str
    contours: list[tuple[int, npt.NDArray[np.float64]]]


def draw_outlines(
    labels: npt.NDArray[np.uint8],
    normal_suv: Array,
    geometry: Geometry,
    rng: np.random.Generator,
    habit: Habit = Habit(),
) -> list[Outline]:
    """One outline per lesion, two for a very large one; a patient's largest lesion is never overlooked.

    Parameters
    ----------
    labels : (Z, Y, X) true lesions on the PET grid, 1..N.
    normal_suv : (Z, Y, X) the blurred activity without any lesion.
    habit : the default overlooks nothing.
    """
    outlines: list[Outline] = []
    spacing = np.asarray(geometry.spacing_mm)
    hot = normal_suv > habit.avoided_suv
    voxels = np.bincount(labels.ravel(), minlength=2)[1:]
    anywhere = labels > 0
    for number, found in enumerate(ndimage.find_objects(labels), start=1):
        if found is None:
            continue
        margin_mm = float(rng.uniform(5, 11)) + habit.margin_mm
        small = voxels[number - 1] * geometry.voxel_ml < SMALL_ML and voxels[number - 1] < voxels.max()
        if habit.overlooked and small and rng.random() < habit.overlooked:
            continue
        pad = np.ceil((margin_mm + 6) / spacing).astype(int)
        box = tuple(slice(max(s.start - p, 0), s.stop + p) for s, p in zip(found, pad))
        lesion = labels[box] == number
        distance = ndimage.distance_transform_edt(~lesion, sampling=spacing)
        near_hot = hot[box] & ~anywhere[box]
        region = (distance <= margin_mm) & ~near_hot
        corner = [s.start for s in box]
        pieces = (
            _halves(region, lesion, spacing)
            if lesion.sum() * geometry.voxel_ml > SPLIT_ABOVE_ML
            else [region]
        )
        for piece in pieces:
            contours = _contours(piece, corner)
            if contours:
                outlines.append(Outline(f"lesion {len(outlines) + 1}", contours))
    return outlines


def _halves(
    region: npt.NDArray[np.bool_], lesion: npt.NDArray[np.bool_], spacing: npt.NDArray[np.float64]
) -> list[npt.NDArray[np.bool_]]:
    """Two pieces along z that overlap by a fifth of the lesion's height."""
    slices = np.flatnonzero(lesion.any(axis=(1, 2)))
    middle, overlap = slices.mean(), max(1.0, 0.1 * len(slices))
    z = np.arange(len(region))[:, None, None]
    return [region & (z <= middle + overlap), region & (z >= middle - overlap)]


def _contours(region: npt.NDArray[np.bool_], corner: list[int]) -> list[tuple[int, npt.NDArray[np.float64]]]:
    """Outer borders, slice by slice, of a lightly smoothed region; holes are filled, specks left out."""
    contours = []
    for k, plane in enumerate(region):
        if not plane.any():
            continue
        smooth = ndimage.gaussian_filter(np.pad(ndimage.binary_fill_holes(plane), 3).astype(np.float32), 0.7)
        for line in measure.find_contours(smooth, 0.5):
            if len(line) < 6 or not np.array_equal(line[0], line[-1]):
                continue
            line = measure.approximate_polygon(line, 0.08)[:-1]
            if len(line) >= 3:
                contours.append((k + corner[0], line[:, ::-1] - 3 + (corner[2], corner[1])))
    return contours
