"""One patient from an anatomy: fat, arms, a tilted head, a body and organs of other size, place and shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from tmtv_tf.phantom.worlds.anatomy import (
    VOXEL_MM,
    Anatomy,
    Field,
    Labels,
    linear_matrix,
    paint_ellipsoid,
    paint_tube,
    smooth_noise,
    spread,
)
from tmtv_tf.phantom.worlds.tissues import Tissue as T

KNOT_MM = 12.0
MOVABLE = (
    T.LIVER,
    T.SPLEEN,
    T.KIDNEY,
    T.BLADDER,
    T.MYOCARDIUM,
    T.STOMACH,
    T.PANCREAS,
    T.COLON,
    T.SMALL_BOWEL,
    T.UTERUS,
    T.BRAIN,
    T.THYMUS,
    T.TONSIL,
    T.GLAND,
    T.RECTUM,
)
# Shares of patients.
BROWN_FAT, INJECTION_SITE, HOT_JOINT = 0.2, 0.2, 0.15
Map = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def dress(
    anatomy: Anatomy, rng: np.random.Generator
) -> tuple[Labels, list[tuple[str, npt.NDArray[np.float64]]]]:
    """Labels with fat and muscle laid in by depth, arms, and sometimes brown fat; and the line of each arm."""
    labels = anatomy.labels.copy()
    fat_mm = float(np.clip(rng.lognormal(np.log(13), 0.6), 3, 45))
    layer = fat_mm * np.exp(0.35 * smooth_noise(labels.shape, 120, rng))
    wall = labels == T.WALL
    labels[wall] = np.where(anatomy.depth_mm[wall] < layer[wall], np.uint8(T.FAT), np.uint8(T.MUSCLE))
    if rng.random() < BROWN_FAT:
        _brown_fat(labels, anatomy, rng)
    arms = []
    kind = rng.choice(["up", "down", "each", "none"], p=[0.42, 0.42, 0.08, 0.08])
    for k, shoulder in enumerate(anatomy.shoulders):
        pose = kind if kind != "each" else ("up", "down")[k]
        if pose != "none":
            arms.append((str(pose), _arm(labels, anatomy, shoulder, str(pose), 0.6 * fat_mm, rng)))
    for joint in anatomy.joints:
        if rng.random() < HOT_JOINT:
            paint_ellipsoid(labels, joint, rng.uniform(14, 30, 3), T.JOINT, (T.MUSCLE, T.FAT, T.BONE))
    return labels, arms


def _arm(
    labels: Labels, anatomy: Anatomy, shoulder, pose: str, fat_mm: float, rng
) -> npt.NDArray[np.float64]:
    side = float(np.sign(shoulder[2] - anatomy.neck[2]))
    z, y, x = shoulder
    out = rng.uniform(0, 45)
    if pose == "down":
        elbow = (z - rng.uniform(270, 310), y + rng.uniform(-20, 25), x + side * (out + 22))
        inward = rng.uniform(-20, 60) if rng.random() < 0.7 else rng.uniform(60, 150)
        wrist = (
            elbow[0] - rng.uniform(180, 250),
            elbow[1] - rng.uniform(0, 40) - max(inward - 30, 0) * 1.1,
            elbow[2] - side * inward,
        )
    else:
        elbow = (z + rng.uniform(60, 250), y - rng.uniform(-10, 60), x + side * rng.uniform(-40, 70))
        wrist = (
            elbow[0] + rng.uniform(0, 200),
            y - rng.uniform(0, 90),
            anatomy.neck[2] + side * rng.uniform(10, 160),
        )
    hand = np.add(wrist, np.subtract(wrist, elbow) * 0.35)
    line = np.array([shoulder, elbow, wrist, hand])
    girth = rng.uniform(0.8, 1.2)
    radii = np.array([44, 36, 25, 22]) * girth
    soft = (T.AIR, T.FAT)
    paint_tube(labels, line, radii + fat_mm, T.FAT, over=(T.AIR,))
    paint_tube(labels, line, radii, T.MUSCLE, over=soft)
    paint_tube(labels, line[:3], [12, 11, 9], T.BONE, over=(*soft, T.MUSCLE))
    paint_tube(labels, line[:3], [7, 5, 4], T.LIMB_MARROW)
    if rng.random() < HOT_JOINT:
        paint_ellipsoid(labels, shoulder, rng.uniform(16, 32, 3), T.JOINT)
    return line


def _brown_fat(labels: Labels, anatomy: Anatomy, rng) -> None:
    """Along the neck and over the clavicles; in most patients also in beads beside the spine."""
    z, y, x = anatomy.neck
    size = rng.uniform(0.5, 1.5)
    beads = int(rng.integers(3, 10)) if rng.random() < 0.7 else 0
    for side in (1, -1):
        own = size * rng.uniform(0.8, 1.25)
        line = [(z + 10, y + 4, x + side * 42), (z - 45, y, x + side * 58), (z - 75, y - 4, x + side * 112)]
        line = np.array(line) + rng.normal(0, 6, (3, 3))
        paint_tube(labels, line, np.array([6, 12, 8]) * own, T.BROWN_FAT, over=(T.FAT, T.MUSCLE, T.CAVITY))
        for k in range(beads):
            place = np.array((z - 110 - 30 * k, y + 30, x + side * 26)) + rng.normal(0, 4, 3)
            paint_ellipsoid(
                labels, place, np.array([8, 7, 6]) * own, T.BROWN_FAT, (T.MUSCLE, T.CAVITY, T.FAT, T.LUNG)
            )


def draw_map(
    anatomy: Anatomy, labels: Labels, rng: np.random.Generator, width: float = 1.0
) -> tuple[Map, tuple]:
    """A random map from a place in the scanner (z, y, x mm) to the place in the anatomy, and the box to scan (mm)."""
    extent = (np.array(labels.shape) - 1) * VOXEL_MM
    pivot = extent / 2
    size = np.exp(rng.normal(0, 0.09 * width))
    scale = size * np.exp(rng.normal(0, (0.05, 0.10, 0.09)) * width)
    turn = Rotation.from_euler("zyx", rng.normal(0, (2.5, 2.0, 5.0)) * width, degrees=True).as_matrix()
    nod = Rotation.from_euler("zyx", rng.normal(0, (7, 10, 10)) * width, degrees=True).as_matrix()
    noise = [
        _noise_field(extent, length, amplitude * width, rng)
        for length, amplitude in (
            (rng.uniform(150, 260), rng.uniform(6, 18)),
            (rng.uniform(60, 110), rng.uniform(1.5, 6)),
        )
    ]
    bumps = _bumps(labels, rng, width)
    neck = anatomy.neck

    def pull_back(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        p = (place - pivot) @ turn.T / scale + pivot
        for field in noise:
            p = p + field(p)
        ramp = np.clip((p[..., :1] - neck[0] + 30) / 90, 0, 1)
        p = p + ramp * ((p - neck) @ (nod.T - np.eye(3)))
        for centre, radius, grow, shift in bumps:
            d = p - centre
            weight = np.exp(-np.sum(d * d, axis=-1, keepdims=True) / (2 * radius**2))
            p = p + weight * ((1 / grow - 1) * d - shift)
        return p

    reach = np.abs(scale) * extent / 2 * 1.12
    return pull_back, (pivot - reach, pivot + reach)


def _noise_field(extent, length_mm: float, amplitude_mm: float, rng) -> Map:
    from scipy.ndimage import map_coordinates

    knots = rng.normal(0, amplitude_mm * 1.5, (3, *(np.ceil(extent / length_mm).astype(int) + 3)))

    def field(p):
        places = np.moveaxis(p / length_mm + 1, -1, 0)
        return np.stack(
            [map_coordinates(k, places, order=2, prefilter=False, mode="nearest") for k in knots], axis=-1
        )

    return field


def _bumps(labels: Labels, rng, width: float):
    """Organs that swell, shrink and move: (centre, radius, growth, shift) in mm of the anatomy."""
    coarse = labels[::3, ::3, ::3]
    middle = coarse.shape[2] / 2
    bumps = []
    for tissue in MOVABLE:
        places = np.argwhere(coarse == tissue)
        if len(places) < 3:
            continue
        groups = [places]
        if tissue in (T.KIDNEY, T.TONSIL, T.GLAND):
            groups = [places[places[:, 2] < middle], places[places[:, 2] >= middle]]
        for group in groups:
            if len(group) < 2 or rng.random() < 0.3:
                continue
            centre = (
                group.mean(axis=0)
                if tissue not in (T.COLON, T.SMALL_BOWEL)
                else group[rng.integers(len(group))]
            )
            radius = np.clip(0.75 * len(group) ** (1 / 3) * 3 * VOXEL_MM, 14, 75)
            grow = np.exp(np.clip(rng.normal(0, 0.22 * width), -0.5, 0.6))
            shift = rng.normal(0, min(0.16 * radius, 8) * width, 3)
            bumps.append((centre * 3 * VOXEL_MM, radius, grow, shift))
    return bumps


def coordinates(pull_back: Map, low, shape) -> Field:
    """(3, Z, Y, X) anatomy coordinates (mm) of every voxel of a scan whose first voxel lies at `low` (mm)."""
    knots = [max(2, int(np.ceil((n - 1) * VOXEL_MM / KNOT_MM)) + 1) for n in shape]
    axes = [lo + np.linspace(0, (n - 1) * VOXEL_MM, k) for lo, n, k in zip(low, shape, knots)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    mapped = pull_back(grid)
    return np.stack([spread(mapped[..., k].astype(np.float32), shape, linear_matrix) for k in range(3)])


def gather(image: npt.NDArray, places_mm: Field, fill: float) -> npt.NDArray:
    """The nearest voxel of `image` at each place; `fill` outside."""
    index = np.rint(places_mm * np.float32(1 / VOXEL_MM)).astype(np.int32)
    inside = np.ones(index.shape[1:], bool)
    for k, n in enumerate(image.shape):
        inside &= (index[k] >= 0) & (index[k] < n)
        np.clip(index[k], 0, n - 1, out=index[k])
    out = image[index[0], index[1], index[2]]
    out[~inside] = fill
    return out
