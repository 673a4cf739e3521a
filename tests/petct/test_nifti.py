"""NIfTI: headers that can be trusted, and compressed files, which are written a piece at a time."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from image_files import GRID, VALUES

from petct.errors import ImageError
from petct.image import Geometry, Image, read_image, write_image
from petct.nifti import NIFTI_HEADER_BYTES, WRITTEN_AT_ONCE_BYTES

# 2 MB of noise, which does not get smaller, and not a whole number of pieces.
NOISE = np.random.default_rng(1).random((50, 100, 101), np.float32)
IMAGE = Image(NOISE, Geometry(NOISE.shape, (3.0, 2.0, 1.0)))


def test_the_pieces_are_the_whole_image(tmp_path: Path) -> None:
    path = tmp_path / "pet.nii.gz"
    write_image(path, IMAGE)
    assert NOISE.nbytes > 3 * WRITTEN_AT_ONCE_BYTES
    assert NOISE.nbytes % WRITTEN_AT_ONCE_BYTES
    assert gzip.decompress(path.read_bytes())[NIFTI_HEADER_BYTES:] == NOISE.tobytes()
    np.testing.assert_array_equal(read_image(path).array, NOISE)


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
    assert peak_bytes < NOISE.nbytes / 2


def edit_nifti(path: Path, **fields: object) -> None:
    """Change fields of the header in the file, byte for byte, as nibabel names them."""
    data = path.read_bytes()
    header = nib.Nifti1Header(data[:348], endianness="<", check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + data[348:])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"xyzt_units": 1}, r"unit of length is metre \(xyzt_units 1\)"),
        ({"xyzt_units": 3 + 8}, "unit of length is micron"),
        ({"xyzt_units": 5}, "unit of length is"),
        ({"qform_code": 0, "sform_code": 0}, "where the patient's left is"),
        ({"srow_x": [-5, 0, 0, 0], "srow_y": [0, -4, 0, 0], "srow_z": [0, 0, 6, 0]}, "contradict"),
        ({"qoffset_x": 14.0}, "qform and sform contradict"),
        ({"pixdim": [1, 2.5, 2, 6, 0, 0, 0, 0], "qform_code": 0}, "pixdim and sform contradict"),
        ({"pixdim": [1, 2.5, -2, 3, 0, 0, 0, 0]}, "not positive"),
        ({"pixdim": [1, 2.5, np.nan, 3, 0, 0, 0, 0]}, "not positive"),
        ({"datatype": 128, "bitpix": 24}, "not one number per voxel"),
        ({"datatype": 4}, "bitpix 32 does not fit int16"),
        ({"dim": [3, 7, 6, 4, 1, 1, 1, 1]}, "holds more than"),
        ({"dim": [3, 7, 6, 6, 1, 1, 1, 1]}, "ends after"),
        ({"dim": [3, 7, 6, -5, 1, 1, 1, 1]}, "sizes"),
        ({"dim": [2, 7, 30, 1, 1, 1, 1, 1]}, "expected one 3-D image"),
        ({"scl_slope": np.inf}, "must be finite"),
        ({"vox_offset": 351.5}, "vox_offset"),
        ({"vox_offset": 340}, "vox_offset"),
        ({"magic": b""}, "Analyze"),
        ({"magic": b"ni1"}, "pair of files"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "no orientation"),
        ({"qoffset_x": 1e30, "sform_code": 0}, "outside any scanner"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_headers_that_cannot_be_trusted(tmp_path: Path, suffix: str, fields: dict, says: str) -> None:
    straight = Geometry(GRID.shape, GRID.spacing_mm, (0.0, 0.0, 0.0))
    path = tmp_path / "a.nii"
    write_image(path, Image(VALUES, straight))
    edit_nifti(path, **fields)
    if suffix == ".nii.gz":
        data, path = path.read_bytes(), tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress(data))
    with pytest.raises(ImageError, match=says) as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_qform_alone_and_sform_alone_are_enough(tmp_path: Path) -> None:
    for code in ("qform_code", "sform_code"):
        write_image(tmp_path / "a.nii", Image(VALUES, GRID))
        edit_nifti(tmp_path / "a.nii", **{code: 0})
        assert read_image(tmp_path / "a.nii").geometry.same_grid(GRID)


def test_units_of_time_do_not_matter_and_no_unit_is_mm(tmp_path: Path) -> None:
    for units in (0, 2, 2 + 16, 2 + 24):
        write_image(tmp_path / "a.nii", Image(VALUES, GRID))
        edit_nifti(tmp_path / "a.nii", xyzt_units=units)
        assert read_image(tmp_path / "a.nii").geometry.same_grid(GRID)
