"""Case folders that appear whole or not at all, and vanish from use whole."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from petct.errors import CaseError
from tmtv_tf.cases.case import INFO_NAME, WITHDRAWN_NAME

# Each folder is built in one of its own, `.building.NUMBER`, under a number drawn for it: no case id can be mistaken
# for another's leftover, and no build can remove what another needs.
BUILDING_NAME = ".building"


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder on the same disk that takes the place of `folder` on success and vanishes on any failure.

    Raises
    ------
    CaseError
        Somebody removed or replaced the folder while it was being built; nothing half-made takes a place.
    """
    place = _drawn(folder.parent)
    building, replaced = place / "new", place / "old"
    building.mkdir(parents=True)
    made = os.open(building, os.O_RDONLY)  # held open, so that no other folder can get its number
    try:
        yield building
        if not building.is_dir() or not os.path.samestat(os.stat(building), os.fstat(made)):
            raise CaseError(f"{folder}: another run cleared this folder while it was being built; run again.")
        if folder.exists():
            folder.rename(replaced)
        building.rename(folder)
    finally:
        os.close(made)
        shutil.rmtree(place, ignore_errors=True)


def remove_leftovers(out: Path) -> None:
    """Remove what killed runs left half-built. Only for the run that holds the lock of `out` (`petct.files.locked`)."""
    for place in list(out.glob(f"{BUILDING_NAME}*")):
        stale = _drawn(out)
        with suppress(FileNotFoundError):  # a straggler of the killed run was quicker
            place.rename(stale)  # at once, so that the straggler finds nothing to finish
            shutil.rmtree(stale, ignore_errors=True)


def _drawn(out: Path) -> Path:
    return out / f"{BUILDING_NAME}.{secrets.token_hex(8)}"


def withdraw(folder: Path) -> None:
    """Take a case that is now refused out of use; its images stay until it is prepared again."""
    with suppress(FileNotFoundError):
        os.replace(folder / INFO_NAME, folder / WITHDRAWN_NAME)


def restore(folder: Path) -> None:
    """Put a withdrawn case back into use: it is wanted again as it was."""
    if not (folder / INFO_NAME).is_file():
        os.replace(folder / WITHDRAWN_NAME, folder / INFO_NAME)
