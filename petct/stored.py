"""What the header of an image file promises, and the voxels behind it: the checks that every file format shares."""

from __future__ import annotations

import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
from isal import igzip, igzip_lib, isal_zlib

from petct.errors import ImageError
from petct.geometry import Geometry, Image

# A CT of 512 x 512 x 2000 voxels in float64 is 4.2 GB. A small file can promise far more (a deflated bomb).
MAX_IMAGE_BYTES = 8 * 2**30
# No PET or CT has voxels or positions outside these: a header that says so is in another unit, or damaged.
MIN_SPACING_MM, MAX_SPACING_MM = 0.01, 100.0
MAX_ORIGIN_MM = 1e5
AXES_TOLERANCE = 1e-3  # unit vectors at right angles, to this
MAX_HEADER_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18  # stays in the cache while its checksum is computed

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    igzip_lib.IsalError,  # type: ignore[assignment]
)


@dataclass(frozen=True)
class Stored:
    """What a header promises.

    Attributes
    ----------
    path : the file as the user named it; `data` : the file with the voxels, often the same
    start : byte of `data` where the voxels, or what holds them compressed, begin; -1: the voxels end the file
    compression : "", "gzip" or "zlib"; of the inflated bytes the first `skip` are none of the voxels
    dtype : as stored, with its byte order
    size : (X, Y, Z)
    spacing_mm : (sx, sy, sz); `origin_mm` : LPS (x, y, z) of the first voxel
    direction : 3x3, columns = LPS unit vectors of the X, Y and Z axes
    parts : 3-D images in the file; `parts_first` : whether their values alternate voxel by voxel
    slope, intercept : value = stored * slope + intercept; (1, 0) keeps the stored type
    """

    path: Path
    data: Path
    start: int
    compression: str
    dtype: np.dtype
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: npt.NDArray[np.float64]
    skip: int = 0
    parts: int = 1
    parts_first: bool = False
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def n_bytes(self) -> int:
        return math.prod(self.size) * self.parts * self.dtype.itemsize

    def geometry(self) -> Geometry:
        """The grid, checked.

        Raises
        ------
        ImageError
            No voxels, more than MAX_IMAGE_BYTES, a spacing or origin that no PET or CT has, sheared axes.
        """
        if min(*self.size, self.parts) < 1:
            raise ImageError(f"{self.path}: an image of {self.size} voxels is empty.")
        if self.n_bytes > MAX_IMAGE_BYTES:
            raise ImageError(
                f"{self.path}: its header promises {self.n_bytes / 2**30:.1f} GiB of voxels; at most "
                f"{MAX_IMAGE_BYTES / 2**30:g} GiB are read."
            )
        spacing = np.asarray(self.spacing_mm, float)
        if not np.all(spacing > 0) or not np.all(np.isfinite(spacing)):
            raise ImageError(f"{self.path}: voxel spacing {_listed(spacing)} mm is not positive.")
        if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
            raise ImageError(
                f"{self.path}: voxel spacing {_listed(spacing)} mm is outside {MIN_SPACING_MM:g} to "
                f"{MAX_SPACING_MM:g} mm: is it stored in another unit?"
            )
        if not np.all(np.abs(self.origin_mm) <= MAX_ORIGIN_MM):
            raise ImageError(
                f"{self.path}: its first voxel lies at {_listed(self.origin_mm)} mm, outside any scanner."
            )
        if not np.allclose(self.direction.T @ self.direction, np.eye(3), rtol=0, atol=AXES_TOLERANCE):
            raise ImageError(
                f"{self.path}: its axes are sheared (direction matrix {self.direction.tolist()})."
            )
        x, y, z = self.size
        sx, sy, sz = self.spacing_mm
        direction = tuple(self.direction.ravel().tolist())
        return Geometry((z, y, x), (sz, sy, sx), self.origin_mm, direction)


def read_stored(stored: Stored) -> list[Image]:
    """The 3-D images of a file, slope and intercept applied; NaN and infinite values as they are stored.

    Raises
    ------
    ImageError
        As `Stored.geometry`; the file holds less or more than its header promises, its checksum is wrong, or there
        is not enough memory for it.
    """
    geometry = stored.geometry()
    try:
        values = _voxels(stored)
        if (stored.slope, stored.intercept) != (1, 0):
            exact = stored.dtype.itemsize <= 2 or stored.dtype == np.float32
            values = values.astype(np.float32 if exact else np.float64, copy=False)
            values = values * values.dtype.type(stored.slope) + values.dtype.type(stored.intercept)
    except MemoryError as error:
        raise ImageError(
            f"{stored.path}: there is not enough memory for its {stored.n_bytes / 2**20:.0f} MiB of voxels."
        ) from error
    except READ_ERRORS as error:
        if isinstance(error, ImageError):
            raise
        raise unreadable(stored.path, error) from error
    if stored.parts_first:
        values = values.reshape(*geometry.shape, stored.parts)
        return [Image(np.ascontiguousarray(values[..., i]), geometry) for i in range(stored.parts)]
    return [Image(part, geometry) for part in values.reshape(stored.parts, *geometry.shape)]


def unreadable(path: str | os.PathLike[str], reason: object) -> ImageError:
    """The error of a file that is no image that can be read."""
    return ImageError(f"{path}: not a readable image ({' '.join(str(reason).split())[:200]}).")


def beside(path: Path, name: str) -> Path:
    """The data file that a header names: in the header's own folder, never elsewhere.

    Raises
    ------
    ImageError
        A list or pattern of files, a path that leads out of the folder, or no such file.
    """
    listed = name.upper() == "LIST" or "%" in name or re.match(r"list\b", name, re.IGNORECASE)
    if not name or listed:
        raise ImageError(f"{path}: its voxels are spread over several files ({name!r}); store them in one.")
    if re.search(r"[/\\:\0]", name) or name in (".", ".."):
        raise ImageError(f"{path}: its data file {name!r} is not in the folder of the header; put it there.")
    found = path.with_name(name)
    if not found.is_file():
        raise ImageError(f"{path}: its data file {name} is missing.")
    return found


def fill(stream: IO[bytes], view: memoryview) -> int:
    """Read until `view` is full or the stream ends; returns the bytes read."""
    got = 0
    while got < len(view) and (n := stream.readinto(view[got : got + CHUNK_BYTES])):  # type: ignore[attr-defined]
        got += n
    return got


def _voxels(stored: Stored) -> npt.NDArray:
    """All values in the order of the file, in the machine's byte order."""
    buffer = np.empty(stored.n_bytes, np.uint8)
    with _stream(stored) as stream:
        if (got := fill(stream, buffer.data)) < stored.n_bytes:
            raise EOFError(f"it ends after {got} of {stored.n_bytes} bytes of voxels")
        if stream.read(1):
            raise ImageError(
                f"{stored.path}: it holds more than the {stored.n_bytes} bytes of voxels that its header promises."
            )
    values = buffer.view(stored.dtype)
    return values.astype(stored.dtype.newbyteorder("="), copy=False)


def _stream(stored: Stored) -> IO[bytes]:
    """The voxels as a stream that starts at the first one."""
    file = open(stored.data, "rb")  # noqa: SIM115 - the caller closes it
    try:
        start = stored.start if stored.start >= 0 else file.seek(0, os.SEEK_END) - stored.n_bytes
        if start < 0:
            raise EOFError("it is shorter than its voxels")
        file.seek(start)
        if stored.compression == "zlib":
            return cast(IO[bytes], io.BufferedReader(_Zlib(file)))
        if stored.compression != "gzip":
            return file
        inflated = igzip.IGzipFile(fileobj=file, mode="rb")
        inflated.myfileobj = file  # type: ignore[assignment]  # closed with it
        if len(inflated.read(stored.skip)) < stored.skip:
            raise EOFError("it ends before the first voxel")
        return cast(IO[bytes], inflated)
    except BaseException:
        file.close()
        raise


class _Zlib(io.RawIOBase):
    """The inflated bytes of a zlib stream that runs to the end of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = isal_zlib.decompressobj()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, view) -> int:  # type: ignore[no-untyped-def,override]  # noqa: ANN001
        while not self._inflate.eof:
            piece = self._rest or self._file.read(CHUNK_BYTES)
            data = self._inflate.decompress(piece, min(len(view), CHUNK_BYTES))
            self._rest = self._inflate.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if not piece:
                raise EOFError("its compressed voxels end too early")
        if self._inflate.unused_data or self._file.read(1):
            raise ValueError("bytes follow its compressed voxels")
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def _listed(values: object) -> str:
    return "(" + ", ".join(f"{v:g}" for v in np.asarray(values, float)) + ")"
