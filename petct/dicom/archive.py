"""Zip files of studies, as archives and mail programs hand them out, unpacked for as long as they are read."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from petct.errors import DicomError, TmtvError

# A whole-body PET/CT has about 0.5 GB; a zip file that promises more than this is none.
MAX_UNPACKED_BYTES = 20_000_000_000


@dataclass(frozen=True)
class Unpacked:
    """What is to be read.

    Attributes
    ----------
    folders : for every path given, the path itself, or for a zip file a folder with its content
    archives : such a folder -> its zip file
    """

    folders: list[Path]
    archives: Mapping[str, str] = field(default_factory=dict)

    def named(self, text: str) -> str:
        """A message or a path with the zip file in place of the folder it was unpacked to, which will be gone."""
        for folder, archive in self.archives.items():
            text = text.replace(folder, archive)
        return text


@contextmanager
def unpacked(paths: Sequence[str | os.PathLike[str]]) -> Iterator[Unpacked]:
    """Yield the paths, each `.zip` file as a temporary folder with its content, gone afterwards.

    Names inside an archive cannot lead out of its folder. A `TmtvError` raised meanwhile names the zip file.

    Raises
    ------
    DicomError
        Not a whole zip file, encrypted, or one that unpacks to more than the disk or `MAX_UNPACKED_BYTES` holds.
    """
    with tempfile.TemporaryDirectory(prefix="tmtv-zip-") as temporary:
        folders, archives = [], {}
        for number, path in enumerate(map(Path, paths)):
            folder = path
            if path.is_file() and zipfile.is_zipfile(path):
                folder = Path(temporary, str(number), "zip")  # no name of another begins with it
                archives[str(folder)] = str(path)
                _unpack(path, folder)
            folders.append(folder)
        found = Unpacked(folders, archives)
        try:
            yield found
        except TmtvError as error:
            raise type(error)(found.named(str(error))) from error


def _unpack(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > min(MAX_UNPACKED_BYTES, shutil.disk_usage(folder).free):
                raise DicomError(f"{path}: it unpacks to {size / 1e9:.1f} GB, more than there is room for.")
            archive.extractall(folder)
    except DicomError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError) as error:
        raise DicomError(f"{path}: not a zip file that can be unpacked ({error}).") from error
