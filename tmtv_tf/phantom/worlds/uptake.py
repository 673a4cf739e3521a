"""From labels to activity and density: levels, and the patterns inside organs that a reader knows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tmtv_tf.phantom.worlds.anatomy import (
    Anatomy,
    Field,
    Labels,
    paint_ellipsoid,
    smooth_noise,
    tube_distance,
)
from tmtv_tf.phantom.worlds.posture import INJECTION_SITE
from tmtv_tf.phantom.worlds.tissues import Tissue as T
from tmtv_tf.phantom.worlds.tissues import draw_levels

# Shares of patients: whose muscles are active alike on both sides; who take metformin, which makes the bowel glow.
SYMMETRIC, METFORMIN = 0.85, 0.08


def paint(
    labels: Labels,
    anatomy: Anatomy,
    arms: list[tuple[str, npt.NDArray[np.float64]]],
    rng: np.random.Generator,
    width: float = 1.0,
) -> tuple[Field, Field]:
    """SUV and HU (Z, Y, X) of the normal body, before any blur."""
    table = draw_levels(rng, width)
    suv, hu = table[labels, 0], table[labels, 1]
    coarse = smooth_noise(labels.shape, rng.uniform(25, 60), rng)
    suv *= np.exp(rng.uniform(0.03, 0.2) * coarse)
    fine = smooth_noise(labels.shape, rng.uniform(10, 18), rng)
    _brain(suv, labels, anatomy, table, fine, rng)
    _heart(suv, labels, table, coarse, rng)
    _muscle(suv, labels, rng)
    _gut(suv, hu, labels, fine, rng)
    _urine(suv, labels, coarse, rng)
    _marrow(suv, labels, fine, rng)
    _joints(suv, labels, rng)
    _foci(suv, labels, arms, rng)
    _contrast_agent(hu, labels, rng)
    return suv, hu


def _brain(suv: Field, labels: Labels, anatomy: Anatomy, table, fine: Field, rng) -> None:
    """A smooth hot brain, or a cortex around paler white matter with deep grey nuclei, folded or not."""
    where = np.flatnonzero(np.isin(labels, (T.BRAIN, T.CEREBELLUM)))
    if rng.random() < 0.45 or not len(where):
        return
    depth = anatomy.depth_mm.ravel()[where] - 14
    thickness = rng.uniform(7, 18) + rng.uniform(0, 6) * fine.ravel()[where]
    pale = rng.uniform(0.3, 0.9)
    white = 1 / (1 + np.exp(-(depth - thickness) / 2.0))
    nuclei = np.clip((depth - rng.uniform(34, 44)) / 5, 0, 1)
    suv.ravel()[where] *= 1 - (1 - pale) * white * (1 - nuclei)


def _heart(suv: Field, labels: Labels, table, coarse: Field, rng) -> None:
    """Myocardium uniform, in patches, or hot in one wall only; sometimes the right side shows too."""
    where = np.flatnonzero(labels == T.MYOCARDIUM)
    if not len(where):
        return
    kind = rng.random()
    if kind < 0.35:
        suv.ravel()[where] *= np.clip(1 + rng.uniform(0.2, 0.6) * coarse.ravel()[where], 0.2, 2.5)
    elif kind < 0.65:
        places = np.stack(np.unravel_index(where, labels.shape), axis=1).astype(float)
        direction = rng.normal(size=3)
        along = (places - places.mean(axis=0)) @ (direction / np.linalg.norm(direction))
        share = 1 / (1 + np.exp(-(along - rng.normal(0, 4)) / 2))
        blood = max(table[T.BLOOD, 0], 0.5)
        suv.ravel()[where] = blood + share * (suv.ravel()[where] - blood)
    if rng.random() < 0.3:  # no myocardium to be seen: all is blood
        suv.ravel()[where] = table[T.BLOOD, 0] * rng.uniform(0.8, 1.3)


def _muscle(suv: Field, labels: Labels, rng) -> None:
    """Groups of muscles that were used: no hotter than muscle gets, so that a mass in a limb is told from them."""
    if rng.random() > 0.3:
        return
    group = smooth_noise(labels.shape, rng.uniform(50, 120), rng, mirrored=rng.random() < SYMMETRIC)
    hot = np.clip((group - rng.uniform(0.6, 1.6)) / 0.3, 0, 1) * (labels == T.MUSCLE)
    suv += hot * np.maximum(np.exp(rng.uniform(np.log(1.2), np.log(7))) - suv, 0)


def _gut(suv: Field, hu: Field, labels: Labels, fine: Field, rng) -> None:
    """Bowel that glows in segments, with folds and gas; after metformin the whole colon, and part of the rest."""
    if rng.random() < METFORMIN:
        suv[np.isin(labels, (T.COLON, T.RECTUM))] *= rng.uniform(2, 6)
        suv[labels == T.SMALL_BOWEL] *= rng.uniform(1, 3)
    for tissues in ((T.SMALL_BOWEL,), (T.COLON, T.RECTUM), (T.STOMACH, T.OESOPHAGUS)):
        mask = np.isin(labels, tissues)
        segments = smooth_noise(labels.shape, rng.uniform(35, 90), rng)
        strength = rng.uniform(0.1, 0.9)
        suv[mask] *= np.exp(strength * segments[mask] - strength**2 / 2 + rng.uniform(0, 0.4) * fine[mask])
        gas = mask & (segments < rng.uniform(-2.2, -0.8))
        hu[gas], suv[gas] = -800, suv[gas] * rng.uniform(0.3, 1)
    np.minimum(suv, np.where(np.isin(labels, (T.SMALL_BOWEL, T.COLON)), 18, 200), out=suv)


def _urine(suv: Field, labels: Labels, coarse: Field, rng) -> None:
    """Calyces and ureters are seen in pieces; each kidney has its own level."""
    pieces = smooth_noise(labels.shape, rng.uniform(20, 60), rng)
    where = labels == T.URINE
    seen = np.clip((pieces[where] - rng.uniform(-1.5, 0.8)) / 0.3, 0, 1)
    suv[where] = 1.0 + seen * (suv[where] - 1.0)
    kidneys = labels == T.KIDNEY
    half = np.arange(labels.shape[2]) > labels.shape[2] / 2
    suv[kidneys & half] *= np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.3:
        suv[kidneys] *= np.exp(0.5 * coarse[kidneys])


def _marrow(suv: Field, labels: Labels, fine: Field, rng) -> None:
    """Marrow even, patchy, or fuller towards the spine."""
    mask = labels == T.MARROW
    suv[mask] *= np.exp(rng.uniform(0, 0.3) * fine[mask])
    if rng.random() < 0.2:  # after radiotherapy part of the spine is cold
        z = rng.uniform(0, labels.shape[0])
        rows = np.abs(np.arange(labels.shape[0]) - z) < rng.uniform(10, 50)
        suv[mask & rows[:, None, None]] *= rng.uniform(0.3, 0.7)


def _joints(suv: Field, labels: Labels, rng) -> None:
    """Each worn joint has its own level, so that one may glow and its fellow not."""
    where = labels == T.JOINT
    if where.any():
        suv[where] *= np.exp(0.7 * smooth_noise(labels.shape, rng.uniform(80, 160), rng)[where])


def _foci(suv: Field, labels: Labels, arms, rng) -> None:
    """Injection site and vein; a healing rib, teeth, patches of inflamed lung: small, and mild but for the first."""
    if arms and rng.random() < INJECTION_SITE:
        _, line = arms[rng.integers(len(arms))]
        t = rng.uniform(-0.3, 0.9)
        site = line[1] + (line[2] - line[1]) * max(t, 0) + (line[1] - line[0]) * min(t, 0) * 0.5
        mark = np.zeros(labels.shape, np.uint8)
        paint_ellipsoid(mark, site + rng.normal(0, 8, 3), rng.uniform(6, 18, 3), 1)
        suv[(mark > 0) & (labels > 0)] = rng.uniform(3, 60)
        if rng.random() < 0.5:
            level = rng.uniform(1, 8)
            for box, distance in tube_distance(labels.shape, [site, line[1], line[0]], 5.0):
                vein = (distance < 0) & (labels[box] > 0)
                suv[box][vein] = np.maximum(suv[box][vein], level)
    if rng.random() < 0.25:
        patch = smooth_noise(labels.shape, rng.uniform(20, 60), rng)
        lung = (labels == T.LUNG) & (patch > rng.uniform(1.2, 2.2))
        suv[lung] = np.maximum(suv[lung], rng.uniform(0.8, 4.5))


def _contrast_agent(hu: Field, labels: Labels, rng) -> None:
    if rng.random() < 0.35:
        for tissues, gain in (
            ((T.BLOOD,), 140),
            ((T.KIDNEY, T.URINE), 140),
            ((T.LIVER, T.SPLEEN, T.MYOCARDIUM), 60),
            ((T.GLAND, T.THYROID, T.BLADDER), 50),
        ):
            hu[np.isin(labels, tissues)] += gain * rng.uniform(0.3, 1.2)
    if rng.random() < 0.3:
        hu[np.isin(labels, (T.STOMACH, T.SMALL_BOWEL, T.COLON))] += rng.uniform(50, 400)
