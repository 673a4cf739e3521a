"""Lesions of any size, place, shape and contrast: nodal stations first, then organs, bone, and anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy, Field, Labels, smooth_noise
from tmtv_tf.phantom.worlds.tissues import HARD_TO_INVADE, SOFT
from tmtv_tf.phantom.worlds.tissues import Tissue as T

MAX_LESIONS = 60
ORGAN_CHANCE = {
    T.SPLEEN: 0.16,
    T.LIVER: 0.12,
    T.MARROW: 0.28,
    T.LUNG: 0.12,
    T.STOMACH: 0.05,
    T.SMALL_BOWEL: 0.05,
    T.MUSCLE: 0.07,
    T.FAT: 0.06,
    T.LIMB_MARROW: 0.05,
    T.CAVITY: 0.12,
    T.PANCREAS: 0.03,
    T.BREAST: 0.03,
    T.TONSIL: 0.04,
    T.MEDIASTINUM: 0.1,
    T.KIDNEY: 0.02,
    T.THYROID: 0.02,
    T.TESTIS: 0.02,
    T.UTERUS: 0.02,
}
MASSES = (0.7, 0.22, 0.08)  # chances of no, one and two masses anywhere in soft tissue, limbs included
RARE = ("popliteal", "occipital", "parotid", "pericardial", "chest wall", "presacral", "arm")


@dataclass(frozen=True)
class Seed:
    """Where a lesion grows (voxel of the scan), its size and uptake."""

    voxel: tuple[int, int, int]
    volume_ml: float
    suv: float
    bulky: bool
    organ: bool


def draw_seeds(anatomy: Anatomy, labels: Labels, places_mm: Field, rng: np.random.Generator) -> list[Seed]:
    """One patient's lesions; the scan's voxels hold `labels` and lie at `places_mm` (3, Z, Y, X) of the anatomy."""
    if rng.random() < 0.04:
        return []
    coarse = places_mm[:, ::3, ::3, ::3].reshape(3, -1).T
    shape = places_mm[0, ::3, ::3, ::3].shape
    level = float(np.clip(rng.lognormal(np.log(7.5), 0.6), 2.5, 32))
    size = float(rng.lognormal(0, 0.55))
    seeds: list[Seed] = []

    def add(voxel, bulky=False, organ=False):
        median, sd = (140.0, 0.85) if bulky else (3.5, 1.15)
        volume = float(np.clip(size * rng.lognormal(np.log(median), sd), 0.25, 1800))
        suv = float(np.clip(rng.lognormal(np.log(level), 0.35), 2.3, 38))
        z, y, x = (int(v) for v in voxel)
        seeds.append(Seed((z, y, x), volume, suv, bulky, organ))

    bulk = rng.choice([0.0, 0.25, 0.7], p=[0.5, 0.35, 0.15])
    for line in _involved(anatomy, rng):
        bulk_here = rng.random() < bulk
        for k in range(1 + int(rng.poisson(rng.choice([0.3, 1.5, 3.0])))):
            point = line[0] if len(line) == 1 else _along(line, rng)
            point = point + rng.normal(0, 7, 3)
            squared = np.sum((coarse - point) ** 2, axis=1)
            best = int(np.argmin(squared))
            if squared[best] < 16.0**2:
                add(
                    np.array(np.unravel_index(best, shape)) * 3 + rng.integers(-1, 2, 3),
                    bulky=bulk_here and k == 0,
                )
    busy = rng.choice([0.5, 1.0, 2.5], p=[0.5, 0.3, 0.2])
    for tissue, chance in ORGAN_CHANCE.items():
        if rng.random() >= chance * busy:
            continue
        spots = np.argwhere(labels[::2, ::2, ::2] == tissue) * 2
        if len(spots):
            for _ in range(1 + int(rng.poisson(1.5 * busy))):
                add(spots[rng.integers(len(spots))], bulky=rng.random() < 0.06, organ=True)
    for _ in range(int(rng.choice(len(MASSES), p=MASSES))):
        spots = np.argwhere(np.isin(labels[::3, ::3, ::3], SOFT)) * 3
        if len(spots):
            add(spots[rng.integers(len(spots))], bulky=True)
    return seeds[-MAX_LESIONS:]


def _involved(anatomy: Anatomy, rng) -> list[npt.NDArray[np.float64]]:
    """Stations that lie near to one another are involved together."""
    names = list(anatomy.stations)
    weight = np.array([0.25 if name.split(" ", 1)[-1] in RARE or name in RARE else 1.0 for name in names])
    centres = np.array([anatomy.stations[name].mean(axis=0) for name in names])
    first = int(rng.choice(len(names), p=weight / weight.sum()))
    near = np.exp(-np.linalg.norm(centres - centres[first], axis=1) / rng.uniform(60, 600))
    odds = weight * near
    odds[first] = 0
    count = min(int(rng.geometric(0.26)), len(names) - 1)
    others = rng.choice(len(names), size=count - 1, replace=False, p=odds / odds.sum()) if count > 1 else []
    return [anatomy.stations[names[i]] for i in (first, *others)]


def _along(line, rng):
    i = int(rng.integers(len(line) - 1))
    return line[i] + (line[i + 1] - line[i]) * rng.random()


def paint_lesions(
    suv: Field, hu: Field, labels: Labels, seeds: list[Seed], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Paint the lesions into `suv` and `hu`, in place; numbers 1..N (Z, Y, X) of voxels at least half inside."""
    numbers = np.zeros(labels.shape, np.uint8)
    ragged = smooth_noise(labels.shape, rng.uniform(16, 34), rng)
    texture = smooth_noise(labels.shape, rng.uniform(9, 22), rng)
    forbidden = np.zeros(max(T) + 1, bool)
    forbidden[list(HARD_TO_INVADE)] = True
    for number, seed in enumerate(seeds, start=1):
        box, distance, radius = _shape(labels.shape, seed, rng)
        if distance is None:
            continue
        distance = distance + ragged[box] * min(rng.uniform(0.05, 0.3) * radius, 14.0)
        share = np.clip(0.5 - distance / VOXEL_MM, 0, 1)
        tissue = labels[box]
        share[tissue == T.AIR] = 0
        if not seed.organ and rng.random() < 0.85:
            share[forbidden[tissue]] = 0
        elif seed.organ and rng.random() < 0.5:
            share[tissue != labels[seed.voxel]] *= rng.uniform(0, 1)
        inside = share >= 0.5
        if not inside.any():
            continue
        local = float(np.median(suv[box][inside]))
        hot = max(seed.suv, 1.6 * local)
        heterogeneity = rng.uniform(0.02, 0.45) if radius > 10 else rng.uniform(0.0, 0.15)
        uptake = hot * np.exp(heterogeneity * (texture[box] - 0.5))
        if radius > 18 and rng.random() < 0.4:
            rim = rng.uniform(0.25, 0.7) * radius
            core = np.clip((-distance - rim + 4 * texture[box]) / 6, 0, 1)
            uptake = uptake * (1 - rng.uniform(0.5, 0.95) * core)
        target = np.clip(uptake, 0.4, 45)
        suv[box] += share * (target - suv[box])
        if tissue[inside].size and rng.random() < 0.9:
            solid = share * (tissue != T.MARROW) * (tissue != T.BONE)
            hu[box] += solid * (rng.normal(42, 12) - hu[box])
        numbers[box][inside] = number
    return numbers


def _shape(shape, seed: Seed, rng):
    """Box, signed distance (mm) and mean radius of one to nine lumps grown together."""
    radius = (seed.volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
    lumps = 1 if radius < 9 and rng.random() < 0.7 else int(rng.integers(2, 10))
    stretch = np.exp(rng.normal(0, 0.3, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    centre = np.array(seed.voxel) * VOXEL_MM
    parts = []
    for k in range(lumps):
        r = radius * (1.0 if lumps == 1 else 0.68 if k == 0 else rng.uniform(0.3, 0.6))
        direction = rng.normal(0, 1, 3)
        place = (
            centre
            + (0 if k == 0 else 1)
            * direction
            / np.linalg.norm(direction)
            * radius
            * rng.uniform(0.4, 0.95)
            * stretch
        )
        parts.append((place, r * np.exp(rng.normal(0, 0.2, 3))))
    low = np.min([c - 1.4 * r - 16 for c, r in parts], axis=0)
    high = np.max([c + 1.4 * r + 16 for c, r in parts], axis=0)
    lo = np.maximum(np.floor(low / VOXEL_MM), 0).astype(int)
    hi = np.minimum(np.ceil(high / VOXEL_MM) + 1, shape).astype(int)
    if np.any(hi <= lo):
        return None, None, radius
    axes = np.ix_(*(np.arange(a, b) * VOXEL_MM for a, b in zip(lo, hi)))
    result = np.full((1, 1, 1), np.inf)
    for c, r in parts:
        q = [(axis - c0) / r0 for axis, c0, r0 in zip(axes, c, r)]
        norm = np.sqrt(sum(v * v for v in q))
        slope = np.sqrt(sum((v / r0) ** 2 for v, r0 in zip(q, r)))
        distance = np.maximum(norm, 1e-3) * (norm - 1) / np.maximum(slope, 1e-6)
        blend = np.maximum(8.0 - np.abs(result - distance), 0) / 8.0
        result = np.minimum(result, distance) - 2.0 * blend**2
    box = tuple(slice(int(a), int(b)) for a, b in zip(lo, hi))
    return box, result.astype(np.float32), radius
