"""Image files beside two other readers, SimpleITK and nibabel: the same voxels in the same place, or refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from image_files import GRID, OBLIQUE, VALUES, by_simpleitk, write_by_simpleitk

from petct.errors import ImageError
from petct.image import Geometry, Image, image_files, image_sha256, read_image, read_images, write_image

DIRECTIONS = [np.eye(3), np.diag([1.0, -1.0, -1.0]), np.eye(3)[[1, 2, 0]], OBLIQUE, -OBLIQUE]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16, np.int32, np.uint8, bool])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_others_read_what_is_written(tmp_path: Path, direction: np.ndarray, dtype: type, suffix: str) -> None:
    image = Image(
        (VALUES % 2 > 1) if dtype is bool else VALUES.astype(dtype),
        Geometry(GRID.shape, GRID.spacing_mm, GRID.origin_mm, tuple(direction.ravel())),
    )
    path = tmp_path / f"a{suffix}"
    write_image(path, image)
    for found in (by_simpleitk(path), read_image(path)):
        np.testing.assert_array_equal(found.array, image.array)
        assert found.geometry.same_grid(image.geometry)
    if "nii" in suffix:
        other = nib.load(path)
        np.testing.assert_array_equal(np.asanyarray(other.dataobj).T, image.array)
        np.testing.assert_allclose(
            (np.diag([-1, -1, 1, 1]) @ other.affine)[:3] @ [4, 3, 2, 1],
            image.geometry.to_world([(2, 3, 4)])[0],
            atol=1e-4,
        )


def test_views_and_transposed_arrays(tmp_path: Path) -> None:
    array = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)[::2, :, ::-1].transpose(2, 0, 1)
    write_image(tmp_path / "a.nii.gz", Image(array, Geometry(array.shape, (1.0, 1.0, 1.0))))
    np.testing.assert_array_equal(by_simpleitk(tmp_path / "a.nii.gz").array, array)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_what_others_write_is_read(tmp_path: Path, suffix: str, compress: bool) -> None:
    path = tmp_path / f"a{suffix}"
    write_by_simpleitk(path, compress)
    found = read_image(path)
    np.testing.assert_array_equal(found.array, VALUES)
    assert found.geometry.same_grid(GRID)


@pytest.mark.parametrize("suffix", [".NII.GZ", ".NII", ".HDR", ".IMG", ".Nii.gz", ".NRRD", ".MHA"])
def test_upper_case_is_read_with_the_same_checks(tmp_path: Path, suffix: str) -> None:
    """NaN stays NaN, and a cut file is refused: SimpleITK's reader made 0 of both, and 31.04 mL of 47.10."""
    values = VALUES.copy()
    values[1, 2, 3] = np.nan
    lower = suffix.lower()
    if lower in (".hdr", ".img"):
        nib.save(nib.Nifti1Pair(values.T, np.diag([-2.5, -2, 3, 1])), tmp_path / "a.hdr")
        for name in (".hdr", ".img"):
            (tmp_path / f"a{name}").rename(tmp_path / f"a{name.upper()}")
        data = tmp_path / "a.IMG"
    else:
        write_image(tmp_path / f"a{lower}", Image(values, GRID))
        data = (tmp_path / f"a{lower}").rename(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}").array, values)
    data.write_bytes(data.read_bytes()[:-40])
    with pytest.raises(ImageError, match="not a readable image"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha"])
def test_stacks_are_read_in_the_order_of_the_file(tmp_path: Path, suffix: str) -> None:
    stack = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(stack, isVector=False), str(tmp_path / f"a{suffix}"))
    vectors = sitk.GetImageFromArray(np.moveaxis(stack, 0, -1).copy(), isVector=True)
    sitk.WriteImage(vectors, str(tmp_path / f"b{suffix}"))
    for name in ("a", "b"):
        found = read_images(tmp_path / f"{name}{suffix}")
        np.testing.assert_array_equal(np.stack([image.array for image in found]), stack)
        with pytest.raises(ImageError, match="expected one 3-D image, found 2"):
            read_image(tmp_path / f"{name}{suffix}")


def test_formats_without_a_place_in_the_patient_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif"):
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((8, 8), np.uint8)), str(tmp_path / name))
        with pytest.raises(ImageError, match=r"accepted are \.nii\.gz"):
            read_image(tmp_path / name)
    for name in ("a.dcm", "IM0001"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(200))
        with pytest.raises(ImageError, match="folder of the series.*SEG or RTSTRUCT"):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match="a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr", ".hdr"])
def test_the_hash_covers_the_voxels_beside_the_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_by_simpleitk(path)
    header, data = image_files(path)
    before = image_sha256(path)
    assert before == hashlib.sha256(header.read_bytes() + data.read_bytes()).hexdigest()
    voxels = bytearray(data.read_bytes())
    voxels[17] ^= 1
    data.write_bytes(voxels)
    assert image_sha256(path) != before
    if suffix == ".hdr":
        assert image_sha256(tmp_path / "a.img") == image_sha256(path)


def test_the_hash_of_one_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a.mha"):
        write_image(tmp_path / name, Image(VALUES, GRID))
        assert image_sha256(tmp_path / name) == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    (tmp_path / "a.npz").write_bytes(b"no image")
    (tmp_path / "b.mha").write_bytes(b"broken")
    assert image_sha256(tmp_path / "a.npz") == hashlib.sha256(b"no image").hexdigest()
    assert image_sha256(tmp_path / "b.mha") == hashlib.sha256(b"broken").hexdigest()


@pytest.mark.parametrize("of", [read_image, image_sha256])
def test_a_folder_or_nothing_is_said_to_be_that(of: object, tmp_path: Path) -> None:
    for path, said in ((tmp_path, "a folder, not an image file"), (tmp_path / "a.nii.gz", "no such file")):
        with pytest.raises(ImageError, match=said):
            of(path)
