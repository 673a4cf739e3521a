"""Readers who must not see each other: each has a folder of results of his own, `<results>/readers/<reader>/`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from petct.errors import TmtvError
from petct.files import replace_atomically
from petct.image import image_suffix
from postprocess.results import RESULT_FILE


def mirror(automatic: Path, folder: Path, pet: Path) -> None:
    """Make a reader's folder of a case hold the automatic result, so that every command takes it for a result.

    And its PET, so that `tmtv evaluate` takes it for a reference.

    Files are linked where the disk can, else copied. Nothing is done where it holds that result already; edits and
    versions are left alone.
    """
    if automatic == folder:
        return
    try:
        before = (folder / RESULT_FILE).read_bytes() if (folder / RESULT_FILE).is_file() else b""
        if before == (automatic / RESULT_FILE).read_bytes():
            return
        (folder / RESULT_FILE).unlink(missing_ok=True)
        for path in sorted(automatic.glob("lesions_*")):
            _put(path, folder / path.name)
        if image_suffix(pet):
            _put(pet, folder / f"pet{image_suffix(pet)}")
        _put(automatic / RESULT_FILE, folder / RESULT_FILE)  # last: with it the result is whole
    except OSError as error:
        raise TmtvError(f"{folder}: cannot be written ({error.strerror or error}).") from error


def _put(path: Path, target: Path) -> None:
    with replace_atomically(target) as temporary:
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)
