"""Compressed NIfTI written here equals SimpleITK's own file byte for byte, once unpacked."""

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from petct import deflate
from petct.image import Geometry, Image, write_image

OBLIQUE = np.linalg.qr(np.array([[0.96, 0.1, 0.2], [-0.1, 0.99, 0.05], [0.0, 0.0, 1.0]]))[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16, np.int32, np.uint8, bool])
@pytest.mark.parametrize("direction", [np.eye(3), np.diag([1.0, -1.0, -1.0]), OBLIQUE, -OBLIQUE])
def test_same_bytes_as_simpleitk(tmp_path, dtype, direction):
    array = (np.random.default_rng(1).random((5, 6, 7)) * 100).astype(dtype)
    geometry = Geometry(array.shape, (3.0, 2.0, 2.5), (-10.0, 20.0, 333.3), tuple(direction.ravel()))
    write_image(tmp_path / "a.nii.gz", Image(array, geometry))
    write_image(tmp_path / "a.nii", Image(array, geometry))
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == (tmp_path / "a.nii").read_bytes()
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz"))), array)


def test_views_and_transposed_arrays(tmp_path):
    array = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)[::2, :, ::-1].transpose(2, 0, 1)
    write_image(tmp_path / "a.nii.gz", Image(array, Geometry(array.shape, (1.0, 1.0, 1.0))))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz"))), array)


@pytest.mark.parametrize("without_isal", [False, True])
def test_large_parts_with_and_without_isal(tmp_path, monkeypatch, without_isal):
    if without_isal:
        monkeypatch.setattr(deflate, "isal_zlib", None)
    noise = np.random.default_rng(2).integers(0, 256, deflate.CHUNK_BYTES + 17, np.uint8)
    deflate.write_gzip(tmp_path / "a.gz", [b"head", noise.data])
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"head" + noise.tobytes()
