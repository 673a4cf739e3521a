"""The tissues of a body: how much FDG they take up and how dense they are, drawn far beyond physiology.

Medians follow Wang et al. 2007 (Mol Imaging Biol 9:83) and Dias et al. 2022 (EJNMMI Res 12:15); the spreads are two to
four times as wide, so that a network cannot learn any level by heart (Billot et al., Med Image Anal 2023;86:102789).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Tissue(IntEnum):
    """Values of an anatomy's label map."""

    AIR = 0
    WALL = 1  # soft tissue under the skin: fat or muscle by its depth in one patient
    CAVITY = 2  # fat between the organs
    FAT = 3
    MUSCLE = 4
    BONE = 5
    MARROW = 6
    LIMB_MARROW = 7
    LUNG = 8
    AIRWAY = 9
    BRAIN = 10
    CEREBELLUM = 11
    LIVER = 12
    SPLEEN = 13
    PANCREAS = 14
    KIDNEY = 15
    URINE = 16
    BLADDER = 17
    SMALL_BOWEL = 18
    COLON = 19
    RECTUM = 20
    STOMACH = 21
    BLOOD = 22
    MYOCARDIUM = 23
    THYMUS = 24
    MEDIASTINUM = 25
    GALLBLADDER = 26
    PROSTATE = 27
    UTERUS = 28
    OVARY = 29
    TESTIS = 30
    BREAST = 31
    TONSIL = 32
    GLAND = 33
    THYROID = 34
    CORD = 35
    TONGUE = 36
    EYE = 37
    OESOPHAGUS = 38
    BROWN_FAT = 39
    JOINT = 40
    ADRENAL = 41


@dataclass(frozen=True)
class Level:
    """Median SUV, standard deviation of its logarithm between patients, limits; CT number and its spread."""

    suv: float
    log_sd: float
    low: float
    high: float
    hu: float
    hu_sd: float = 12.0


T = Tissue
LEVELS: dict[Tissue, Level] = {
    T.AIR: Level(0.0, 0.0, 0.0, 0.0, -1000, 0),
    T.FAT: Level(0.28, 0.4, 0.08, 0.9, -100, 15),
    T.CAVITY: Level(0.42, 0.4, 0.12, 1.2, -95, 20),
    T.MUSCLE: Level(0.7, 0.4, 0.3, 2.5, 50),
    T.BONE: Level(0.7, 0.45, 0.2, 2.5, 550, 150),
    T.MARROW: Level(1.6, 0.55, 0.4, 7.0, 230, 60),
    T.LIMB_MARROW: Level(0.6, 0.55, 0.2, 4.0, 150, 80),
    T.LUNG: Level(0.45, 0.4, 0.12, 1.5, -800, 50),
    T.AIRWAY: Level(0.3, 0.5, 0.05, 1.2, -960, 20),
    T.BRAIN: Level(8.0, 0.5, 1.5, 22.0, 36, 5),
    T.CEREBELLUM: Level(6.5, 0.5, 1.2, 18.0, 36, 5),
    T.LIVER: Level(2.2, 0.38, 0.9, 6.0, 58, 15),
    T.SPLEEN: Level(1.9, 0.42, 0.7, 6.0, 52, 12),
    T.PANCREAS: Level(1.5, 0.42, 0.5, 4.5, 38, 12),
    T.KIDNEY: Level(2.8, 0.55, 0.9, 12.0, 36, 12),
    T.URINE: Level(11.0, 0.9, 0.8, 60.0, 10, 8),
    T.BLADDER: Level(13.0, 0.95, 0.7, 90.0, 6, 6),
    T.SMALL_BOWEL: Level(1.6, 0.6, 0.5, 10.0, 32, 15),
    T.COLON: Level(1.7, 0.7, 0.4, 14.0, 32, 25),
    T.RECTUM: Level(1.6, 0.6, 0.5, 9.0, 32, 20),
    T.STOMACH: Level(2.1, 0.6, 0.5, 9.0, 40, 15),
    T.BLOOD: Level(1.7, 0.35, 0.7, 4.0, 45, 10),
    T.MYOCARDIUM: Level(4.0, 0.95, 0.8, 25.0, 52, 10),
    T.THYMUS: Level(1.2, 0.55, 0.3, 6.0, 20, 40),
    T.MEDIASTINUM: Level(1.2, 0.35, 0.5, 3.0, 10, 25),
    T.GALLBLADDER: Level(0.8, 0.6, 0.2, 4.0, 10, 10),
    T.PROSTATE: Level(1.7, 0.5, 0.6, 6.0, 42),
    T.UTERUS: Level(1.9, 0.6, 0.7, 8.0, 48),
    T.OVARY: Level(1.8, 0.6, 0.6, 7.0, 40),
    T.TESTIS: Level(2.6, 0.45, 0.8, 7.0, 35),
    T.BREAST: Level(0.75, 0.45, 0.25, 3.0, -40, 40),
    T.TONSIL: Level(3.0, 0.6, 0.9, 14.0, 45),
    T.GLAND: Level(1.9, 0.55, 0.6, 9.0, 25, 20),
    T.THYROID: Level(1.5, 0.5, 0.6, 8.0, 90, 20),
    T.CORD: Level(1.5, 0.35, 0.6, 4.0, 35),
    T.TONGUE: Level(1.6, 0.5, 0.5, 6.0, 50),
    T.EYE: Level(0.7, 0.3, 0.2, 2.0, 15),
    T.OESOPHAGUS: Level(1.7, 0.4, 0.7, 5.0, 35),
    T.BROWN_FAT: Level(4.5, 0.7, 1.0, 18.0, -85),
    T.JOINT: Level(1.6, 0.5, 0.5, 6.0, 150, 60),
    T.ADRENAL: Level(1.5, 0.5, 0.6, 6.0, 25),
}

# A lesion never grows over these where it is told to keep out of organs.
SOFT = (T.WALL, T.CAVITY, T.FAT, T.MUSCLE)
HARD_TO_INVADE = (T.AIR, T.BRAIN, T.CEREBELLUM, T.KIDNEY, T.URINE, T.BLADDER, T.MYOCARDIUM, T.BLOOD, T.LIVER)


def draw_levels(rng: np.random.Generator, width: float = 1.0) -> np.ndarray:
    """(n tissues, 2) SUV and HU of one patient, indexed by `Tissue`. `width` scales the spreads."""
    table = np.zeros((max(Tissue) + 1, 2), np.float32)
    common = rng.normal(0, 0.18)  # heavy, well-fed or late patients: everything a little up or down
    for tissue, level in LEVELS.items():
        if level.suv > 0:
            suv = level.suv * np.exp(common + width * level.log_sd * rng.normal())
            table[tissue, 0] = np.clip(suv, level.low, level.high)
        table[tissue, 1] = level.hu + level.hu_sd * rng.normal()
    return table
