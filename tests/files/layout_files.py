"""An expert mask of two lesions, as public releases have it."""

import numpy as np
from cohort_files import SHAPE


def expert_mask():
    """Two lesions that do not touch: components are ROIs of their own."""
    mask = np.zeros(SHAPE, bool)
    mask[6:8, 1:3, 1:3] = True
    mask[1:3, 4, 3:5] = True
    return mask
