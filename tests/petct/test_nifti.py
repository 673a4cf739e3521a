"""Compressed NIfTI files are written a piece at a time."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

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


@pytest.mark.parametrize("places", [(), (0,), (-1,), (0, WRITTEN_AT_ONCE_BYTES * 2 + 5, -1)])
def test_pieces_of_zeros_are_compressed_once(tmp_path: Path, places: tuple[int, ...]) -> None:
    """Nearly all of a label image: a reader waits for such a file after each click."""
    labels = np.zeros((33, 100, 101), np.uint16)
    labels.view(np.uint8).reshape(-1)[list(places)] = 1
    path = tmp_path / "labels.nii.gz"
    write_image(path, Image(labels, Geometry(labels.shape, (3.0, 2.0, 1.0))))
    inflated = zlib.decompressobj(16 + zlib.MAX_WBITS)  # of one member: some programs read the first only
    assert inflated.decompress(path.read_bytes())[NIFTI_HEADER_BYTES:] == labels.tobytes()
    assert inflated.eof
    assert not inflated.unused_data
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), labels)

    assert path.stat().st_size < 500 * (labels.nbytes // WRITTEN_AT_ONCE_BYTES + 2)


def test_writing_does_not_hold_the_compressed_image(tmp_path: Path) -> None:
    write_image(tmp_path / "first.nii.gz", IMAGE)  # what is imported only once does not count
    tracemalloc.start()
    try:
        write_image(tmp_path / "pet.nii.gz", IMAGE)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < VALUES.nbytes / 2
