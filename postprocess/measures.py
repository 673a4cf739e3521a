"""Numbers of each lesion and of the patient. Definitions with references: docs/measures.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from postprocess.components import IntVector, Labels, foreground
from postprocess.distance import farthest_distance
from postprocess.image import Geometry
from postprocess.peak import maximum_per_label, sphere_means


@dataclass(frozen=True)
class Lesion:
    """One row of the lesion table.

    Attributes
    ----------
    label : its value in the label image
    volume_ml : number of voxels * voxel volume
    suv_max, suv_mean, suv_sd : over its voxels; the SD divides by n (IBSI variance, discretisation none)
    suv_peak : highest mean of a 1 mL sphere centred on one of its voxels (Wahl et al. 2009; IBSI global peak
        restricted to the lesion)
    tlg : total lesion glycolysis, volume_ml * suv_mean
    x_mm, y_mm, z_mm : unweighted centroid, DICOM LPS
    suv_peak_at_max : mean of the sphere centred on its hottest voxel (IBSI local peak); of several equally hot
        voxels the highest such mean
    """

    label: int
    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    tlg: float
    x_mm: float
    y_mm: float
    z_mm: float
    suv_sd: float
    suv_peak_at_max: float


def lesion_table(
    labels: Labels,
    suv: npt.NDArray,
    spacing_mm: tuple[float, float, float],
    geometry: Geometry | None = None,
) -> list[Lesion]:
    """One row for each label 1..N that occurs in `labels` (Z, Y, X), in ascending order; none gives an empty list.

    Centroids are in the world of `geometry` (LPS mm); without one, the first voxel's centre is (0, 0, 0).
    """
    index = foreground(labels > 0)
    return lesions_of_voxels(
        index, labels.reshape(-1)[index], suv, geometry or Geometry(labels.shape, spacing_mm)
    )


def lesions_of_voxels(
    index: IntVector,
    label: Labels,
    suv: npt.NDArray,
    geometry: Geometry,
    means: npt.NDArray[np.float64] | None = None,
) -> list[Lesion]:
    """`lesion_table` on a list of voxels; `means` are their sphere means if already known."""
    inside = label > 0
    if means is None:
        means = np.zeros(index.size)
        means[inside] = sphere_means(suv, index[inside], geometry.spacing_mm)
    index, label, means = index[inside], label[inside], means[inside]
    values = suv.reshape(-1)[index].astype(np.float64)
    count = np.bincount(label)
    names = np.flatnonzero(count)
    n = np.maximum(count, 1)
    mean = np.bincount(label, values) / n
    sd = np.sqrt(np.bincount(label, (values - mean[label]) ** 2) / n)
    highest = maximum_per_label(values, label)
    peak = maximum_per_label(means, label)
    hottest = values == highest[label]
    peak_at_max = maximum_per_label(means[hottest], label[hottest], len(count) - 1)
    place = np.unravel_index(index, geometry.shape)
    centre = np.stack([np.bincount(label, axis) / n for axis in place], axis=1)
    world = geometry.to_world(centre)
    volume = count * geometry.voxel_ml
    return [
        Lesion(
            label=int(k),
            volume_ml=float(volume[k]),
            suv_max=float(highest[k]),
            suv_mean=float(mean[k]),
            suv_peak=float(peak[k]),
            tlg=float(volume[k] * mean[k]),
            x_mm=float(world[k, 0]),
            y_mm=float(world[k, 1]),
            z_mm=float(world[k, 2]),
            suv_sd=float(sd[k]),
            suv_peak_at_max=float(peak_at_max[k]),
        )
        for k in names
    ]


def patient_measures(
    lesions: Sequence[Lesion], index: IntVector, geometry: Geometry
) -> dict[str, float | int | None]:
    """Measures of the whole patient under one method; `index` are the flat indices of all lesion voxels.

    No lesion: volume, TLG and count are 0, all others None. One lesion: `dmax_mm` and `dmax_bulk_mm` are 0.
    """
    if not lesions:
        undefined = ("suv_max", "suv_peak", "dmax_mm", "dmax_voxel_mm", "dmax_bulk_mm")
        return {"tmtv_ml": 0.0, "tlg": 0.0, "lesion_count": 0, **dict.fromkeys(undefined)}
    centroids = np.array([(lesion.x_mm, lesion.y_mm, lesion.z_mm) for lesion in lesions])
    bulk = max(range(len(lesions)), key=lambda i: lesions[i].volume_ml)
    place = np.stack(np.unravel_index(index, geometry.shape), axis=1)
    return {
        "tmtv_ml": math.fsum(lesion.volume_ml for lesion in lesions),
        "tlg": math.fsum(lesion.tlg for lesion in lesions),
        "suv_max": max(lesion.suv_max for lesion in lesions),
        "suv_peak": max(lesion.suv_peak for lesion in lesions),
        "lesion_count": len(lesions),
        "dmax_mm": farthest_distance(centroids),
        "dmax_voxel_mm": farthest_distance(_outermost(place) * geometry.spacing_mm),
        "dmax_bulk_mm": float(np.linalg.norm(centroids - centroids[bulk], axis=1).max()),
    }


def _outermost(place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The voxels that are first or last of their line along every axis: the farthest two are among them."""
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        order = np.lexsort((place[:, axis], place[:, others[0]], place[:, others[1]]))
        place = place[order]
        new_line = (np.diff(place[:, others], axis=0) != 0).any(axis=1)
        first = np.concatenate(([True], new_line))
        last = np.concatenate((new_line, [True]))
        place = place[first | last]
    return place
