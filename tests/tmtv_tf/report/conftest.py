from __future__ import annotations

import numpy as np
import pytest
from report_page import HOT, SPACING

from petct.image import Geometry, Image


@pytest.fixture
def study() -> tuple[Image, np.ndarray]:
    """Lesion 1: head end, front, patient's left. Lesion 2: foot end, back, patient's right."""
    suv = np.zeros((40, 40, 60), np.float32)
    suv[2:38, 4:36, 4:56] = 1.0
    labels = np.zeros(suv.shape, np.int32)
    for label, box in HOT.items():
        suv[box], labels[box] = 8.0, label
    return Image(suv, Geometry(suv.shape, SPACING, (-59.0, -58.5, 0.0))), labels
