"""Lymphoma: which nodal stations and organs are involved, how large and how hot, and the painting of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmtv_tf.phantom.canvas import Array, Canvas, ellipsoid_distance, smooth_noise
from tmtv_tf.phantom.patient import Patient

MIN_LESION_ML, MAX_LESION_ML = 0.3, 800.0
MIN_SUV, MAX_SUV = 3.0, 31.0  # painted; noise and blur take the measured SUVmax to about 2.5 and 35

Line = list[tuple[float, float, float]]

# Nodal stations as lines of the reference adult; "left" ones are mirrored for the right side.
MIDLINE: dict[str, Line] = {
    "anterior mediastinum": [(-14, -52, 1392), (8, -58, 1340)],
    "paratracheal": [(-20, 2, 1404), (-16, 10, 1362)],
    "subcarinal": [(4, 30, 1338), (6, 36, 1308)],
    "retrocrural": [(6, 38, 1262), (4, 30, 1215)],
    "coeliac": [(-14, -6, 1192), (16, -4, 1176)],
    "mesenteric": [(-36, -36, 1092), (34, -40, 1060)],
    "aortocaval": [(-8, 14, 1168), (-6, 12, 1062)],
}
PAIRED: dict[str, Line] = {
    "cervical": [(48, 4, 1568), (52, 12, 1488)],
    "supraclavicular": [(50, 6, 1466), (84, 4, 1452)],
    "axillary": [(150, 12, 1402), (140, 14, 1338)],
    "hilar": [(44, 20, 1344), (48, 26, 1310)],
    "internal mammary": [(24, -82, 1380), (26, -86, 1310)],
    "para-aortic": [(32, 20, 1172), (28, 16, 1058)],
    "iliac": [(38, 30, 1030), (74, -22, 920)],
    "inguinal": [(84, -66, 872), (82, -64, 800)],
}
# Where a bulky mass finds room.
ROOMY = (
    "anterior mediastinum",
    "paratracheal",
    "coeliac",
    "mesenteric",
    "aortocaval",
    "axillary",
    "para-aortic",
    "iliac",
)
BONE_SITES = [  # centres and how far along the bone a focus may lie
    ((0, 44, 1130), (8, 8, 60)),
    ((0, 62, 1310), (6, 6, 70)),
    ((0, 90, 985), (14, 6, 25)),
    ((82, 42, 1000), (8, 20, 36)),
    ((-82, 42, 1000), (8, 20, 36)),
    ((104, 10, 820), (4, 4, 60)),
    ((-104, 10, 820), (4, 4, 60)),
    ((160, 14, 1410), (8, 8, 8)),
    ((-160, 14, 1410), (8, 8, 8)),
    ((0, -90, 1340), (4, 3, 40)),
]
# How often a station of a patient is involved; unlisted: `other`.
INVOLVEMENT = {
    "HL": {
        "anterior mediastinum": 0.75,
        "paratracheal": 0.5,
        "subcarinal": 0.3,
        "cervical": 0.5,
        "supraclavicular": 0.55,
        "axillary": 0.25,
        "hilar": 0.25,
        "internal mammary": 0.12,
        "other": 0.08,
    },
    "DLBCL": {
        "coeliac": 0.25,
        "mesenteric": 0.3,
        "para-aortic": 0.28,
        "cervical": 0.25,
        "iliac": 0.2,
        "other": 0.16,
    },
    "FL": {
        "mesenteric": 0.55,
        "para-aortic": 0.5,
        "aortocaval": 0.4,
        "iliac": 0.45,
        "inguinal": 0.5,
        "axillary": 0.45,
        "cervical": 0.4,
        "other": 0.25,
    },
}


@dataclass(frozen=True)
class Burden:
    """What distinguishes the subtypes. Volumes in mL before blurring, SUV before blurring."""

    bulk_probability: float
    bulk_ml: tuple[float, float]  # median and log standard deviation
    node_ml: tuple[float, float]
    nodes_per_station: float
    suv: tuple[float, float]  # median and log standard deviation between patients
    spleen: float
    bone: float
    organ: float


BURDEN = {
    "HL": Burden(0.65, (130, 0.6), (5.0, 1.0), 2.3, (8.0, 0.40), 0.18, 0.15, 0.05),
    "DLBCL": Burden(0.75, (210, 0.75), (8.0, 1.1), 1.8, (13.0, 0.45), 0.20, 0.28, 0.30),
    "FL": Burden(0.55, (150, 0.7), (6.0, 0.9), 2.4, (6.2, 0.37), 0.22, 0.22, 0.08),
}


@dataclass(frozen=True)
class Lesion:
    """One lesion to paint; `parts` (centre, radii) in reference millimetres overlap and merge."""

    site: str
    parts: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    suv: float
    heterogeneity: float  # standard deviation of log uptake inside
    necrosis: float  # share of the inner radius that is cold
    hu: float | None


def draw_lesions(patient: Patient, rng: np.random.Generator) -> list[Lesion]:
    """1 to 40 lesions along the patient's involved stations, one or more of them perhaps bulky, and organ foci."""
    burden, extent = BURDEN[patient.subtype], float(rng.lognormal(0, 0.45))
    size = float(rng.lognormal(0, 0.45))  # large lesions come together: heavy tail of TMTV
    shrink = float(np.prod(patient.scale_xyz)) ** (-1 / 3)  # volumes are the patient's own millilitres
    level = float(rng.lognormal(np.log(burden.suv[0]), burden.suv[1]))
    lines = _involved_stations(patient.subtype, extent, rng)
    roomy = [
        i for i, (site, _) in enumerate(lines) if site.removeprefix("left ").removeprefix("right ") in ROOMY
    ]
    bulky = []
    if roomy and rng.random() < burden.bulk_probability:
        count = min(len(roomy), 1 + int(rng.poisson(0.25 * extent * size)))
        bulky = list(rng.choice(roomy, size=count, replace=False))
    lesions = []
    for i, (site, line) in enumerate(lines):
        if i in bulky:
            volume = _draw_volume(burden.bulk_ml, size, rng, lowest=40.0)
            lesions.append(_mass(site, line, volume, _draw_suv(level * 1.15, rng), shrink, rng))
        for _ in range(1 + int(rng.poisson(max(0.0, burden.nodes_per_station * extent - 1)))):
            volume = _draw_volume(burden.node_ml, size, rng)
            lesions.append(_node(site, line, volume, _draw_suv(level, rng), shrink, rng))
    lesions += _organ_lesions(burden, level, extent, size, shrink, rng)
    low, high = patient.scan_bottom_mm + 15, patient.scan_top_mm - 15
    seen = [lesion for lesion in lesions if low < lesion.parts[0][0][2] < high]
    return (seen or lesions[:1])[:40]


def paint_lesions(
    canvas: Canvas, lesions: Sequence[Lesion], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Paint the lesions; labels 1..N (Z, Y, X) of the voxels at least half inside (a later one wins)."""
    labels = np.zeros(canvas.geometry.shape, np.uint8)
    texture = smooth_noise(canvas.geometry, 13.0, rng)
    ragged = smooth_noise(canvas.geometry, 22.0, rng)
    for number, lesion in enumerate(lesions, start=1):
        centres = np.array([centre for centre, _ in lesion.parts])
        reach = max(max(radii) for _, radii in lesion.parts) * 1.3
        box = canvas.box(centres.min(axis=0) - reach, centres.max(axis=0) + reach)
        distance = _mass_distance(canvas, box, lesion)
        size = float(np.mean(lesion.parts[0][1]))
        distance = distance + ragged[box] * min(0.14 * size, 5.0)
        share = canvas.inside(distance)
        uptake = lesion.suv * np.exp(lesion.heterogeneity * (texture[box] - 0.7))
        if lesion.necrosis > 0:
            depth = -distance - size * (1 - lesion.necrosis) + 5 * texture[box]
            uptake = uptake * (1 - 0.85 * np.clip(depth / 8, 0, 1))
        canvas.paint(box, share, np.clip(uptake, 0.8, MAX_SUV), lesion.hu)
        labels[box][share >= 0.5] = number
    return labels


def _mass_distance(canvas: Canvas, box: tuple[slice, slice, slice], lesion: Lesion) -> Array:
    """Signed distance to the smooth union of the parts (polynomial smooth minimum)."""
    coordinates = canvas.coordinates(box)
    result: Array | None = None
    for centre, radii in lesion.parts:
        distance = ellipsoid_distance([c - float(c0) for c, c0 in zip(coordinates, centre)], radii)
        if result is None:
            result = distance
        else:
            blend = np.maximum(8.0 - np.abs(result - distance), 0) / 8.0
            result = np.minimum(result, distance) - 2.0 * blend**2
    if result is None:
        raise ValueError(f"The lesion {lesion.site} has no parts.")
    return result


def _involved_stations(subtype: str, extent: float, rng: np.random.Generator) -> list[tuple[str, Line]]:
    chances = INVOLVEMENT[subtype]
    stations = list(MIDLINE.items())
    for side in ("left", "right"):
        sign = 1 if side == "left" else -1
        stations += [
            (f"{side} {name}", [(sign * x, y, z) for x, y, z in line]) for name, line in PAIRED.items()
        ]
    draws = rng.random(len(stations))
    odds = [
        chances.get(name.removeprefix("left ").removeprefix("right "), chances["other"])
        for name, _ in stations
    ]
    involved = [station for station, draw, p in zip(stations, draws, odds) if draw < min(0.92, p * extent)]
    return involved or [stations[int(np.argmin(draws / np.asarray(odds)))]]


def _draw_volume(
    median_sd: tuple[float, float], size: float, rng: np.random.Generator, lowest: float = MIN_LESION_ML
) -> float:
    return float(np.clip(size * rng.lognormal(np.log(median_sd[0]), median_sd[1]), lowest, MAX_LESION_ML))


def _draw_suv(level: float, rng: np.random.Generator) -> float:
    return float(np.clip(rng.lognormal(np.log(level), 0.33), MIN_SUV, MAX_SUV))


def _node(site: str, line: Sequence[tuple[float, float, float]], volume_ml: float, suv: float, shrink: float,
          rng: np.random.Generator) -> Lesion:  # fmt: skip
    start, end = np.asarray(line[0]), np.asarray(line[-1])
    radius = (volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3) * shrink
    centre = start + (end - start) * rng.random() + rng.normal(0, 5 + 0.25 * radius, 3)
    shape = np.exp(rng.normal(0, 0.18, 3))
    radii = radius * shape / float(np.prod(shape)) ** (1 / 3)
    return Lesion(site, ((tuple(centre), tuple(radii)),), suv, float(rng.uniform(0.08, 0.22)), 0.0, 45.0)


def _mass(site: str, line: Sequence[tuple[float, float, float]], volume_ml: float, suv: float, shrink: float,
          rng: np.random.Generator) -> Lesion:  # fmt: skip
    """A bulky mass: four to nine lumps grown together, often with a cold centre."""
    start, end = np.asarray(line[0]), np.asarray(line[-1])
    middle = start + (end - start) * rng.random()
    whole = (volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3) * shrink
    lumps = int(rng.integers(4, 10))
    parts = []
    for k in range(lumps):
        radius = whole * (0.66 if k == 0 else float(rng.uniform(0.36, 0.58)))
        direction = rng.normal(0, 1, 3) * (0.85, 0.7, 1.15)
        centre = middle + (0 if k == 0 else 1) * direction / np.linalg.norm(direction) * whole * 0.62
        parts.append((tuple(centre), tuple(radius * np.exp(rng.normal(0, 0.12, 3)))))
    necrosis = float(rng.uniform(0.25, 0.55)) if volume_ml > 90 and rng.random() < 0.5 else 0.0
    return Lesion(site, tuple(parts), suv, float(rng.uniform(0.18, 0.38)), necrosis, 42.0)


def _organ_lesions(
    burden: Burden, level: float, extent: float, size: float, shrink: float, rng: np.random.Generator
) -> list[Lesion]:
    lesions = []
    sites: list[tuple[str, float, list[tuple[tuple[float, ...], tuple[float, ...]]], float | None]] = [
        ("spleen", burden.spleen, [((106, 46, 1212), (12, 18, 26))], None),
        ("bone", burden.bone, [(c, s) for c, s in BONE_SITES], None),
        ("liver", burden.organ * 0.4, [((-72, 2, 1205), (30, 34, 34))], None),
        ("lung", burden.organ * 0.4, [((-74, 4, 1330), (25, 40, 60)), ((80, 10, 1330), (22, 40, 60))], 30.0),
        ("stomach", burden.organ * 0.4, [((44, -50, 1170), (14, 8, 14))], 40.0),
        ("small bowel", burden.organ * 0.4, [((20, -40, 1020), (40, 10, 30))], 40.0),
    ]
    for site, chance, places, hu in sites:
        if rng.random() >= min(0.8, chance * extent):
            continue
        for _ in range(1 + int(rng.poisson(1.6 if site in ("spleen", "bone") else 0.3))):
            centre, spread = places[int(rng.integers(len(places)))]
            where = np.asarray(centre) + np.asarray(spread) * rng.uniform(-1, 1, 3)
            volume = _draw_volume(
                (8.0 if site in ("stomach", "small bowel", "lung") else 4.0, 0.9), size, rng
            )
            lesion = _node(site, [tuple(where), tuple(where)], volume, _draw_suv(level, rng), shrink, rng)
            lesions.append(Lesion(site, lesion.parts, lesion.suv, lesion.heterogeneity, 0.0, hu))
    return lesions
