"""Two regions that touch, on the study of `cohort_files`, and a PET of which nothing is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cohort_files import GEOMETRY, SHAPE, SUV

from petct.image import Image, write_image


def two_masks() -> list[np.ndarray]:
    """Two regions that touch: as one mask they are one component."""
    masks = [np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)]
    masks[0][1:4, 1:5, 1:4] = True
    masks[1][4:7, 1:3, 1:5] = True
    return masks


def bare(folder: Path) -> Path:
    """A SUV image of which nothing else is known."""
    write_image(folder / "bare.nii.gz", Image(SUV, GEOMETRY))
    return folder / "bare.nii.gz"
