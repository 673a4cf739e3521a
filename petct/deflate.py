"""Writing gzip files: by ISA-L where the package `isal` is installed (same size, 4 times faster), else by zlib."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable

try:
    from isal import isal_zlib
except ImportError:  # an accelerator, not a need
    isal_zlib = None  # type: ignore[assignment]

LEVEL = 1
GZIP = 31  # zlib's number for the largest window and a gzip header
CHUNK_BYTES = 1 << 22


def write_gzip(path: str | os.PathLike[str], parts: Iterable[bytes | bytearray | memoryview]) -> None:
    """Write the parts, one after another, as one gzip file."""
    library = isal_zlib or zlib
    compressor = library.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    with open(path, "wb") as file:
        for part in parts:
            view = memoryview(part).cast("B")
            for start in range(0, len(view), CHUNK_BYTES):
                file.write(compressor.compress(view[start : start + CHUNK_BYTES]))
        file.write(compressor.flush())
