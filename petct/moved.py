"""Import paths of version 0.1: one ImportError that names the new place. To be removed with version 0.3."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.abc import MetaPathFinder


class MovedModules(MetaPathFinder):
    """Asked first, since an empty folder that an older version left behind counts as a package."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = places

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a module that moved; None for every other."""
        if fullname in self.places:
            raise ImportError(f"{fullname} moved in version 0.2: use {self.places[fullname]}.", name=fullname)


def point_to(places: Mapping[str, str]) -> None:
    """Say from now on where modules went: old dotted name to new."""
    sys.meta_path.insert(0, MovedModules(places))
