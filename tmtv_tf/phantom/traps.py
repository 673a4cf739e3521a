"""Uptake that is hot, changes from patient to patient, and is not lymphoma."""

from __future__ import annotations

import numpy as np

from tmtv_tf.phantom.anatomy import VERTEBRA_MM, limbs
from tmtv_tf.phantom.canvas import Canvas
from tmtv_tf.phantom.patient import Patient

# Share of the patients with each of the rarer traps: about twice what is published, so that a small cohort has them
# and a threshold does not do well for want of them. Published: brown fat in 7.5 % of women and 3.1 % of men, more of
# the young and lean (Cypess et al. 2009, N Engl J Med 360:1509); injection site in 15.5 % of 3439 patients in nine
# studies (Osman et al. 2011, Front Oncol 1:41 among them). Metformin: ours.
BROWN_FAT, BROWN_FAT_YOUNG_LEAN = 0.05, 0.30
INJECTION_SITE = 0.35
METFORMIN_OLDER, METFORMIN_YOUNGER = 0.25, 0.15

COLON = [  # caecum to rectum, reference millimetres
    (-98, -22, 985),
    (-102, -18, 1060),
    (-96, -24, 1112),
    (-50, -66, 1085),
    (0, -76, 1068),
    (48, -66, 1088),
    (98, -6, 1150),
    (106, 10, 1080),
    (100, 6, 1000),
    (48, -18, 958),
    (14, 30, 962),
    (0, 58, 925),
    (0, 62, 868),
]


def paint_traps(
    canvas: Canvas, patient: Patient, uptake: dict[str, float], rng: np.random.Generator
) -> list[str]:
    """Paint gut, urine and the rest; the names of the rarer ones that this patient has."""
    names = _gut(canvas, uptake, rng, METFORMIN_OLDER if patient.age_years >= 50 else METFORMIN_YOUNGER)
    names += _urinary_tract(canvas, rng)
    if rng.random() < (BROWN_FAT_YOUNG_LEAN if patient.age_years < 40 and patient.fat_mm < 20 else BROWN_FAT):
        names += _brown_fat(canvas, rng)
    if rng.random() < INJECTION_SITE:
        names += _extravasation(canvas, patient, rng)
    if rng.random() < 0.20:
        names += _muscle_activity(canvas, patient, rng)
    if rng.random() < 0.5:
        names += _inflammation(canvas, patient, rng)
    return names


def _gut(
    canvas: Canvas, uptake: dict[str, float], rng: np.random.Generator, metformin_chance: float
) -> list[str]:
    """Colon in segments, small bowel as a wandering loop; under metformin both glow."""
    metformin = rng.random() < metformin_chance
    strength = float(rng.uniform(4, 9)) if metformin else float(rng.uniform(1.0, 3.0))
    shifts = rng.normal(0, 9, (len(COLON), 3)) * (1, 0.5, 1.3)
    points = [tuple(np.add(p, s)) for p, s in zip(COLON, shifts)]
    levels = uptake["gut"] * np.maximum(0.6, strength * rng.lognormal(0, 0.6, len(points)))
    radii = np.array([24, 23, 20, 18, 18, 18, 19, 17, 16, 15, 16, 18, 17]) * rng.uniform(
        0.7, 1.1, len(points)
    )
    canvas.tube(points, list(radii), list(np.minimum(levels, 14.0)), 35)
    gas = [p for p in points if rng.random() < 0.5]
    for bubble in gas:
        canvas.ellipsoid(bubble, (10, 9, 13), 0.5, -700)
    end = np.array((rng.uniform(-40, 40), -25.0, 1115.0))
    loop = [end]
    for _ in range(44):
        end = np.clip(end + rng.normal(0, (34, 18, 30)), (-88, -66, 935), (88, 8, 1120))
        loop.append(end)
    level = uptake["gut"] * (0.6 * strength if metformin else float(rng.uniform(0.8, 1.5)))
    canvas.tube(loop, 10.5, list(np.clip(level * rng.lognormal(0, 0.35, len(loop)), 0.6, 12)), 30)
    return ["metformin bowel"] if metformin else []


def _urinary_tract(canvas: Canvas, rng: np.random.Generator) -> list[str]:
    """Renal pelvis, pieces of ureter, bladder: any size, any concentration."""
    urine = float(rng.lognormal(np.log(14), 0.6))
    for side in (-1, 1):
        z = 1128 + float(rng.normal(0, 8))
        pelvis = min(urine, 30) * float(rng.uniform(0.25, 0.9))
        canvas.tube([(side * 50, 40, z - 8), (side * 52, 42, z + 10)], [7, 9], pelvis, 8)
        for height in (-26, 2, 28):
            if rng.random() < 0.75:
                canvas.ellipsoid((side * (62 - 0.1 * height), 46, z + height), (8, 8, 9), 0.8 * pelvis, 10)
        path = [(side * 44, 38, z - 25), (side * 32, 30, 1060), (side * 36, 26, 1000), (side * 44, 40, 940),
                (side * 20, 10, 890)]  # fmt: skip
        for a, b in zip(path, path[1:]):
            start = float(rng.uniform(0, 0.7))
            ends = [
                np.add(a, np.subtract(b, a) * t) for t in (start, min(1.0, start + rng.uniform(0.15, 0.6)))
            ]
            if rng.random() < 0.55:
                canvas.tube([tuple(e) for e in ends], 3.2, pelvis, 10)
    fill = float(rng.uniform(0.55, 1.35))
    canvas.ellipsoid((rng.normal(0, 5), -26 - 6 * fill, 880 + 20 * fill), (40 * fill, 32 * fill, 30 * fill),
                     min(urine, 45.0), 6)  # fmt: skip
    return []


def _brown_fat(canvas: Canvas, rng: np.random.Generator) -> list[str]:
    """Neck, supraclavicular and paravertebral brown fat: hot on PET, fat on CT, on both sides alike."""
    level = float(rng.uniform(3, 14))
    for side in (-1, 1):
        canvas.tube(
            [(side * 42, 14, 1510), (side * 62, 16, 1462), (side * 118, 16, 1428)], [7, 12, 8], level, -85
        )
        canvas.tube([(side * 128, 22, 1400), (side * 140, 22, 1370)], 8, 0.7 * level, -85)
        for k in range(7):
            z = 1430 - k * VERTEBRA_MM * 0.85
            canvas.ellipsoid((side * 25, 66, z), (5, 6, 7), level * float(rng.uniform(0.4, 0.9)), -80)
    return ["brown fat"]


def _extravasation(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> list[str]:
    """Tracer left at the injection site, along the vein and in a draining axillary node."""
    line = limbs(patient)[1 if rng.random() < 0.5 else 3][0]
    a, b = np.asarray(line[1]), np.asarray(line[2])
    site = a + (b - a) * float(rng.uniform(-0.05, 0.6)) + (0, -18, 0)
    level, size = float(rng.uniform(6, 50)), float(rng.uniform(6, 17))
    canvas.ellipsoid(tuple(site), (size, size * 0.7, size * 1.6), level)
    if rng.random() < 0.5:
        canvas.tube(
            [tuple(site), tuple(np.asarray(line[1]) + (0, -14, 0)), tuple(line[0])], 3.5, 0.15 * level
        )
    return ["injection site"]


def _muscle_activity(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> list[str]:
    """Muscles used or under insulin: neck, shoulders, psoas, thighs."""
    level = float(rng.uniform(2.0, 5.0))
    groups = [
        [[(s * 40, 5, 1570), (s * 30, -20, 1430)] for s in (-1, 1)],
        [[(s * 60, 50, 1500), (s * 140, 45, 1430)] for s in (-1, 1)],
        [[(s * 42, 45, 1120), (s * 58, 30, 1010), (s * 90, -20, 900)] for s in (-1, 1)],
        [[(s * 95, -40, 850), (s * 95, -40, 680)] for s in (-1, 1)],
    ]
    chosen = rng.choice(len(groups), size=int(rng.integers(1, 4)), replace=False)
    for group in sorted(int(g) for g in chosen):
        thickness = (9, 11, 15, 24)[group]
        for points in groups[group]:
            belly = [np.add(points[0], np.subtract(points[-1], points[0]) * t) for t in (0.3, 0.65)]
            line = [points[0], *(belly if len(points) == 2 else points[1:-1]), points[-1]]
            radii = [0.4 * thickness, *[thickness] * (len(line) - 2), 0.4 * thickness]
            canvas.tube(line, radii, level * float(rng.uniform(0.7, 1.2)), 55)
    return ["muscle"]


def _inflammation(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> list[str]:
    """Worn joints, a healing rib, a patch of pneumonia, teeth."""
    for points, _ in limbs(patient)[1::2]:
        if rng.random() < 0.5:
            canvas.ellipsoid(points[0], (26, 26, 26), float(rng.uniform(1.2, 2.6)))
    if rng.random() < 0.4:
        side = -1 if rng.random() < 0.5 else 1
        place = (side * rng.uniform(55, 95), rng.uniform(-20, 50), rng.uniform(1260, 1390))
        canvas.ellipsoid(place, tuple(rng.uniform(9, 24, 3)), float(rng.uniform(1.5, 5)), -300)
    if rng.random() < 0.4:
        side = -1 if rng.random() < 0.5 else 1
        canvas.ellipsoid((side * 30, -68, 1552), (6, 6, 6), float(rng.uniform(2, 6)), 500)
    if rng.random() < 0.3:
        side = -1 if rng.random() < 0.5 else 1
        canvas.ellipsoid(
            (side * 138, rng.uniform(-30, 50), rng.uniform(1200, 1330)),
            (8, 8, 8),
            float(rng.uniform(2, 4.5)),
            350,
        )
    return ["inflammation"]
