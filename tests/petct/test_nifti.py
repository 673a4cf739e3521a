"""Compressed NIfTI files are written a piece at a time."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np

from petct.geometry import Geometry, Image
from petct.image import read_image, write_image
from petct.nifti import NIFTI_HEADER_BYTES, WRITTEN_AT_ONCE_BYTES

# 2 MB of noise, which does not get smaller, and not a whole number of pieces.
VALUES = np.random.default_rng(1).random((50, 100, 101), np.float32)
IMAGE = Image(VALUES, Geometry(VALUES.shape, (3.0, 2.0, 1.0)))


def test_the_pieces_are_the_whole_image(tmp_path: Path) -> None:
    path = tmp_path / "pet.nii.gz"
    write_image(path, IMAGE)
    assert VALUES.nbytes > 3 * WRITTEN_AT_ONCE_BYTES
    assert VALUES.nbytes % WRITTEN_AT_ONCE_BYTES
    assert gzip.decompress(path.read_bytes())[NIFTI_HEADER_BYTES:] == VALUES.tobytes()
    np.testing.assert_array_equal(read_image(path).array, VALUES)


def test_writing_does_not_hold_the_compressed_image(tmp_path: Path) -> None:
    write_image(tmp_path / "first.nii.gz", IMAGE)  # what is imported only once does not count
    tracemalloc.start()
    try:
        write_image(tmp_path / "pet.nii.gz", IMAGE)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < VALUES.nbytes / 2
