"""Ribs, spine, shoulder girdle and thigh bones, laid into a body from its landmarks."""

from __future__ import annotations

import numpy as np

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Labels, paint_ellipsoid, paint_tube
from tmtv_tf.phantom.worlds.landmarks import Landmarks
from tmtv_tf.phantom.worlds.tissues import Tissue as T

RIB_STEP_MM, RIB_TILT = 27.0, 0.45
VERTEBRA_MM = 33.0


def ribs(out: Labels, depth, marks: Landmarks) -> None:
    """Where the chest wall meets tilted, evenly spaced sheets; the breast bone in front."""
    h = VOXEL_MM
    z, y, x = np.ix_(*(np.arange(n) * h for n in out.shape))
    span = (z > marks.axilla_z - 170) & (z < marks.shoulder_z - 10)
    sheet = np.abs((z - RIB_TILT * y) / RIB_STEP_MM % 1.0 - 0.5) * RIB_STEP_MM
    wall = np.abs(depth - 27.0) < 4.5
    side = np.abs(x - marks.mid_x)
    out[(out != T.AIR) & span & wall & (sheet > 8.0) & (side < marks.chest_half_mm + 6)] = T.BONE


def skeleton(out: Labels, body, pelvis, spine, marks: Landmarks) -> None:
    """Spine along the centres `spine` [(z, y, x) mm], clavicles, shoulder blades, femora with their heads."""
    line = np.asarray(spine)
    at = (line[:, 0] - marks.hip_z) / marks.height
    radius = np.interp(at, (0.2, 0.5, 0.8, 1.0), (21, 18, 14, 11))
    paint_tube(out, line, radius + 3, T.BONE)
    before = out.copy()
    paint_tube(out, line, radius, T.MARROW)
    z = np.arange(len(out))[:, None, None] * VOXEL_MM
    disc = np.cos(2 * np.pi * z / VERTEBRA_MM) > 0.85
    out[disc & (out == T.MARROW) & (before != T.MARROW)] = T.MUSCLE
    behind = line + np.stack([0 * at, radius + 12, 0 * at], axis=1)
    paint_tube(out, behind + (0, 12, 0), 9, T.BONE, over=(T.WALL, T.CAVITY))
    paint_tube(out, behind, 8, T.CORD)
    sacrum = np.argwhere(pelvis) * VOXEL_MM
    if len(sacrum):
        back = np.percentile(sacrum[:, 1], 80)
        paint_tube(
            out,
            [line[0], (line[0][0] - 50, back, marks.mid_x)],
            [20, 15],
            T.MARROW,
            over=(T.WALL, T.CAVITY, T.BONE),
        )
    chest = body[int((marks.axilla_z + 10) / VOXEL_MM)]
    mid = int(marks.mid_x / VOXEL_MM)
    front = np.flatnonzero(chest[:, mid]).min() * VOXEL_MM
    sternum = [
        (marks.axilla_z - 60, front + 20, marks.mid_x),
        (marks.shoulder_z - 60, front + 34, marks.mid_x),
    ]
    paint_tube(out, sternum, [10, 13], T.MARROW)
    for side in (1, -1):
        shoulder = (marks.shoulder_z - 22, line[-1][1] - 4, marks.mid_x + side * (marks.arm_half_mm - 40))
        paint_tube(out, [(marks.shoulder_z - 45, front + 42, marks.mid_x + side * 16), shoulder], 7, T.BONE)
        blade_y = np.flatnonzero(chest[:, int((marks.mid_x + side * 85) / VOXEL_MM)]).max() * VOXEL_MM - 24
        paint_tube(
            out,
            [
                (marks.axilla_z - 40, blade_y, marks.mid_x + side * 78),
                (marks.shoulder_z - 60, blade_y - 8, marks.mid_x + side * 105),
                shoulder,
            ],
            [6, 8, 9],
            T.BONE,
        )
        paint_ellipsoid(
            out,
            (marks.shoulder_z - 26, shoulder[1], marks.mid_x + side * (marks.arm_half_mm - 26)),
            (22, 22, 22),
            T.MARROW,
        )
        _femur(out, body, marks, side)


def _femur(out: Labels, body, marks: Landmarks, side: int) -> None:
    """Along the centre of the thigh down to the end of the map."""
    x0 = marks.mid_x
    columns = np.arange(body.shape[2]) * VOXEL_MM
    half = columns > x0 if side > 0 else columns < x0
    line = []
    for z_mm in np.arange(marks.hip_z - 60, 60, -60.0):
        points = np.argwhere(body[int(z_mm / VOXEL_MM)] & half[None, :])
        if len(points) > 20:
            y, x = points.mean(axis=0) * VOXEL_MM
            line.append((z_mm, y, x))
    if not line:
        return
    head = (marks.hip_z + 58, line[0][1] - 6, x0 + side * 88)
    trochanter = (marks.hip_z + 20, line[0][1], x0 + side * 126)
    paint_tube(out, [trochanter, *line], 14, T.BONE)
    paint_tube(out, [trochanter, *line], 8, T.LIMB_MARROW)
    paint_tube(out, [head, trochanter], [22, 18], T.MARROW)
