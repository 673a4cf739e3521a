"""The normal body: outlines, bones, organs and vessels, painted from the skin inwards.

Uptake values are SUVbw at 60 min, mean and spread between patients, after Wang et al. 2007 (Mol Imaging Biol 9:83,
98 patients: cerebellum 8.0 +- 2.2, palatine tonsils 3.45 +- 1.4, testes 2.6 +- 0.6 ...) and
Dias et al. 2022 (EJNMMI Res 12:15, 126 patients), rounded. Densities are usual CT numbers.
"""

from __future__ import annotations

import numpy as np

from tmtv_tf.phantom.canvas import Array, Box, Canvas, Point, smooth_noise
from tmtv_tf.phantom.patient import Patient

# name: (mean, standard deviation, lowest) of SUVbw between patients
UPTAKE = {
    "fat": (0.30, 0.07, 0.12),
    "muscle": (0.70, 0.13, 0.4),
    "lung": (0.45, 0.10, 0.2),
    "blood": (1.75, 0.28, 1.0),
    "marrow": (1.50, 0.40, 0.7),
    "grey": (9.5, 2.4, 4.0),
    "white": (4.2, 0.9, 2.0),
    "cerebellum": (8.0, 2.0, 3.5),
    "tonsil": (3.4, 1.2, 1.2),
    "gland": (2.0, 0.6, 0.9),
    "liver": (2.35, 0.42, 1.4),
    "spleen": (1.90, 0.35, 1.1),
    "pancreas": (1.50, 0.35, 0.8),
    "kidney": (2.6, 0.6, 1.4),
    "gut": (1.5, 0.4, 0.7),
    "stomach": (2.2, 0.7, 1.0),
    "testis": (2.6, 0.6, 1.2),
    "breast": (0.75, 0.2, 0.35),
    "thyroid": (1.5, 0.4, 0.8),
}

# The trunk without its fat: half width, half depth and centre (y) at heights z, reference millimetres.
TRUNK = np.array(
    [  # z, half width, half depth, y of the centre
        (800, 150, 84, 8),
        (850, 160, 90, 8),
        (930, 165, 95, 5),
        (1000, 156, 92, 0),
        (1060, 140, 86, -2),
        (1140, 137, 88, -2),
        (1220, 146, 96, 0),
        (1300, 152, 102, 0),
        (1360, 155, 100, 2),
        (1410, 160, 86, 10),
        (1440, 152, 72, 18),
        (1462, 112, 62, 22),
        (1485, 70, 58, 20),
        (1520, 58, 57, 15),
        (1560, 56, 60, 10),
        (1600, 54, 66, 5),
    ],
    float,
)
SPINE = [  # centre of the vertebral bodies from the thigh end up, and radius
    ((0, 88, 905), 8),
    ((0, 96, 950), 13),
    ((0, 82, 1000), 20),
    ((0, 52, 1050), 21),
    ((0, 40, 1110), 21),
    ((0, 46, 1190), 20),
    ((0, 60, 1270), 18),
    ((0, 66, 1350), 16),
    ((0, 58, 1420), 14),
    ((0, 36, 1480), 11),
    ((0, 24, 1540), 11),
    ((0, 26, 1590), 11),
]
VERTEBRA_MM = 33.0


def draw_uptake(rng: np.random.Generator) -> dict[str, float]:
    """SUV of each tissue in one patient."""
    return {
        name: max(lowest, float(rng.normal(mean, spread))) for name, (mean, spread, lowest) in UPTAKE.items()
    }


def paint_body(canvas: Canvas, patient: Patient, uptake: dict[str, float], rng: np.random.Generator) -> None:
    """Everything normal that hardly moves between patients but for size, shape and level of uptake."""
    _soft_outline(canvas, patient, uptake)
    _lungs(canvas, uptake)
    _skeleton(canvas, patient, uptake, rng)
    _head_and_neck(canvas, uptake, rng)
    _vessels_and_heart(canvas, uptake, rng)
    _abdomen(canvas, uptake, rng)
    _pelvis(canvas, patient, uptake, rng)
    canvas.suv *= np.exp(0.07 * smooth_noise(canvas.geometry, 18.0, rng))


def trunk_distance(canvas: Canvas, box: Box, grow_mm: float = 0.0, belly_mm: float = 0.0) -> Array:
    """Approximate signed distance to the trunk's muscle wall, moved out by `grow_mm` and further at the belly."""
    x, y, _ = canvas.coordinates(box)
    z = canvas.axes[2][box[0]]
    a, b, centre = (np.interp(z, TRUNK[:, 0], TRUNK[:, k]) for k in (1, 2, 3))
    fade = np.interp(z, (1400, 1500), (1.0, 0.25))
    belly = belly_mm * np.exp(-(((z - 1090) / 110) ** 2))
    a, b, centre = a + grow_mm * fade + 0.5 * belly, b + grow_mm * fade + belly, centre - 0.6 * belly
    a, b, centre, z = (column.astype(np.float32)[:, None, None] for column in (a, b, centre, z))
    u = np.square(x / a)
    v = np.square((y - centre) / b)
    # between an ellipse and a rounded box
    radius = 0.65 * (u + v) + 0.35 * np.sqrt(u * u + v * v)
    return np.maximum((np.sqrt(radius) - 1) * np.minimum(a, b), 800 - z)


def limbs(patient: Patient) -> list[tuple[list[Point], list[float]]]:
    """Centre lines and muscle radii: right leg, right arm, left leg, left arm."""
    lines: list[tuple[list[Point], list[float]]] = []
    for side in (-1, 1):
        lines.append(([(side * 88, 12, 880), (side * 96, 8, 640)], [74.0, 64.0]))
        shoulder: Point = (side * 160, 14, 1412)
        if patient.arms_up:
            points: list[Point] = [shoulder, (side * 215, -30, 1570), (side * 150, -60, 1790)]
        else:
            points = [shoulder, (side * 222, 28, 1160), (side * 205, -18, 930), (side * 196, -42, 800)]
        lines.append((points, [44.0, 36.0, 29.0, 22.0][: len(points)]))
    return lines


def _soft_outline(canvas: Canvas, patient: Patient, uptake: dict[str, float]) -> None:
    fat = patient.fat_mm
    whole = (slice(None), slice(None), slice(None))
    heads = [((0, -6, 1652), (74, 94, 108)), ((0, -42, 1580), (50, 56, 62))]
    for grow, suv, hu, belly in ((fat, uptake["fat"], -100, 0.8 * fat), (0.0, uptake["muscle"], 45, 0.0)):
        skin = 3.0 + 0.15 * grow
        canvas.paint(whole, canvas.inside(trunk_distance(canvas, whole, grow, belly)), suv, hu)
        for points, radii in limbs(patient):
            canvas.tube(points, [r + 0.55 * grow for r in radii], suv, hu)
        for centre, size in heads:
            canvas.ellipsoid(centre, [r - 6 + skin for r in size], suv, hu)
    # the abdominal cavity: fat between the organs, the gut is laid in later
    box = canvas.box((-160, -120, 880), (160, 100, 1290))
    wall = trunk_distance(canvas, box, -20.0)
    x, _, z = canvas.coordinates(box)
    floor = 868 + 0.0035 * np.square(x)  # the pelvic floor rises to the sides
    cavity = np.maximum(wall, np.maximum(floor - z, z - 1275))
    canvas.paint(box, canvas.inside(cavity), uptake["fat"] * 1.5, -95)


def _lungs(canvas: Canvas, uptake: dict[str, float]) -> None:
    for centre, radii in (((-74, 4, 1330), (62, 84, 138)), ((76, 10, 1328), (56, 80, 138))):
        canvas.ellipsoid(centre, radii, uptake["lung"], -790)


def _skeleton(canvas: Canvas, patient: Patient, uptake: dict[str, float], rng: np.random.Generator) -> None:
    marrow = uptake["marrow"]
    # ribs: where the chest wall meets tilted, evenly spaced sheets
    box = canvas.box((-165, -110, 1180), (165, 115, 1425))
    _, y, z = canvas.coordinates(box)
    wall = np.abs(trunk_distance(canvas, box, -11.0)) - 5.0
    sheet = np.abs((z - 0.45 * y) / 27.0 % 1.0 - 0.5) * 27.0
    ribs = np.maximum(np.maximum(wall, 8.5 - sheet), np.maximum(1175 - z, z - 1420))
    canvas.paint(box, canvas.inside(ribs), 0.7 * marrow, 380)
    canvas.tube([(0, -92, 1275), (0, -90, 1340), (0, -72, 1408)], [9, 11, 14], 0.8 * marrow, 260)
    for side in (-1, 1):
        canvas.tube([(side * 12, -62, 1416), (side * 150, -2, 1440)], 6.5, 0.6 * marrow, 420)
        canvas.tube([(side * 70, 92, 1300), (side * 96, 84, 1400), (side * 150, 25, 1425)], [6, 6, 10],
                    0.7 * marrow, 330)  # fmt: skip
    # spine: cortex and marrow, paler at the discs, and the canal behind
    points: list[Point] = [p for p, _ in SPINE]
    radii = [r for _, r in SPINE]
    canvas.tube(points, [r + 3 for r in radii], 0.7, 360)
    for (a, b), (ra, rb) in zip(zip(points, points[1:]), zip(radii, radii[1:])):
        box, distance, _ = canvas.segment(a, b, ra, rb)
        disc = (np.cos(2 * np.pi * canvas.z_mm[box] / VERTEBRA_MM) > 0.80).astype(np.float32)
        canvas.paint(box, canvas.inside(distance), marrow * (1 - 0.45 * disc), 210 - 110 * disc)
    canvas.tube([(p[0], p[1] + r + 11, p[2]) for p, r in SPINE[2:]], 7.5, 1.6, 35)
    for side in (-1, 1):  # pelvis and proximal femur
        for shell, suv, hu in ((3.0, 0.7, 420), (-1.0, marrow, 180)):
            canvas.ellipsoid((side * 82, 42, 1000), (14 + shell, 48 + shell, 58 + shell), suv, hu,
                             ("y", side * 28.0))  # fmt: skip
            canvas.tube([(side * 70, 40, 950), (side * 88, 14, 896)], [15 + shell, 22 + shell], suv, hu)
            canvas.tube([(side * 88, 14, 890), (side * 60, 50, 838)], [10 + shell, 9 + shell], suv, hu)
            canvas.tube([(side * 92, 12, 893), (side * 132, 14, 868)], [19 + shell, 16 + shell], suv, hu)
            shaft = 0.75 if shell > 0 else 0.45
            canvas.tube(
                [(side * 128, 14, 862), (side * 100, 6, 640)], [13 + shell, 10 + shell], suv * shaft, hu + 260
            )
    for arm, _ in limbs(patient)[1::2]:
        canvas.ellipsoid(arm[0], (22, 22, 22), 0.9 * marrow, 280)
        canvas.tube(arm[:2], [11, 10], 0.6 * marrow, 520)
        canvas.tube(arm[1:], 8, 0.3, 520)


def _head_and_neck(canvas: Canvas, uptake: dict[str, float], rng: np.random.Generator) -> None:
    canvas.ellipsoid((0, -4, 1660), (70, 88, 98), 0.9, 900)
    canvas.ellipsoid((0, -4, 1662), (64, 82, 92), uptake["white"], 36)
    box, distance = canvas.ellipsoid_distance((0, -4, 1664), (63, 81, 90))
    folds = np.sin(canvas.x_mm[box] / 7.5) * np.sin(canvas.y_mm[box] / 8.5) * np.sin(canvas.z_mm[box] / 8.0)
    cortex = canvas.inside(np.abs(distance + 9 + 4 * folds) - 7.5) * (canvas.z_mm[box] > 1600)
    canvas.paint(box, cortex, uptake["grey"])
    for side in (-1, 1):
        canvas.ellipsoid((side * 20, -4, 1662), (13, 24, 16), uptake["grey"])  # basal ganglia
        canvas.ellipsoid((side * 32, -78, 1628), (12, 12, 12), 0.7, 15)  # eyes
        canvas.ellipsoid(
            (side * 17, -12, 1548), (7, 8, 11), uptake["tonsil"] * float(rng.uniform(0.8, 1.2)), 45
        )
        canvas.ellipsoid((side * 52, -2, 1572), (9, 15, 20), uptake["gland"], 15)  # parotid
        canvas.ellipsoid((side * 34, -38, 1538), (9, 14, 10), uptake["gland"] * 1.1, 40)  # submandibular
        canvas.ellipsoid((side * 17, -22, 1462), (9, 9, 20), uptake["thyroid"], 90)
        canvas.ellipsoid((side * 7, -34, 1490), (5, 10, 5), float(rng.uniform(1.5, 3.5)), 50)  # vocal cords
    canvas.ellipsoid((0, 42, 1606), (44, 30, 24), uptake["cerebellum"], 36)
    canvas.tube([(0, -55, 1610), (0, -22, 1580), (0, -18, 1520), (0, -20, 1480)], [13, 8, 7, 7], 0.4, -950)
    canvas.tube([(0, -66, 1560), (0, -40, 1548)], 15, float(rng.uniform(1.4, 2.4)), 50)  # tongue
    canvas.tube(
        [(-38, -30, 1556), (-22, -78, 1548), (22, -78, 1548), (38, -30, 1556)], 6, 1.2, 700
    )  # mandible


def _vessels_and_heart(canvas: Canvas, uptake: dict[str, float], rng: np.random.Generator) -> None:
    blood = uptake["blood"]
    canvas.ellipsoid((0, 5, 1345), (30, 46, 80), 0.75 * blood, 20)  # mediastinum
    canvas.tube([(0, -20, 1480), (0, -6, 1420), (0, 14, 1366)], 8, 0.4, -950)  # trachea
    for side in (-1, 1):
        canvas.tube([(0, 14, 1366), (side * 38, 18, 1338)], 6, 0.5, -800)
        canvas.tube([(side * 12, -26, 1405), (side * 28, -8, 1490), (side * 32, 0, 1560)], 6, blood, 45)
        canvas.tube([(side * 8, 26, 1040), (side * 40, 30, 985), (side * 72, -42, 880), (side * 80, -40, 700)],
                    [8, 7, 7, 6], blood, 45)  # fmt: skip
    canvas.tube([(8, -30, 1300), (-16, -42, 1370), (-2, -22, 1396), (20, 20, 1392), (22, 40, 1360),
                 (16, 44, 1270), (8, 18, 1180), (6, 12, 1040)], [15, 15, 14, 13, 12, 12, 10, 9], blood, 45)  # fmt: skip
    canvas.tube([(-26, -22, 1410), (-28, -24, 1330)], 10, blood, 45)
    canvas.tube([(-26, 14, 1240), (-20, 16, 1040)], 10, blood, 42)
    canvas.tube(
        [(2, 26, 1470), (2, 38, 1380), (12, 34, 1260)], 7, float(rng.uniform(1.5, 2.4)), 35
    )  # oesophagus
    canvas.ellipsoid((12, -40, 1308), (52, 44, 50), blood, 42)
    # left ventricle: fasting suppresses the myocardium in some patients, in others it outshines every lymphoma
    level = float(np.exp(rng.uniform(np.log(1.6), np.log(14))))
    centre = (32 + rng.normal(0, 6), -48 + rng.normal(0, 5), 1298 + rng.normal(0, 8))
    box, distance = canvas.ellipsoid_distance(centre, (33, 33, 46), ("y", -48.0))
    patchy = level * np.clip(1 + 0.25 * smooth_noise(canvas.geometry, 30.0, rng)[box], 0.3, 1.6)
    canvas.paint(box, canvas.inside(distance), patchy, 55)
    canvas.ellipsoid((centre[0], centre[1], centre[2]), (21, 21, 36), blood, 45, ("y", -48.0))


def _abdomen(canvas: Canvas, uptake: dict[str, float], rng: np.random.Generator) -> None:
    low = float(rng.normal(0, 8))  # breathing
    liver, spleen = uptake["liver"], uptake["spleen"]
    canvas.ellipsoid((-72, 2, 1205 + low), (76, 84, 86), liver, 58)
    canvas.ellipsoid((-6, -46, 1226 + low), (72, 40, 44), liver, 58, ("y", 14.0))
    canvas.ellipsoid((-50, -52, 1140 + low), (14, 15, 26), 0.6, 8)  # gallbladder
    size = float(rng.uniform(0.88, 1.2))
    canvas.ellipsoid((106, 46, 1212 + low), (30 * size, 44 * size, 54 * size), spleen, 52, ("y", 16.0))
    wall = uptake["stomach"] * (float(rng.uniform(1.2, 2.2)) if rng.random() < 0.3 else 1.0)
    fundus = (62, -14, 1222 + low)
    for grow, suv, hu in ((0.0, wall, 45), (-8.0, 0.7, 15)):
        canvas.ellipsoid(fundus, (38 + grow, 42 + grow, 44 + grow), suv, hu)
        canvas.tube(
            [(62, -22, 1200 + low), (44, -58, 1160), (0, -50, 1148)],
            [28 + grow, 22 + grow, 15 + grow],
            suv,
            hu,
        )
    canvas.tube([(-34, -12, 1150), (10, -20, 1166), (80, 25, 1192)], [13, 10, 9], uptake["pancreas"], 38)
    for side, height in ((-1, 1122), (1, 1136)):
        z = height + low * 0.6 + float(rng.normal(0, 5))
        canvas.ellipsoid((side * 66, 48, z), (28, 26, 56), uptake["kidney"], 36, ("y", side * 12.0))
        canvas.ellipsoid((side * 32, 22, z + 58), (6, 14, 12), 1.4, 25)  # adrenal


def _pelvis(canvas: Canvas, patient: Patient, uptake: dict[str, float], rng: np.random.Generator) -> None:
    if patient.sex == "M":
        canvas.ellipsoid((0, 2, 862), (22, 18, 18), 1.5, 42)
        for side in (-1, 1):
            canvas.ellipsoid((side * 20, -72, 792), (16, 17, 22), uptake["testis"], 35)
    else:
        menses = float(rng.uniform(1.2, 1.8)) if patient.age_years > 50 else float(rng.uniform(1.5, 4.5))
        canvas.ellipsoid((6, 8, 925), (24, 30, 28), menses, 48)
        for side in (-1, 1):
            canvas.ellipsoid(
                (side * 74, -98 - 0.5 * patient.fat_mm, 1310), (46, 34, 48), uptake["breast"], -40
            )
