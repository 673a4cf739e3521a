"""Pictures of the page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from petct.image import Image
from petct.palette import LESION_COLORS
from tmtv_tf.report.pictures import cuts, projections


def places(png: bytes, label: int) -> np.ndarray:
    """(row, column), as shares of the picture, of the pixels in a lesion's colour."""
    picture = np.asarray(Pillow.open(io.BytesIO(png)).convert("RGB")).astype(int)
    near = np.abs(picture - LESION_COLORS[label - 1]).max(axis=2) <= 3
    assert near.any(), f"lesion {label} is not drawn"
    return np.argwhere(near).mean(axis=0) / picture.shape[:2]


def test_the_head_is_up_and_the_patients_right_is_on_the_left(study: tuple[Image, np.ndarray]) -> None:
    coronal, sagittal = projections(*study)
    first, second = places(coronal.png, 1), places(coronal.png, 2)
    assert first[0] < 0.35 < 0.65 < second[0]  # lesion 1 is higher up
    assert second[1] < 0.4 < 0.6 < first[1]  # lesion 2, on the patient's right, is on the left
    first, second = places(sagittal.png, 1), places(sagittal.png, 2)
    assert first[0] < 0.35 < 0.65 < second[0]
    assert first[1] < 0.5 < second[1]  # the front is on the left


def test_axial_cuts_go_through_the_largest_lesions(study: tuple[Image, np.ndarray]) -> None:
    pictures = cuts(*study)
    assert [p.caption for p in pictures] == ["Axial cut through lesion 1", "Axial cut through lesion 2"]
    row, column = places(pictures[0].png, 1)
    assert row < 0.5 < column  # front, patient's left


def test_the_outline_lies_on_the_lesions_edge(study: tuple[Image, np.ndarray]) -> None:
    """The box of lesion 1 spans 8 voxels of 2 mm and 4 of 4 mm; the picture's scale is known from its height."""
    coronal = projections(*study)[0]
    picture = np.asarray(Pillow.open(io.BytesIO(coronal.png)).convert("RGB")).astype(int)
    near = np.argwhere(np.abs(picture - LESION_COLORS[0]).max(axis=2) <= 3)
    pixels_per_mm = 2.0  # of a picture that is not too large for it
    columns = near[:, 1]
    left_edge = columns.min() / pixels_per_mm
    # Cut to the body and 15 mm, rounded up to voxels: 8 voxels before the body's first, which is lesion's 36 before.
    assert left_edge == pytest.approx((40 - max(4 - 8, 0)) * 2.0, abs=1.5)
