"""Volumes for the page, read back by nibabel."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from petct.image import Geometry, Image
from tmtv_tf.review.volumes import label_nifti, scaled_nifti

GRID = Geometry((2, 3, 4), (5.0, 3.0, 2.0), (-10.0, 20.0, 30.0))


def read(content: memoryview) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(bytes(content))


def test_an_suv_is_kept_to_a_part_of_the_largest_and_lies_where_it_lay() -> None:
    suv = np.random.default_rng(0).uniform(0, 40, GRID.shape).astype(np.float32)
    image = read(scaled_nifti(Image(suv, GRID)))
    np.testing.assert_allclose(np.asarray(image.dataobj).T, suv, atol=suv.max() / 65534 * 1.01)
    x, y, z = GRID.to_world((1, 2, 3))[0]
    np.testing.assert_allclose(image.affine @ [3, 2, 1, 1], [-x, -y, z, 1])  # RAS


@pytest.mark.parametrize(
    "array", [np.arange(24, dtype=np.int16) - 1000, np.linspace(-1000, 300, 24).astype(np.float32)]
)
def test_hounsfield_units_are_whole_steps(array: np.ndarray) -> None:
    image = read(scaled_nifti(Image(array.reshape(GRID.shape), GRID)))
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, np.rint(array).reshape(GRID.shape))


def test_labels_and_an_empty_image() -> None:
    labels = np.zeros(GRID.shape, np.int32)
    labels[1, 2, 3] = 65535
    np.testing.assert_array_equal(np.asarray(read(label_nifti(labels, GRID)).dataobj).T, labels)
    nothing = Image(np.zeros(GRID.shape, np.float32), GRID)
    assert not np.asarray(read(scaled_nifti(nothing)).dataobj).any()
