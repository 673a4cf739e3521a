"""One array of an `.npz` file, with the checks of every other image file: whole, of the promised size, numbers."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError
from petct.stored import MAX_IMAGE_BYTES, fill

# What zipfile and NumPy raise for a damaged, encrypted or foreign file.
NPZ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)


def read_npz(path: str | os.PathLike[str], names: Sequence[str]) -> npt.NDArray:
    """The first of the named arrays that the file holds.

    Raises
    ------
    ImageError
        Not a readable `.npz` file; none of these arrays, or one twice; not numbers; more than MAX_IMAGE_BYTES; not
        enough memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            key = next((name for name in names if name in held), None)
            if key is None:
                raise ImageError(f"{path}: no array {' or '.join(f'`{n}`' for n in names)}, only {held}.")
            if held.count(key) > 1:
                raise ImageError(f"{path}: it holds the array `{key}` {held.count(key)} times.")
            with archive.open(f"{key}.npy") as member:
                return _read_array(f"{path}: `{key}`", member)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path}: there is not enough memory for it.") from error
    except NPZ_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise ImageError(f"{path}: not a readable .npz file ({reason}).") from error


def _read_array(name: str, member: IO[bytes]) -> npt.NDArray:
    version = np.lib.format.read_magic(member)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, is_fortran, dtype = read_header(member)
    if dtype.kind not in "biuf":
        raise ImageError(f"{name} must hold numbers. Received: {dtype}.")
    n_bytes = math.prod(shape) * dtype.itemsize
    if not 0 < n_bytes <= MAX_IMAGE_BYTES or min(shape, default=1) < 1:
        raise ImageError(
            f"{name}: its header promises {shape} values, {n_bytes / 2**30:.3g} GiB; 1 byte to "
            f"{MAX_IMAGE_BYTES / 2**30:g} GiB are read."
        )
    buffer = np.empty(n_bytes, np.uint8)
    got = fill(member, buffer.data)
    if got < n_bytes or member.read(1):  # the last read also checks the checksum of the archive
        raise ImageError(f"{name}: it holds {'less' if got < n_bytes else 'more'} than its header promises.")
    values = buffer.view(dtype).reshape(shape, order="F" if is_fortran else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)
