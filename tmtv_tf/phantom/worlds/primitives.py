"""A body at random: ellipsoids and tubes whose sizes and places are drawn far beyond those of people.

Nothing here is measured. The order of the organs is that of people - a brain on top, kidneys on both sides of the
spine, a bladder below - and nothing else can be relied on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy, paint_ellipsoid, paint_tube, smooth_noise
from tmtv_tf.phantom.worlds.tissues import Tissue as T

SHAPE = (470, 88, 140)
MID_Y, MID_X = SHAPE[1] * VOXEL_MM / 2, SHAPE[2] * VOXEL_MM / 2
INNER = (T.CAVITY, T.WALL)


def random_adult(rng: np.random.Generator) -> Anatomy:
    """Draw one body."""

    def about(value: float, spread: float = 0.15) -> float:
        return float(value * np.exp(rng.normal(0, spread)))

    def near(x: float, y: float, z: float, spread: float = 12.0) -> np.ndarray:
        """A point from (left of the middle, behind the middle, above the soles), jittered."""
        return np.array([z, MID_Y + y, MID_X + x]) + rng.normal(0, spread, 3)

    labels = np.zeros(SHAPE, np.uint8)
    half, deep = about(165, 0.12), about(105, 0.12)
    _outline(labels, half, deep, rng)
    body = labels > 0
    coarse = ndimage.distance_transform_edt(body[::2, ::2, ::2]) * 2 * VOXEL_MM
    depth = np.repeat(np.repeat(np.repeat(coarse, 2, 0), 2, 1), 2, 2)[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    depth = ndimage.uniform_filter(depth.astype(np.float32), 3) * body
    z = np.arange(SHAPE[0])[:, None, None] * VOXEL_MM
    x = np.arange(SHAPE[2])[None, None] * VOXEL_MM - MID_X
    diaphragm = about(1255, 0.02) + 10 * smooth_noise((1, SHAPE[1], SHAPE[2]), 80, rng)
    labels[body & (depth > about(30)) & (z > 880) & (z <= diaphragm) & (np.abs(x) < half)] = T.CAVITY
    chest = body & (depth > about(30)) & (z > diaphragm) & (z < about(1430, 0.01)) & (np.abs(x) < 0.85 * half)
    labels[chest] = T.LUNG
    labels[chest & (np.abs(x) < about(34))] = T.MEDIASTINUM
    _bones(labels, about, near, half, deep, depth)
    _head(labels, about, near, rng)
    _belly(labels, about, near, rng, deep)
    _heart_and_vessels(labels, about, near, rng)
    left, right = (np.array([1420.0, MID_Y + 5, MID_X + side * half]) for side in (1, -1))
    joints = [np.array([zz, MID_Y, MID_X + s * 95.0]) for zz in (890.0, 460.0) for s in (1, -1)]
    neck = np.array([1500.0, MID_Y, MID_X])
    stations = _stations(near, half, deep)
    return Anatomy(labels, depth, stations, (left, right), neck, (half, deep), "primitives", joints)


def _outline(labels, half: float, deep: float, rng) -> None:
    z = np.arange(SHAPE[0])[:, None, None] * VOXEL_MM
    y = (np.arange(SHAPE[1])[None, :, None] * VOXEL_MM - MID_Y) / deep
    x = (np.arange(SHAPE[2])[None, None] * VOXEL_MM - MID_X) / half
    width = np.interp(
        z,
        (820, 900, 1050, 1250, 1380, 1440, 1470, 1490, 1560),
        (0.95, 1.12 * rng.uniform(0.9, 1.1), rng.uniform(0.82, 1.15), 1.0, 1.05, 1.05, 0.7, 0.36, 0.36),
    )
    thick = np.interp(
        z, (820, 900, 1080, 1300, 1440, 1490), (1.0, 1.05, rng.uniform(0.85, 1.35), 1.0, 0.75, 0.55)
    )
    power = rng.uniform(2.0, 2.8)
    wobble = 0.06 * smooth_noise(SHAPE, 120, rng)
    trunk = (np.abs(x / width) ** power + np.abs(y / thick) ** power < 1 + wobble) & (z > 830) & (z < 1570)
    labels[trunk] = T.WALL
    for side in (1, -1):
        line = [
            (900, MID_Y, MID_X + side * 0.5 * half),
            (460, MID_Y + 5, MID_X + side * rng.uniform(70, 120)),
            (60, MID_Y + 10, MID_X + side * rng.uniform(60, 130)),
        ]
        paint_tube(labels, line, [0.5 * half, 0.34 * half, 0.22 * half], T.WALL)
        paint_tube(labels, [line[-1], (40, MID_Y - 110, line[-1][2])], 32, T.WALL)
    paint_ellipsoid(labels, (1655, MID_Y - 8, MID_X), (112 * rng.uniform(0.9, 1.1), 98, 78), T.WALL)
    paint_ellipsoid(labels, (1580, MID_Y - 40, MID_X), (62, 60, 56), T.WALL)


def _bones(labels, about, near, half: float, deep: float, depth) -> None:
    z, y, _ = np.ix_(*(np.arange(n) * VOXEL_MM for n in labels.shape))
    sheet = np.abs((z - 0.45 * y) / about(27) % 1.0 - 0.5)
    wall = np.abs(depth - about(25)) < 4.5
    labels[wall & (sheet > 0.32) & (z > about(1180, 0.02)) & (z < 1430) & (labels > 0)] = T.BONE
    curve = [near(0, about(45, 0.3), zz, 4) for zz in range(930, 1600, 80)]
    thick = [about(20 - 0.013 * (p[0] - 930), 0.08) for p in curve]
    paint_tube(labels, curve, [t + 3 for t in thick], T.BONE)
    paint_tube(labels, curve, thick, T.MARROW)
    paint_tube(labels, [p + (0, t + 11, 0) for p, t in zip(curve, thick)], 7, T.CORD)
    paint_tube(labels, [near(0, -0.75 * deep, 1260, 4), near(0, -0.6 * deep, 1400, 4)], 10, T.MARROW)
    for side in (1, -1):
        paint_ellipsoid(labels, near(side * 82, 35, 1000), (about(60), about(40), about(16)), T.MARROW)
        hip = near(side * 90, 5, 895, 5)
        paint_ellipsoid(labels, hip, (24, 24, 24), T.MARROW)
        femur = [hip + (-10, 0, side * 35), near(side * 95, 0, 470, 8), near(side * 90, 5, 90, 8)]
        paint_tube(labels, femur, 13, T.BONE, over=(T.WALL,))
        paint_tube(labels, femur, 8, T.LIMB_MARROW)
        paint_tube(
            labels, [near(side * 12, -0.5 * deep, 1410, 4), near(side * 0.9 * half, 0, 1432, 5)], 7, T.BONE
        )
        paint_tube(
            labels,
            [near(side * 80, 0.7 * deep, 1300, 6), near(side * 0.85 * half, 0.2 * deep, 1425, 6)],
            8,
            T.BONE,
        )
        paint_ellipsoid(labels, near(side * 0.95 * half, 0, 1418, 4), (22, 22, 22), T.MARROW)


def _head(labels, about, near, rng) -> None:
    paint_ellipsoid(labels, near(0, -2, 1662, 3), (about(98, 0.04), about(86, 0.05), about(68, 0.05)), T.BONE)
    size = np.array([about(88, 0.08), about(76, 0.07), about(60, 0.07)])
    brain = near(0, 0, 1668, 4)
    paint_ellipsoid(labels, brain, size, T.BRAIN)
    flat = int((brain[0] - about(48, 0.2)) / VOXEL_MM)
    lower = labels[:flat]
    lower[lower == T.BRAIN] = T.MUSCLE
    paint_ellipsoid(labels, near(0, 42, 1612, 4), (about(24), about(28), about(42)), T.CEREBELLUM)
    paint_tube(
        labels,
        [near(0, -55, 1605, 5), near(0, -22, 1560, 5), near(0, -16, 1480, 5), near(0, 0, 1370, 5)],
        8,
        T.AIRWAY,
    )
    paint_ellipsoid(labels, near(0, -52, 1560, 6), (14, 30, 20), T.TONGUE)
    for side in (1, -1):
        for place, radii, tissue in (
            ((32, -76, 1630), (12, 12, 12), T.EYE),
            ((17, -10, 1552), (12, 8, 8), T.TONSIL),
            ((52, -2, 1575), (20, 15, 9), T.GLAND),
            ((32, -36, 1540), (10, 14, 9), T.GLAND),
            ((17, -24, 1462), (20, 9, 9), T.THYROID),
        ):
            point = near(side * place[0], place[1], place[2], 5)
            paint_ellipsoid(labels, point, [about(r, 0.2) for r in radii], tissue)


def _belly(labels, about, near, rng, deep: float) -> None:
    for _ in range(int(rng.integers(2, 4))):
        paint_ellipsoid(
            labels,
            near(-65, -5, 1200, 14),
            (about(70), about(75), about(66)),
            T.LIVER,
            (*INNER, T.LUNG, T.BONE),
        )
    paint_ellipsoid(labels, near(0, -40, 1220, 14), (about(38), about(38), about(66)), T.LIVER, INNER)
    paint_ellipsoid(labels, near(-50, -50, 1145, 10), (about(24), about(14), about(14)), T.GALLBLADDER)
    paint_ellipsoid(
        labels, near(102, 42, 1205, 14), (about(50, 0.3), about(42, 0.2), about(28, 0.2)), T.SPLEEN
    )
    paint_tube(
        labels,
        [near(66, -10, 1225), near(58, -40, 1180), near(0, -50, 1150)],
        [about(36), about(24), about(14)],
        T.STOMACH,
        over=INNER,
    )
    paint_tube(
        labels,
        [near(-34, -12, 1150), near(10, -20, 1165), near(75, 20, 1190)],
        [13, 11, 9],
        T.PANCREAS,
        over=INNER,
    )
    _urinary_tract(labels, about, near)
    _gut(labels, about, near, rng)
    _pelvis(labels, about, near, rng, deep)


def _urinary_tract(labels, about, near) -> None:
    for side in (1, -1):
        kidney = near(side * 64, 42, 1128, 12)
        paint_ellipsoid(labels, kidney, (about(55), about(27), about(28)), T.KIDNEY)
        paint_tube(
            labels,
            [
                kidney + (12, -4, -side * 10),
                kidney + (-16, -8, -side * 22),
                near(side * 34, 26, 1030),
                near(side * 40, 40, 945),
                near(side * 15, 5, 885),
            ],
            [9, 7, 4, 4, 4],
            T.URINE,
        )
        paint_ellipsoid(labels, near(side * 32, 22, 1186, 5), (12, 12, 6), T.ADRENAL)


def _gut(labels, about, near, rng) -> None:
    colon = [
        (-98, -20, 985),
        (-102, -18, 1060),
        (-90, -24, 1115),
        (-20, -70, 1080),
        (60, -66, 1090),
        (100, -4, 1150),
        (106, 10, 1060),
        (90, 0, 985),
        (40, -15, 955),
        (0, 55, 925),
    ]
    paint_tube(labels, [near(*p, 14) for p in colon], [about(19, 0.2) for _ in colon], T.COLON, over=INNER)
    paint_tube(labels, [near(0, 55, 925, 6), near(0, 58, 860, 6)], about(16), T.RECTUM)
    end, loop = near(0, -25, 1060), []
    for _ in range(int(rng.integers(15, 45))):
        end = np.clip(
            end + rng.normal(0, (30, 18, 34)), (935, MID_Y - 66, MID_X - 85), (1120, MID_Y + 6, MID_X + 85)
        )
        loop.append(end)
    paint_tube(labels, loop, about(11, 0.2), T.SMALL_BOWEL, over=INNER)


def _pelvis(labels, about, near, rng, deep: float) -> None:
    fill = rng.uniform(0.45, 1.6)
    paint_ellipsoid(
        labels, near(0, -26 - 6 * fill, 880 + 18 * fill, 7), np.array([30, 32, 40]) * fill, T.BLADDER
    )
    if rng.random() < 0.5:
        paint_ellipsoid(labels, near(4, 8, 930, 8), (about(28), about(28), about(24)), T.UTERUS)
        for side in (1, -1):
            paint_ellipsoid(labels, near(side * 45, 10, 935, 10), (14, 11, 14), T.OVARY)
            paint_ellipsoid(
                labels,
                near(side * 74, -deep, 1315, 8),
                (about(46), about(30), about(44)),
                T.BREAST,
                (T.WALL, T.AIR),
            )
    else:
        paint_ellipsoid(labels, near(0, 0, 858, 5), (18, 18, 22), T.PROSTATE)
        for side in (1, -1):
            paint_ellipsoid(labels, near(side * 20, -75, 800, 5), (21, 16, 15), T.TESTIS, (T.WALL, T.AIR))


def _heart_and_vessels(labels, about, near, rng) -> None:
    paint_tube(
        labels,
        [
            near(8, -30, 1300, 6),
            near(-14, -42, 1375, 6),
            near(4, -10, 1395, 6),
            near(22, 36, 1360, 6),
            near(16, 42, 1270, 6),
            near(8, 16, 1170, 6),
            near(6, 12, 1045, 6),
        ],
        [about(15), 14, 13, 12, 11, 10, 9],
        T.BLOOD,
    )
    for side in (1, -1):
        paint_tube(labels, [near(side * 10, -26, 1405, 5), near(side * 30, 0, 1560, 5)], 6, T.BLOOD)
        paint_tube(
            labels,
            [
                near(side * 8, 22, 1040, 5),
                near(side * 42, 26, 980, 5),
                near(side * 75, -40, 880, 5),
                near(side * 82, -38, 700, 8),
            ],
            6,
            T.BLOOD,
        )
        paint_ellipsoid(
            labels,
            near(side * 8, -50, 1380, 6),
            (about(24, 0.3), about(10, 0.3), about(9, 0.3)),
            T.THYMUS,
            (T.MEDIASTINUM,),
        )
    heart = near(12, -38, 1308)
    paint_ellipsoid(labels, heart, (about(50), about(44), about(52)), T.BLOOD)
    ventricle = heart + (about(-10), about(-9), about(20))
    size = np.array([about(38), about(32), about(34)])
    paint_ellipsoid(labels, ventricle, size, T.MYOCARDIUM)
    paint_ellipsoid(labels, ventricle, size - about(12, 0.2), T.BLOOD)
    paint_tube(labels, [near(0, 26, 1470, 4), near(2, 34, 1380, 4), near(12, 26, 1250, 6)], 7, T.OESOPHAGUS)


def _stations(near: Callable[..., np.ndarray], half: float, deep: float) -> dict[str, np.ndarray]:
    middle: dict[str, list[tuple[float, float, float]]] = {
        "anterior mediastinum": [(-10, -58, 1392), (8, -62, 1330)],
        "paratracheal": [(-18, 0, 1404), (-16, 10, 1360)],
        "subcarinal": [(4, 28, 1338), (6, 34, 1305)],
        "retrocrural": [(6, 30, 1262), (4, 26, 1215)],
        "coeliac": [(-14, -6, 1192), (16, -4, 1176)],
        "mesenteric": [(-36, -36, 1092), (34, -40, 1050)],
        "aortocaval": [(-8, 8, 1168), (-6, 8, 1062)],
        "presacral": [(0, 40, 985), (0, 52, 930)],
    }
    pairs: dict[str, list[tuple[float, float, float]]] = {
        "cervical": [(46, 4, 1568), (52, 12, 1486)],
        "posterior neck": [(44, 40, 1550), (54, 40, 1490)],
        "supraclavicular": [(50, 4, 1466), (86, 2, 1448)],
        "axillary": [(0.9 * half, 8, 1402), (0.92 * half, 10, 1330)],
        "subpectoral": [(0.65 * half, -0.6 * deep, 1395)],
        "hilar": [(42, 18, 1344), (48, 22, 1308)],
        "internal mammary": [(24, -0.75 * deep, 1380), (26, -0.78 * deep, 1300)],
        "para-aortic": [(32, 16, 1172), (28, 12, 1055)],
        "iliac": [(38, 28, 1030), (74, -20, 920)],
        "inguinal": [(82, -0.6 * deep, 872), (84, -0.55 * deep, 800)],
        "popliteal": [(95, 40, 470)],
        "chest wall": [(0.95 * half, 0, 1270)],
    }
    lines = {name: [near(*p, 6) for p in line] for name, line in middle.items()}
    for name, side in (("left", 1), ("right", -1)):
        lines |= {
            f"{name} {station}": [near(side * p[0], p[1], p[2], 8) for p in line]
            for station, line in pairs.items()
        }
    return {name: np.asarray(line) for name, line in lines.items()}
