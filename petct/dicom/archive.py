"""A zip file of a study, as archives and mail programs hand it out, unpacked for as long as it is read."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from petct.errors import DicomError

# A whole-body PET/CT has about 0.5 GB; a zip file that promises more than this is none.
MAX_UNPACKED_BYTES = 20_000_000_000


@contextmanager
def unpacked(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the folder itself, or for a `.zip` file a temporary folder with its content, gone afterwards.

    Names inside the archive cannot lead out of the folder.

    Raises
    ------
    DicomError
        Not a whole zip file, encrypted, or one that unpacks to more than the disk or `MAX_UNPACKED_BYTES` holds.
    """
    path = Path(path)
    if not (path.is_file() and zipfile.is_zipfile(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tmtv-zip-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
                if size > min(MAX_UNPACKED_BYTES, shutil.disk_usage(folder).free):
                    raise DicomError(
                        f"{path}: it unpacks to {size / 1e9:.1f} GB, more than there is room for."
                    )
                archive.extractall(folder)
        except DicomError:
            raise
        except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError) as error:
            raise DicomError(f"{path}: not a zip file that can be unpacked ({error}).") from error
        yield Path(folder)
