"""Head, vessels, stomach and the like, laid into a segmented body by rule."""

from __future__ import annotations

import numpy as np

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Labels, paint_ellipsoid, paint_tube
from tmtv_tf.phantom.worlds.landmarks import Landmarks, front_y, spine_y
from tmtv_tf.phantom.worlds.tissues import Tissue as T


def paint_head(out: Labels, body, depth, marks: Landmarks) -> None:
    """Skull, brain, cerebellum, air, glands, tonsils, eyes, tongue, thyroid."""
    h = VOXEL_MM
    top = marks.vertex_z
    z = np.arange(len(out))[:, None, None] * h
    y = np.arange(out.shape[1])[None, :, None] * h
    k = int((top - 60) / h)
    rows = np.flatnonzero(body[k].any(axis=1)) * h
    front, back = float(rows.min()), float(rows.max())
    length = back - front
    ear = (
        top - 128,
        front + 0.58 * length,
    )  # z, y of the ear canal: the base of the skull rises to the front
    base = ear[0] + np.where(y < ear[1], (ear[1] - y) * 0.36, -(y - ear[1]) * 0.12)
    inside = body & (z > base)
    out[inside & (depth > 6)] = T.BONE
    brain = inside & (depth > 14) & (z > base + 7)
    out[brain] = T.BRAIN
    out[brain & (z < ear[0] + 22) & (y > ear[1] + 8)] = T.CEREBELLUM
    mx = marks.mid_x
    paint_tube(out, [(ear[0] - 45, ear[1] + 4, mx), (ear[0] + 12, ear[1] + 6, mx)], 12, T.CORD)
    paint_tube(
        out,
        [
            (top - 132, front + 36, mx),
            (top - 140, front + 78, mx),
            (marks.neck_z + 10, front + 92, mx),
            (marks.neck_z - 30, spine_y(body, marks, marks.neck_z) - 34, mx),
        ],
        [12, 9, 8, 8],
        T.AIRWAY,
    )
    paint_ellipsoid(out, (top - 172, front + 52, mx), (15, 32, 22), T.TONGUE)
    for side in (1, -1):
        paint_ellipsoid(out, (top - 105, front + 26, mx + side * 31), (12, 12, 12), T.EYE)
        paint_ellipsoid(out, (top - 112, front + 38, mx + side * 24), (16, 16, 12), T.AIRWAY)
        paint_ellipsoid(out, (top - 172, front + 82, mx + side * 17), (12, 8, 7), T.TONSIL)
        paint_ellipsoid(out, (top - 158, ear[1] + 2, mx + side * 54), (22, 15, 9), T.GLAND)
        paint_ellipsoid(out, (top - 198, front + 62, mx + side * 30), (10, 14, 9), T.GLAND)
        paint_tube(
            out,
            [
                (top - 150, ear[1] - 14, mx + side * 50),
                (top - 195, front + 70, mx + side * 44),
                (top - 205, front + 22, mx + side * 12),
            ],
            6,
            T.BONE,
        )
        neck_y = spine_y(body, marks, marks.neck_z - 20)
        paint_ellipsoid(out, (marks.neck_z - 22, neck_y - 36, mx + side * 17), (20, 9, 9), T.THYROID)


def paint_vessels(out: Labels, body, labels: Labels, marks: Landmarks) -> None:
    """Aorta, vena cava, carotids, iliacs, trachea, oesophagus: tubes between landmarks."""
    mx, hip, n, low = marks.mid_x, marks.hip_z, marks.neck_z, marks.hip_z + 235
    heart = np.argwhere(np.isin(labels, (20, 21))) * VOXEL_MM
    top, (hy, hx) = float(heart[:, 0].max()), heart[:, 1:].mean(axis=0)

    def front(z: float, gap: float) -> float:
        return spine_y(body, marks, z) - gap

    arch = min(top + 38, marks.shoulder_z - 50)
    aorta = [
        (top - 25, hy, hx - 10),
        (arch - 12, front(arch, 62), mx - 12),
        (arch, front(arch, 40), mx + 8),
        (arch - 18, front(arch, 22), mx + 20),
    ]
    aorta += [(z, front(z, 24), mx + 14) for z in np.linspace(arch - 40, low, 6)]
    paint_tube(out, aorta, [14, 14, 13, 12, 11, 11, 10, 10, 9, 8], T.BLOOD)
    paint_tube(out, [(z, front(z, 26), mx - 16) for z in np.linspace(top - 50, low, 5)], 10, T.BLOOD)
    paint_tube(out, [(top - 20, hy + 4, mx - 24), (arch + 10, front(arch, 56), mx - 26)], 10, T.BLOOD)
    for side in (1, -1):
        paint_tube(
            out,
            [
                (arch, front(arch, 48), mx + side * 12),
                (n - 30, front(n, 22), mx + side * 27),
                (n + 60, front(n, 18), mx + side * 31),
            ],
            6,
            T.BLOOD,
        )
        paint_tube(
            out,
            [
                (low, front(low, 24), mx + side * 5),
                (hip + 160, front(hip + 160, 16), mx + side * 48),
                (hip + 60, front_y(body, marks, hip + 60) + 58, mx + side * 80),
                (hip - 60, front_y(body, marks, hip + 40) + 62, mx + side * 92),
            ],
            [7, 7, 6, 6],
            T.BLOOD,
        )
        paint_tube(
            out, [(arch - 22, front(arch, 34), mx), (arch - 52, front(arch, 36), mx + side * 38)], 6, T.AIRWAY
        )
    paint_tube(
        out,
        [(n - 30, front(n, 36), mx), (arch + 5, front(arch, 38), mx), (arch - 22, front(arch, 34), mx)],
        8,
        T.AIRWAY,
    )
    paint_tube(
        out,
        [
            (n - 40, front(n - 40, 22), mx),
            (arch, front(arch, 24), mx + 2),
            (top - 70, front(top - 70, 40), mx + 14),
        ],
        7,
        T.OESOPHAGUS,
    )


def paint_stomach(out: Labels, labels: Labels, marks: Landmarks) -> None:
    """Paint the stomach between spleen and pancreas."""
    spleen, pancreas = (np.argwhere(labels == k).mean(axis=0) * VOXEL_MM for k in (7, 8))
    fundus = spleen + (26, -46, -34)
    body = spleen + (-24, -66, -36)
    antrum = pancreas + (4, -34, -18)
    paint_tube(
        out,
        [fundus, body, antrum],
        [32, 26, 15],
        T.STOMACH,
        over=(T.CAVITY, T.WALL, T.LUNG, T.MEDIASTINUM, T.BONE),
    )


def paint_pelvic_extras(out: Labels, body, marks: Landmarks, female: bool) -> None:
    """Paint breasts or testes by sex."""
    front = front_y(body, marks, marks.hip_z + 30)
    for side in (1, -1):
        if female:
            z = marks.axilla_z + 24
            k = int(z / VOXEL_MM)
            column = int((marks.mid_x + side * 78) / VOXEL_MM)
            skin = np.flatnonzero(body[k, :, column])
            if len(skin):
                paint_ellipsoid(
                    out,
                    (z, skin[0] * VOXEL_MM + 26, marks.mid_x + side * 78),
                    (44, 24, 44),
                    T.BREAST,
                    (T.WALL,),
                )
        else:
            paint_ellipsoid(
                out,
                (marks.crotch_z + 8, front + 40, marks.mid_x + side * 19),
                (20, 16, 15),
                T.TESTIS,
                (T.WALL, T.AIR),
            )
