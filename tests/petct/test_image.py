"""Reading and writing of images where SimpleITK alone would not do."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import petct
from petct.errors import ImageError
from petct.image import Geometry, Image, read_image, write_image

GRID = Geometry((20, 64, 64), (3.0, 2.0, 1.0), (5.0, -6.0, 7.0))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands in for the full disk; SimpleITK would leave half a NIfTI file in silence."""
    code = (
        "import resource, sys, numpy as np\n"
        "from petct.image import Geometry, Image, write_image\n"
        "noise = np.random.default_rng(0).integers(0, 60000, (20, 64, 64)).astype(np.uint16)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\n"
        "try: write_image(sys.argv[1], Image(noise, Geometry(noise.shape, (1.0, 1.0, 1.0))))\n"
        "except ValueError as error: print(error)\n"
    )
    path = tmp_path / f"x{suffix}"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, dtype: type) -> None:
    array = (np.random.default_rng(0).random(GRID.shape) * 200).astype(dtype)
    path = tmp_path / f"x{suffix}"
    write_image(path, Image(array, GRID))
    found = read_image(path)
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry.same_grid(GRID)
    first = path.read_bytes()
    write_image(path, Image(array, GRID))
    assert path.read_bytes() == first


def test_arrays_outlive_the_reader_and_do_not_share(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random(GRID.shape).astype(np.float32)
    write_image(tmp_path / "x.nii.gz", Image(array, GRID))
    found = [read_image(tmp_path / "x.nii.gz").array for _ in range(8)]
    gc.collect()
    noise = [np.ones(GRID.shape, np.float32) for _ in range(8)]
    found[0][:] = noise[0]
    for other in found[1:]:
        np.testing.assert_array_equal(other, array)


SHAPE, SPACING = (2, 3, 4), (3.0, 2.0, 1.0)


SUV = np.ones(SHAPE, np.float32)


@pytest.mark.parametrize("array", [[[[1.0]]], np.ones((3, 4)), SUV.astype(complex), SUV.astype(object)])
def test_an_image_is_an_array_of_three_axes(array: object) -> None:
    with pytest.raises(ImageError, match="`array`"):
        Image(array, Geometry(SHAPE, SPACING))  # type: ignore[arg-type]


def test_a_bare_array_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"`image` must be a petct\.Image"):
        petct.write_image(tmp_path / "x.nii.gz", SUV)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"`image` must be a petct\.Image"):
        petct.resample(SUV, Geometry(SHAPE, SPACING))  # type: ignore[arg-type]


TURNED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)  # by 37 degrees about z


@pytest.mark.parametrize(
    ("geometry", "inside"),
    [
        (Geometry((3, 4, 5), (1.5, 1.0, 0.7), (31.0, 22.0, 13.0)), 60),
        (Geometry((3, 4, 5), (1.5, 1.0, 0.7), (31.0, 22.0, 13.0), TURNED), 60),
        (Geometry((40, 4, 5), (3.0, 2.0, 2.0), (-5.0, 1.0, -20.0)), 114),
        (Geometry((3, 4, 5), (1.5, 1.0, 0.7), (900.0, 22.0, 13.0)), 0),
        (Geometry((3, 4, 5), (1.5, 1.0, 0.7), (31.0, 22.0, -90.0)), 0),
    ],
)
def test_a_grid_anywhere_gets_the_values_of_its_places(geometry: Geometry, inside: int) -> None:
    """A linear function of the place is what linear interpolation gives back, exactly; outside it is the fill."""
    whole = Geometry((20, 30, 40), (3.0, 2.0, 1.5), (-2.0, 4.0, -9.0))

    def value(places: np.ndarray) -> np.ndarray:
        return places @ [2.0, -3.0, 5.0] + 7.0

    def every(grid: Geometry) -> np.ndarray:
        return grid.to_world(np.indices(grid.shape).reshape(3, -1).T)

    image = Image(value(every(whole)).reshape(whole.shape).astype(np.float32), whole)
    found = petct.resample(image, geometry, fill=-1000.0).array.ravel()
    index = whole.to_index(every(geometry))
    within = np.all((index >= 0) & (index <= np.array(whole.shape) - 1), axis=1)
    beyond = np.any((index < -0.5) | (index > np.array(whole.shape) - 0.5), axis=1)
    assert np.count_nonzero(within) >= inside
    assert np.allclose(found[within], value(every(geometry))[within], atol=1e-3)
    assert np.all(found[beyond] == -1000.0)
