"""Numbers of each lesion and of the patient. Definitions with references: docs/reference/measures.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TypedDict, cast, overload

import numpy as np
import numpy.typing as npt

from petct import checks
from petct.errors import ImageError
from petct.geometry import Geometry, Image, require_grid, unpack
from postprocess._components import checked_voxels
from postprocess.distance import farthest_distance, outermost
from postprocess.peak import maximum_per_label, sphere_means
from postprocess.segmentation import Lesions


@dataclass(frozen=True)
class Lesion:
    """One row of the lesion table.

    Attributes
    ----------
    label : its value in the label image
    volume_ml : number of voxels * voxel volume
    suv_max, suv_mean, suv_sd : over its voxels; the SD divides by n
    suv_peak : highest mean of a 1 mL sphere centred on one of its voxels
    tlg : total lesion glycolysis, volume_ml * suv_mean
    x_mm, y_mm, z_mm : unweighted centroid, DICOM LPS
    suv_peak_at_max : mean of the sphere centred on its hottest voxel; of several equally hot ones the highest
    sphericity : (36 pi V^2)^(1/3) / A of its surface mesh; 1 is a sphere
    x_min_mm ... z_max_mm : LPS box around its voxels, their edges included
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
    sphericity: float
    x_min_mm: float
    x_max_mm: float
    y_min_mm: float
    y_max_mm: float
    z_min_mm: float
    z_max_mm: float


@dataclass(frozen=True)
class LesionInArray:
    """A row of the lesion table where nobody knows where the array lies in the patient.

    As `Lesion`, but the positions count from the centre of the first voxel, along the axes X, Y and Z of the array:
    they are no DICOM coordinates.
    """

    label: int
    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    tlg: float
    x_from_first_voxel_mm: float
    y_from_first_voxel_mm: float
    z_from_first_voxel_mm: float
    suv_sd: float
    suv_peak_at_max: float
    sphericity: float
    x_min_from_first_voxel_mm: float
    x_max_from_first_voxel_mm: float
    y_min_from_first_voxel_mm: float
    y_max_from_first_voxel_mm: float
    z_min_from_first_voxel_mm: float
    z_max_from_first_voxel_mm: float


class Measures(TypedDict, total=False):
    """What one method says of a patient: see `postprocess.PatientMeasures`; SDmax needs the patient's body."""

    tmtv_ml: float
    tlg: float
    lesion_count: int
    suv_max: float | None
    suv_peak: float | None
    dmax_mm: float | None
    dmax_voxel_mm: float | None
    dmax_bulk_mm: float | None
    sdmax_per_m: float | None


@dataclass(frozen=True)
class PatientMeasures:
    """What one method says of the whole patient; None where it is not defined, for want of a lesion.

    Attributes
    ----------
    tmtv_ml : total metabolic tumour volume
    tlg : sum of the lesions' volume_ml * suv_mean
    suv_max, suv_peak : the highest of the lesions'
    lesion_count : number of lesions
    dmax_mm : distance of the farthest two lesion centroids; one lesion: 0
    dmax_voxel_mm : distance of the farthest two lesion voxel centres
    dmax_bulk_mm : from the centroid of the largest lesion to the farthest centroid; one lesion: 0
    """

    tmtv_ml: float = 0.0
    tlg: float = 0.0
    suv_max: float | None = None
    suv_peak: float | None = None
    lesion_count: int = 0
    dmax_mm: float | None = None
    dmax_voxel_mm: float | None = None
    dmax_bulk_mm: float | None = None

    def as_dict(self) -> Measures:
        """As in `tmtv.json`."""
        return cast(Measures, asdict(self))


_NO_SHAPE = dict.fromkeys(
    ("sphericity", "x_min_mm", "y_min_mm", "z_min_mm", "x_max_mm", "y_max_mm", "z_max_mm"), math.nan
)


@overload
def lesion_table(
    labels: npt.NDArray[np.integer], suv: Image, spacing_mm: None = None, geometry: None = None
) -> list[Lesion]: ...


@overload
def lesion_table(
    labels: npt.NDArray[np.integer], suv: npt.NDArray, spacing_mm: checks.Spacing, geometry: Geometry
) -> list[Lesion]: ...


@overload
def lesion_table(
    labels: npt.NDArray[np.integer], suv: npt.NDArray, spacing_mm: checks.Spacing, geometry: None = None
) -> list[LesionInArray]: ...


def lesion_table(
    labels: npt.NDArray[np.integer],
    suv: npt.NDArray | Image,
    spacing_mm: checks.Spacing | None = None,
    geometry: Geometry | None = None,
) -> list[Lesion] | list[LesionInArray]:
    """One row for each label that occurs in `labels` (Z, Y, X), in ascending order; none gives an empty list.

    Parameters
    ----------
    labels : (Z, Y, X) ndarray of whole numbers; 0 is background
    suv : (Z, Y, X) ndarray, SUVbw; or a petct.Image: `lesion_table(labels, exam.pet)`
    spacing_mm : (sz, sy, sx), all > 0; left out with an Image. In another order the SUVpeak and every position are
        wrong, which nobody can see in an array.
    geometry : where the array lies (`exam.pet.geometry`); an Image has its own

    Returns
    -------
    rows
        With an Image or `geometry`: `Lesion`, positions `x_mm`, `y_mm`, `z_mm` in DICOM LPS. Without:
        `LesionInArray`, positions `x_from_first_voxel_mm`, ... along the array's own axes.

    Raises
    ------
    ImageError
        Arrays, spacing and geometry that cannot be used or do not agree; an SUV in a lesion, or within the 1 mL
        sphere of its SUVpeak, that is not finite.

    Examples
    --------
    >>> labels = np.ones((1, 1, 2), np.int32)
    >>> row, = lesion_table(labels, np.float32([[[3, 5]]]), (4.0, 3.0, 2.0))
    >>> row.volume_ml, row.suv_mean, row.x_from_first_voxel_mm
    (0.048, 4.0, 1.0)
    """
    (suv_array,), spacing, own = unpack(spacing_mm, suv=suv)
    if geometry is not None:
        require_grid(geometry, suv_array.shape, spacing)
        if own is not None and not own.same_grid(geometry):
            raise ImageError("`geometry` is not that of the image `suv`; leave it out.")
    place = own or geometry
    _, rows = _measured(labels, suv_array, place or Geometry(suv_array.shape, spacing))
    return rows if place is not None else [LesionInArray(*astuple(row)) for row in rows]


def patient_measures(
    labels: npt.NDArray[np.integer],
    suv: npt.NDArray | Image,
    spacing_mm: checks.Spacing | None = None,
) -> PatientMeasures:
    """TMTV, TLG, SUVmax, SUVpeak, lesion count and the three Dmax of one label image.

    Parameters
    ----------
    labels : (Z, Y, X) ndarray of whole numbers; 0 is background
    suv : (Z, Y, X) ndarray, SUVbw; or a petct.Image
    spacing_mm : (sz, sy, sx), all > 0; left out with an Image

    Returns
    -------
    PatientMeasures
        Defined in docs/reference/measures.md. No lesion: volume, TLG and count are 0, everything else is None.

    Raises
    ------
    ImageError
        As `lesion_table`.

    Examples
    --------
    >>> numbers = patient_measures(np.ones((1, 1, 2), np.int32), np.float32([[[3, 5]]]), (4.0, 3.0, 2.0))
    >>> numbers.tmtv_ml, numbers.lesion_count, numbers.dmax_voxel_mm
    (0.048, 1, 2.0)
    """
    (suv_array,), spacing, own = unpack(spacing_mm, suv=suv)
    geometry = own or Geometry(suv_array.shape, spacing)
    voxels, rows = _measured(labels, suv_array, geometry)
    return summarize(rows, voxels, geometry)


def lesions_of_voxels(
    voxels: Lesions,
    suv: npt.NDArray,
    geometry: Geometry,
    *,
    means: npt.NDArray[np.float64] | None = None,
    shapes: bool = True,
) -> list[Lesion]:
    """`lesion_table` on a list of voxels.

    means : `sphere_means` of the voxels, where they are known. shapes : False leaves out (NaN) sphericity and box
    """
    # skimage's regionprops_table sums in the precision of the image (a mean SUV 1e-6 off), and a property of its own
    # sees a lesion's box only, where SUVpeak needs what lies around it. On 545x400x400 voxels with 45 lesions it takes
    # 0.21 s of CPU time without SUVpeak and sphericity, this 0.09 s with them (same run; loaded machine).
    index, label = voxels.index, voxels.label
    count = np.bincount(label)
    n = np.maximum(count, 1)
    values = suv.reshape(-1)[index].astype(np.float64)
    means = sphere_means(suv, index, geometry.spacing_mm) if means is None else means
    if not np.isfinite(means).all():
        raise ImageError("The SUV image holds NaN or infinite values within the 1 mL sphere of a SUVpeak.")
    mean = np.bincount(label, values) / n
    sd = np.sqrt(np.bincount(label, (values - mean[label]) ** 2) / n)
    highest = maximum_per_label(values, label)
    hottest = values == highest[label]
    place = np.stack(np.unravel_index(index, geometry.shape), axis=1)
    centre = np.stack([np.bincount(label, axis) / n for axis in place.T], axis=1)
    by_label = np.argsort(label, kind="stable")
    ends = np.cumsum(count)
    members = {int(k): place[by_label[ends[k] - count[k] : ends[k]]] for k in np.flatnonzero(count)}
    columns = {
        "volume_ml": count * geometry.voxel_ml,
        "suv_max": highest,
        "suv_mean": mean,
        "suv_peak": maximum_per_label(means, label),
        "tlg": count * geometry.voxel_ml * mean,
        **dict(zip(("x_mm", "y_mm", "z_mm"), geometry.to_world(centre).T)),
        "suv_sd": sd,
        "suv_peak_at_max": maximum_per_label(means[hottest], label[hottest], len(count) - 1),
    }
    return [
        Lesion(
            label=k,
            **{name: float(column[k]) for name, column in columns.items()},
            **(_shape(voxels_of_lesion, geometry) if shapes else _NO_SHAPE),
        )
        for k, voxels_of_lesion in members.items()
    ]


def summarize(
    lesions: Sequence[Lesion],
    voxels: Lesions,
    geometry: Geometry,
    outer: npt.NDArray[np.integer] | None = None,
) -> PatientMeasures:
    """Measures of the whole patient under one method, from its lesion table and voxels.

    outer : of `voxels.index` those among which the farthest two are, if they are known: `outer_voxels` of each lesion
    """
    if not lesions:
        return PatientMeasures()
    centroids = np.array([(lesion.x_mm, lesion.y_mm, lesion.z_mm) for lesion in lesions])
    bulk = max(range(len(lesions)), key=lambda i: lesions[i].volume_ml)
    place = np.stack(np.unravel_index(voxels.index if outer is None else outer, geometry.shape), axis=1)
    if outer is None:
        place = outermost(place)
    return PatientMeasures(
        tmtv_ml=math.fsum(lesion.volume_ml for lesion in lesions),
        tlg=math.fsum(lesion.tlg for lesion in lesions),
        suv_max=max(lesion.suv_max for lesion in lesions),
        suv_peak=max(lesion.suv_peak for lesion in lesions),
        lesion_count=len(lesions),
        dmax_mm=farthest_distance(centroids),
        dmax_voxel_mm=farthest_distance(place * geometry.spacing_mm),
        dmax_bulk_mm=float(np.linalg.norm(centroids - centroids[bulk], axis=1).max()),
    )


def outer_voxels(index: npt.NDArray[np.integer], shape: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Of the voxels (flat indices) of a lesion those that can be one of the farthest two of a patient."""
    place = np.stack(np.unravel_index(index, shape), axis=1)
    low = place.min(axis=0)
    return np.ravel_multi_index(tuple((outermost(place - low) + low).T), shape)


def sphericity(place: npt.NDArray[np.int64], spacing_mm: tuple[float, float, float]) -> float:
    """(36 pi V^2)^(1/3) / A of the triangle mesh (marching cubes, level 0.5) around voxels (N, 3) in z, y, x.

    IBSI, morphological features, sphericity (QCFX): V and A are the volume and the area of that mesh.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    place = place - place.min(axis=0) + 1
    box = np.zeros(place.max(axis=0) + 2, np.float32)
    box[tuple(place.T)] = 1
    vertices, faces, _, _ = marching_cubes(box, 0.5, spacing=spacing_mm)
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    volume = abs(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
    return float((36 * math.pi * volume**2) ** (1 / 3) / mesh_surface_area(vertices, faces))


def _measured(labels: npt.NDArray, suv: npt.NDArray, geometry: Geometry) -> tuple[Lesions, list[Lesion]]:
    """The voxels of a label image, and the rows of its lesions."""
    index, label, _ = checked_voxels(labels, suv)
    voxels = Lesions(index, label, geometry.shape)
    return voxels, lesions_of_voxels(voxels, suv, geometry)


def _shape(place: npt.NDArray[np.int64], geometry: Geometry) -> dict[str, float]:
    """Sphericity, and the LPS box around voxels (N, 3) in z, y, x."""
    low, high = place.min(axis=0) - 0.5, place.max(axis=0) + 0.5
    corners = geometry.to_world(np.array(np.meshgrid(*zip(low, high), indexing="ij")).reshape(3, -1).T)
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return dict(zip(_NO_SHAPE, (sphericity(place, geometry.spacing_mm), *box)))
