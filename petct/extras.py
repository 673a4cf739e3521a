"""Packages that only some commands need: what to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from petct.errors import ParameterError


@contextmanager
def extra(name: str, user: str) -> Iterator[None]:
    """Import packages of an extra of setup.cfg inside: `with extra("pacs", "tmtv serve"): import pynetdicom`.

    Raises
    ------
    ParameterError
        A package is not installed: its name, and the extra that brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ParameterError(
            f"{user} needs more packages ({error.name}): pip install '.[{name}]' in your clone of tmtv-tf."
        ) from error
