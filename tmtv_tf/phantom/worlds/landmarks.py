"""The heights and surfaces that organise a segmented body: where what is missing from its organ map must lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Labels

# Depth of the spinal cord behind the back's midline (mm, of a body 715 mm from hip to neck) by relative height;
# measured in the male map.
BACK_TO_CORD_MM = ((0.0, 66.0), (0.1, 62.0), (0.75, 58.0), (0.85, 64.0), (0.9, 77.0), (1.2, 77.0))


@dataclass(frozen=True)
class Landmarks:
    """Heights (z), all in mm of the padded grid; `height` is hip to neck and scales what is laid in."""

    mid_x: float
    hip_z: float
    crotch_z: float
    axilla_z: float
    shoulder_z: float
    neck_z: float
    vertex_z: float
    chest_half_mm: float
    arm_half_mm: float

    @property
    def height(self) -> float:
        return self.neck_z - self.hip_z


def landmarks(body: np.ndarray, labels: Labels) -> Landmarks:
    """Find the heights that organise a body; `labels` are those of the file."""
    h = VOXEL_MM
    pelvis = np.argwhere(labels == 2)
    mid = int(round(pelvis[:, 2].mean()))
    hip = pelvis[:, 0].min()
    occupied = np.flatnonzero(body.any(axis=(1, 2)))
    area = body.sum(axis=(1, 2))
    halves = np.zeros(len(body), int)
    joined = np.zeros(len(body), bool)
    for z in occupied:
        parts, _ = ndimage.label(body[z])
        row = parts[:, max(mid - 2, 0) : mid + 3]
        own = np.bincount(row[row > 0]).argmax() if (row > 0).any() else 0
        joined[z] = own > 0
        if own:
            columns = np.flatnonzero((parts == own).any(axis=0))
            halves[z] = max(columns.max() - mid, mid - columns.min())
    heart = int(np.argwhere(labels == 20)[:, 0].min())
    above = np.arange(len(body))
    wide = np.flatnonzero((above > hip + 40) & (halves * h > 230))
    axilla = int(wide[0])
    neck_range = np.arange(axilla + 20, occupied[-1] - 20)
    neck = int(neck_range[np.argmin(area[neck_range])])
    shoulder = int(neck_range[np.flatnonzero(halves[neck_range] * h < 150)[0]])
    crotch = int(np.flatnonzero(joined & (above > hip - 30))[0])
    return Landmarks(
        mid * h,
        hip * h,
        crotch * h,
        axilla * h,
        shoulder * h,
        neck * h,
        float(occupied[-1]) * h,
        float(halves[min(axilla - 2, heart + 8)]) * h,
        float(halves[min(axilla - 2, heart + 8)]) * h + 34,
    )


def spine_y(body, marks: Landmarks, z_mm: float) -> float:
    """y of the centre of the vertebral bodies at a height: a measured depth in front of the back's midline."""
    back = _back_y(body, marks, z_mm)
    at = (z_mm - marks.hip_z) / marks.height
    cord = back - np.interp(at, *np.transpose(BACK_TO_CORD_MM)) * marks.height / 715.0
    return float(cord - np.interp(at, (0.3, 0.8, 1.0), (26.0, 22.0, 14.0)))


def _back_y(body, marks: Landmarks, z_mm: float) -> float:
    k, mid = int(round(z_mm / VOXEL_MM)), int(round(marks.mid_x / VOXEL_MM))
    column = body[max(k - 2, 0) : k + 3, :, mid - 1 : mid + 2].any(axis=(0, 2))
    found = np.flatnonzero(column)
    return float(found.max() * VOXEL_MM) if len(found) else 0.0


def front_y(body, marks: Landmarks, z_mm: float) -> float:
    """The front of the body at a height, in mm; 0 where there is none."""
    k, mid = int(round(z_mm / VOXEL_MM)), int(round(marks.mid_x / VOXEL_MM))
    found = np.flatnonzero(body[k, :, mid - 1 : mid + 2].any(axis=1))
    return float(found.min() * VOXEL_MM) if len(found) else 0.0


def middle_y(body, z_mm: float) -> float:
    """The middle of the body from front to back at a height, in mm."""
    return float(np.argwhere(body[int(z_mm / VOXEL_MM)])[:, 0].mean() * VOXEL_MM)
