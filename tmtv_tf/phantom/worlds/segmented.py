"""A real adult's organs (label maps of the HuBMAP 3D reference organs), the rest of the body filled in by rule.

The maps hold the outline of the body and the organs of trunk and pelvis. Brain, airways, lungs, stomach, skeleton,
vessels, glands and nodal stations are laid in here from a few measured landmarks: `landmarks` finds them.
Credit: HuBMAP Consortium, CCF 3D Reference Object Library (CC BY 4.0).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from petct.errors import CaseError
from petct.image import read_image
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy, Labels
from tmtv_tf.phantom.worlds.filling import paint_head, paint_pelvic_extras, paint_stomach, paint_vessels
from tmtv_tf.phantom.worlds.landmarks import Landmarks, landmarks, middle_y, spine_y
from tmtv_tf.phantom.worlds.skeleton import ribs, skeleton
from tmtv_tf.phantom.worlds.stations import nodal_stations
from tmtv_tf.phantom.worlds.tissues import Tissue as T

PAD_TOP_MM, PAD_SIDE_MM = 240.0, 40.0
# Value of the label file -> tissue; None: drawn by rule below.
ORGANS = {
    2: T.MARROW,
    4: T.CORD,
    5: T.LIVER,
    6: T.GALLBLADDER,
    7: T.SPLEEN,
    8: T.PANCREAS,
    9: T.KIDNEY,
    10: T.KIDNEY,
    11: T.URINE,
    12: T.URINE,
    13: T.BLADDER,
    14: T.SMALL_BOWEL,
    15: T.SMALL_BOWEL,
    16: T.COLON,
    17: T.COLON,
    18: T.COLON,
    19: T.RECTUM,
    20: T.BLOOD,
    21: T.MYOCARDIUM,
    22: T.THYMUS,
    23: T.PROSTATE,
    24: T.UTERUS,
    25: T.OVARY,
}
HOLLOW = (20, 21, 13, 14, 15, 16, 17, 18, 19)  # labelled as walls


@lru_cache(maxsize=4)
def segmented_adult(folder: Path, name: str) -> Anatomy:
    """The anatomy of `<folder>/<name>_labels.nii.gz`, `name` "male" or "female".

    Raises
    ------
    CaseError
        The file is missing, or its labels are not those of the HuBMAP maps.
    """
    path = folder / f"{name}_labels.nii.gz"
    if not path.is_file():
        raise CaseError(
            f"{path}: no such file. The label maps of the two adults are made by benchmarks/voxelise_hubmap.py."
        )
    image = read_image(path)
    raw = image.array.astype(np.uint8)
    for organ in (5, 7, 9, 10, 13, 20):
        if not (raw == organ).any():
            raise CaseError(f"{path}: holds no voxel of label {organ}; not the organ map of an adult.")
    fine = _fill_hollow(raw)
    labels, body = _resampled(fine, image.geometry.spacing_mm)
    marks = landmarks(body, labels)
    body &= ~_arms(body, marks)
    labels[~body] = 0
    depth = ndimage.distance_transform_edt(body).astype(np.float32) * VOXEL_MM
    tissue = _tissues(labels, body, depth, marks, female=bool((raw == 24).any()))
    left, right = (
        np.array(
            [
                marks.shoulder_z - 12,
                middle_y(body, marks.shoulder_z),
                marks.mid_x + side * (marks.arm_half_mm - 24),
            ]
        )
        for side in (1, -1)
    )
    neck = np.array([marks.neck_z, spine_y(body, marks, marks.neck_z), marks.mid_x])
    chest = marks.chest_half_mm
    return Anatomy(
        tissue,
        depth,
        nodal_stations(tissue, body, marks),
        (left, right),
        neck,
        (chest, chest * 0.75),
        name,
        _joints(body, marks),
    )


def _fill_hollow(raw: Labels) -> Labels:
    """Organs that are labelled as walls, filled slice by slice; small holes only, so that loops stay loops."""
    out = raw.copy()
    for organ in HOLLOW:
        found = ndimage.find_objects((raw == organ).astype(np.uint8))
        if not found:
            continue
        box = tuple(slice(max(s.start - 4, 0), s.stop + 4) for s in found[0])
        mask = raw[box] == organ
        if organ in (20, 21):
            whole = np.isin(raw[box], (20, 21)) if organ == 20 else mask
            closed = ndimage.binary_closing(whole, iterations=4)
            filled = _fill_planes(closed, 60.0)
            inner = filled & ~mask & np.isin(raw[box], (0, 1) if organ == 20 else (0, 1, 20))
            out[box][inner & np.isin(out[box], (0, 1, 20))] = 20
        else:
            filled = _fill_planes(ndimage.binary_closing(mask, iterations=2), 22.0)
            out[box][filled & np.isin(out[box], (0, 1))] = organ
    return out


def _fill_planes(mask, largest_cm2: float):
    """Holes of single planes along each axis, up to a size (2.5 mm voxels)."""
    result = mask.copy()
    for axis in range(3):
        moved = np.moveaxis(mask, axis, 0)
        target = np.moveaxis(result, axis, 0)
        for k, plane in enumerate(moved):
            if not plane.any():
                continue
            holes, count = ndimage.label(ndimage.binary_fill_holes(plane) & ~plane)
            if count:
                size = np.bincount(holes.ravel())
                small = size <= largest_cm2 * 16
                small[0] = False
                target[k] |= small[holes]
    return result


def _resampled(fine: Labels, spacing_mm) -> tuple[Labels, np.ndarray]:
    """Labels and body on cubes of VOXEL_MM, padded for raised arms."""
    body = ndimage.binary_fill_holes(fine > 0)
    index = [
        np.minimum((np.arange(int(n * s / VOXEL_MM)) * VOXEL_MM / s + 0.3).round().astype(int), n - 1)
        for n, s in zip(fine.shape, spacing_mm)
    ]
    pad = ((0, int(PAD_TOP_MM / VOXEL_MM)), (8, 8), (int(PAD_SIDE_MM / VOXEL_MM),) * 2)
    labels = np.pad(fine[np.ix_(*index)], pad)
    return labels, np.pad(body[np.ix_(*index)], pad)


def _arms(body, marks: Landmarks):
    """Voxels beyond the oblique plane from armpit to shoulder."""
    z = np.arange(body.shape[0])[:, None, None] * VOXEL_MM
    x = np.abs(np.arange(body.shape[2]) * VOXEL_MM - marks.mid_x)[None, None]
    limit = np.interp(z, (marks.axilla_z, marks.shoulder_z), (marks.chest_half_mm + 4, marks.arm_half_mm + 4))
    return body & (x > limit) & (z > marks.hip_z + 120)


def _joints(body, marks: Landmarks) -> list[np.ndarray]:
    y = middle_y(body, marks.hip_z + 60)
    hips = [np.array([marks.hip_z + 45, y - 10, marks.mid_x + side * 92]) for side in (1, -1)]
    knees = [np.array([marks.hip_z - 420, middle_y(body, 150), marks.mid_x + side * 110]) for side in (1, -1)]
    return hips + knees


def _tissues(labels: Labels, body, depth, marks: Landmarks, *, female: bool) -> Labels:
    """Every voxel a tissue: soft tissue, cavities and lungs first, bones and organs over them."""
    out = np.where(body, np.uint8(T.WALL), np.uint8(T.AIR))
    _cavities(out, labels, body, depth, marks)
    spine = [
        (z, spine_y(body, marks, z), marks.mid_x)
        for z in np.arange(marks.hip_z + 120, marks.neck_z + 90, 24.0)
    ]
    ribs(out, depth, marks)
    skeleton(out, body, labels == 2, spine, marks)
    paint_head(out, body, depth, marks)
    paint_vessels(out, body, labels, marks)
    paint_stomach(out, labels, marks)
    for value, tissue in ORGANS.items():
        if value != 2:
            out[labels == value] = tissue
    pelvis = labels == 2
    out[pelvis & ~ndimage.binary_erosion(pelvis)] = T.BONE
    out[ndimage.binary_erosion(pelvis)] = T.MARROW
    paint_pelvic_extras(out, body, marks, female)
    return out


def _cavities(out: Labels, labels: Labels, body, depth, marks: Landmarks) -> None:
    """Chest with two lungs above the diaphragm, belly below it; the diaphragm lies on the organs under it."""
    h = VOXEL_MM
    z = np.arange(len(out))[:, None, None] * h
    x = np.abs(np.arange(out.shape[2]) * h - marks.mid_x)[None, None]
    below = np.isin(labels, (5, 6, 7, 8, 9, 10, 14, 15, 16, 17))
    top = np.where(below.any(axis=0), len(out) - 1 - np.argmax(below[::-1], axis=0), 0).astype(np.float32)
    liver_top = float(top.max())
    reach = np.argwhere(labels == 7)[:, 0].min()
    dome = ndimage.grey_dilation(top, size=(9, 13))
    dome = ndimage.gaussian_filter(np.maximum(dome, reach), 3.0) * h
    y = np.arange(out.shape[1])[None, :, None] * h
    apex = marks.shoulder_z - 6
    narrow = np.interp(z, (apex - 110, apex), (0.0, 75.0))
    chest = (
        body
        & (z > dome[None] + 6)
        & (z < apex)
        & (depth > 32)
        & (x < marks.chest_half_mm - 26 - 0.9 * narrow)
    )
    mediastinum = x < np.interp(z, (liver_top * h, marks.axilla_z, apex), (34, 26, 34))
    heart = ndimage.binary_dilation(np.isin(labels, (20, 21, 22)), iterations=2)
    centre = np.array([middle_y(body, float(zz)) if body[int(zz / h)].any() else 0 for zz in z.ravel()])[
        :, None, None
    ]
    chest &= y > centre - 92
    out[chest] = T.LUNG
    out[chest & (mediastinum | heart)] = T.MEDIASTINUM
    belly = (
        body & (z < dome[None] + 2) & (z > marks.hip_z + 20) & (depth > 34) & (x < marks.chest_half_mm - 30)
    )
    behind = np.array(
        [spine_y(body, marks, float(zz)) if body[int(zz / h)].any() else 0 for zz in z.ravel()]
    )[:, None, None]
    belly &= (y < behind + 8) | ((x > 42) & (y < behind + 34) & (z > marks.hip_z + 200))
    hull = ndimage.binary_dilation(np.isin(labels, tuple(range(5, 26))), iterations=4)
    near = ndimage.binary_dilation(hull, iterations=4) & body & (depth > 14)
    out[(belly | near) & (out == T.WALL)] = T.CAVITY
