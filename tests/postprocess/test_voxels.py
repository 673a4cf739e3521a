"""The voxels of an edit: their SHA-256 spelled out, and their file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from petct.errors import TmtvError
from petct.image import Geometry, Image, write_image
from postprocess.voxels import Voxels, read_voxels

GRID = Geometry((3, 4, 5), (4.0, 3.0, 2.0), (-20.0, 10.0, 5.0))


def drawn(*groups: int) -> Voxels:
    """Every third voxel, in groups that take turns."""
    index = np.arange(1, 60, 3)
    return Voxels(index, np.resize(np.array(groups, np.int32), index.size), GRID.shape)


def test_the_sha256_of_a_mask_is_that_of_its_bits() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask.reshape(-1)[1:60:3] = True
    digest = hashlib.sha256(b"(3, 4, 5)" + np.packbits(mask).tobytes()).hexdigest()
    assert drawn(1).sha256 == Voxels.of_array(mask).sha256 == digest


def test_the_sha256_of_groups_tells_them_apart() -> None:
    bits = np.packbits(np.resize([False, True, False], 60)).tobytes()
    values = np.resize(np.array([1, 2, 3], "<u2"), 20).tobytes()
    assert drawn(1, 2, 3).sha256 == hashlib.sha256(b"(3, 4, 5)" + bits + values).hexdigest()
    assert len({drawn(*groups).sha256 for groups in ((1,), (1, 2), (2, 1), (1, 300))}) == 4


def test_no_voxel_has_a_sha256_too() -> None:
    assert (
        Voxels.of_array(np.zeros(GRID.shape, bool)).sha256
        == hashlib.sha256(b"(3, 4, 5)" + bytes(8)).hexdigest()
    )


@pytest.mark.parametrize("groups", [(1,), (1, 2), (1, 300)])
def test_a_file_holds_them(tmp_path: Path, groups: tuple[int, ...]) -> None:
    voxels = drawn(*groups)
    voxels.write(tmp_path, GRID)
    found = read_voxels(tmp_path, voxels.sha256, GRID)
    np.testing.assert_array_equal(found.index, voxels.index)
    np.testing.assert_array_equal(found.group, voxels.group)


def test_a_file_with_other_voxels_or_on_another_grid_is_refused(tmp_path: Path) -> None:
    voxels = drawn(1)
    path = tmp_path / "edits" / f"{voxels.sha256}.nii.gz"
    path.parent.mkdir()
    voxels.write(tmp_path, GRID)
    with pytest.raises(TmtvError, match="another grid"):
        read_voxels(tmp_path, voxels.sha256, Geometry((3, 4, 5), (4.0, 3.0, 3.0), (-20.0, 10.0, 5.0)))
    for dtype in (np.uint8, np.float32):
        write_image(path, Image(np.ones(GRID.shape, dtype), GRID))
        with pytest.raises(TmtvError, match="SHA-256 differs"):
            read_voxels(tmp_path, voxels.sha256, GRID)
