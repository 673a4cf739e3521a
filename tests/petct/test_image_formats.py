"""Image files beside two other readers, SimpleITK and nibabel: the same voxels in the same place, or refused."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from petct.errors import ImageError
from petct.image import Geometry, Image, image_files, image_sha256, read_image, read_images, write_image

OBLIQUE = np.linalg.qr(np.array([[0.96, 0.1, 0.2], [-0.1, 0.99, 0.05], [0.0, 0.0, 1.0]]))[0]
DIRECTIONS = [np.eye(3), np.diag([1.0, -1.0, -1.0]), np.eye(3)[[1, 2, 0]], OBLIQUE, -OBLIQUE]
GRID = Geometry((5, 6, 7), (3.0, 2.0, 2.5), (-10.0, 20.0, 333.3), tuple(OBLIQUE.ravel()))
VALUES = (np.random.default_rng(1).random(GRID.shape) * 100).astype(np.float32)


def by_simpleitk(path: Path) -> Image:
    image = sitk.ReadImage(str(path))
    geometry = Geometry(
        image.GetSize()[::-1], image.GetSpacing()[::-1], image.GetOrigin(), image.GetDirection()
    )
    return Image(sitk.GetArrayFromImage(image), geometry)


def write_by_simpleitk(path: Path, compress: bool = False) -> None:
    image = sitk.GetImageFromArray(VALUES)
    image.SetSpacing(GRID.spacing_mm[::-1])
    image.SetOrigin(GRID.origin_mm)
    image.SetDirection(GRID.direction)
    sitk.WriteImage(image, str(path), useCompression=compress)


def edit_nifti(path: Path, **fields: object) -> None:
    """Change fields of the header in the file, byte for byte, as nibabel names them."""
    data = path.read_bytes()
    header = nib.Nifti1Header(data[:348], endianness="<", check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + data[348:])


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


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"ElementDataFile = a.raw", b"ElementDataFile = ../a.raw", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = ../..", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = ..", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = /etc/passwd", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = C:\\a.raw", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = b.raw", "b.raw is missing"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = LIST\na.raw", "several files"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = a%d.raw 1 2 1", "several files"),
        (b"ElementSpacing = 2.5 2 3\n", b"", "ElementSpacing is missing"),
        (b"ElementSpacing = 2.5 2 3\n", b"ElementSpacing = 1_0 2 3\n", "ElementSpacing must be 3 numbers"),
        (b"NDims = 3\n", b"NDims = 3\nNDims = 3\n", "doubled"),
        (b"NDims = 3\n", b"NDims = 3\nDistanceUnits = um\n", "DistanceUnits must be mm"),
        (b"ElementType = MET_FLOAT", b"ElementType = MET_LONG", "ElementType"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6 4", "holds more than"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6 6", "ends after"),
    ],
)
def test_metaimage_headers_that_cannot_be_trusted(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = tmp_path / "folder" / "a.mhd"
    path.parent.mkdir()
    write_by_simpleitk(path)
    rewrite(path, old, new)
    with pytest.raises(ImageError, match=says):
        read_image(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"data file: a.raw", b"data file: ../a.raw", "not in the folder"),
        (b"data file: a.raw", b"datafile: /etc/passwd", "not in the folder"),
        (b"data file: a.raw", b"data file: LIST\na.raw", "several files"),
        (b"data file: a.raw", b"data file: a%d.raw 1 2 1", "several files"),
        (b"space: left-posterior-superior", b"space: scanner-xyz", "patient's left"),
        (b"space: left-posterior-superior\n", b"", "patient's left"),
        (b"type: float", b"type: block", "type"),
        (b"type: float", b'type: float\nspace units: "m" "m" "m"', "space units must be mm"),
        (b"encoding: raw", b"encoding: hex", "encoding"),
        (b"kinds: domain domain", b"kinds: domain time", "kinds"),
        (b"sizes: 7 6 5", b"sizes: 7 6 4", "holds more than"),
        (b"sizes: 7 6 5", b"sizes: 7 6 6", "ends after"),
        (b"sizes: 7 6 5", b"sizes: 7 6 5\nsizes: 7 6 5", "doubled"),
    ],
)
def test_nrrd_headers_that_cannot_be_trusted(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = tmp_path / "folder" / "a.nhdr"
    path.parent.mkdir()
    write_by_simpleitk(path)
    rewrite(path, old, new)
    with pytest.raises(ImageError, match=says):
        read_image(path)


def test_nrrd_in_ras_is_brought_to_lps(tmp_path: Path) -> None:
    write_by_simpleitk(tmp_path / "a.nrrd")
    rewrite(tmp_path / "a.nrrd", b"space: left-posterior-superior", b"space: right-anterior-superior")
    assert read_image(tmp_path / "a.nrrd").geometry.same_grid(by_simpleitk(tmp_path / "a.nrrd").geometry)


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


def test_a_small_file_that_promises_much_is_refused_at_once(tmp_path: Path) -> None:
    """12.6 GB of zeros: refused on the header, before anything is inflated."""
    path = tmp_path / "a.nii.gz"
    write_image(path, Image(VALUES, GRID))
    header = nib.Nifti1Header(gzip.decompress(path.read_bytes())[:348])
    header["dim"][1:4] = 1466, 1466, 1466
    path.write_bytes(gzip.compress(header.binaryblock + bytes(5000)))
    with pytest.raises(ImageError, match=r"promises 11.7 GiB .* at most 8 GiB"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_stream_that_goes_on_is_not_inflated_further(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, Image(np.zeros((64, 64, 64), np.float32), Geometry((64, 64, 64), (1.0, 1.0, 1.0))))
    if suffix == ".nii.gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(10)))
    else:
        sizes = {".nrrd": b"sizes: 64 64 6", ".mha": b"DimSize = 64 64 6"}[suffix]
        rewrite(path, sizes + b"4", sizes + b"3")
    with pytest.raises(ImageError, match="holds more than"):
        read_image(path)


def test_not_enough_memory_is_said(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "a.nii.gz"
    write_image(path, Image(np.zeros((512, 512, 512), np.uint8), Geometry((512, 512, 512), (1.0, 1.0, 1.0))))
    code = (
        "import resource, sys\n"
        "from petct.image import read_image\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, -1))\n"
        "try: read_image(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "not enough memory for its 128 MiB" in done.stdout
    assert "not a readable image" not in done.stdout


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
