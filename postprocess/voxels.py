"""The voxels of an edit: as a list, and in their file `edits/<sha256>.nii.gz`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import TmtvError
from petct.files import make_folder
from petct.image import Geometry, Image, read_image, write_image
from postprocess._components import IntVector, Labels, labelled, voxels_above
from postprocess.edits import EDITS_FILE, MASK_FOLDER

UNDO = "Use --clear-edits (tmtv run, tmtv-postprocess) and edit anew; edits.json keeps the old edits."


@dataclass(frozen=True, eq=False)
class Voxels:
    """Voxels that a reader means, of an image of some shape (Z, Y, X).

    index : ascending flat indices. group : 1, 2, ... of each
    """

    index: IntVector
    group: Labels
    shape: tuple[int, int, int]

    @classmethod
    def mask(cls, index: IntVector, shape: tuple[int, int, int]) -> Voxels:
        """Voxels in one group, from ascending flat indices."""
        return cls(index, np.ones(index.size, np.int32), shape)

    @classmethod
    def of_array(cls, array: npt.NDArray) -> Voxels:
        """Those of a mask (Z, Y, X), or of an image of group numbers, 0 outside."""
        if array.dtype == bool:
            return cls.mask(voxels_above(array), array.shape)
        return cls(*labelled(array), array.shape)

    @cached_property
    def sha256(self) -> str:
        """Of the shape, then of the mask in (Z, Y, X) order, eight voxels to a byte.

        Where there is more than one group, then of the groups of its voxels in that order, as uint16.
        """
        digest = hashlib.sha256(repr(tuple(int(n) for n in self.shape)).encode())
        bits = np.zeros((int(np.prod(self.shape)) + 7) >> 3, np.uint8)
        byte = self.index >> 3
        first = np.flatnonzero(np.diff(byte, prepend=-1))
        if first.size:
            bits[byte[first]] = np.add.reduceat(128 >> (self.index & 7), first)
        digest.update(bits.data)
        if self.group.max(initial=0) > 1:
            digest.update(self.group.astype("<u2").tobytes())
        return digest.hexdigest()

    def write(self, folder: Path, geometry: Geometry) -> tuple[Path, Path]:
        """Write the file that an entry of the log of a case names by its `sha256`.

        The file, and its folder: `write_log` puts them on disk before the log.
        """
        array = np.zeros(self.shape, np.uint8 if self.group.max(initial=0) <= 255 else np.uint16)
        array.reshape(-1)[self.index] = self.group
        path = _path(folder, self.sha256)
        make_folder(path.parent, durable=True)
        write_image(path, Image(array, geometry))
        return path, path.parent


def read_voxels(folder: Path, name: str, geometry: Geometry) -> Voxels:
    """The voxels that an entry of the log of a case names by their `sha256`.

    Raises
    ------
    TmtvError
        The file is missing, on another grid, or holds others.
    """
    path = _path(folder, name)
    image = read_image(path)
    if not image.geometry.same_grid(geometry):
        raise TmtvError(f"{path}: it was made on another PET: another grid. {UNDO}")
    voxels = Voxels.of_array(image.array) if image.array.dtype.kind == "u" else None
    if voxels is None or voxels.sha256 != name:
        raise TmtvError(f"{path}: not the region that {EDITS_FILE} names (its SHA-256 differs). {UNDO}")
    return voxels


def _path(folder: Path, name: str) -> Path:
    return folder / MASK_FOLDER / f"{name}.nii.gz"
