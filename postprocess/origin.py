"""What a result was made from: the files in each role, and their fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from petct.image import image_sha256
from petct.text import stated_name
from postprocess.inputs import MapFile
from postprocess.reference import reference_series
from postprocess.regions import holds_regions, label_files
from postprocess.suv_source import SuvSource

# Not the image of a case: edits and the model behind a map have their own rules.
OTHER_ROLES = ("exclude_mask", "model")


@dataclass(frozen=True)
class Origin:
    """An input: what results call it, its files, and the user's own values that change what is read from them.

    record : what results say of it besides its name and its SHA-256
    """

    name: str
    files: tuple[Path, ...]
    values: str = ""
    record: Mapping[str, Any] = field(default_factory=dict, hash=False)
    _read: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def sha256(self) -> str:
        """Of one file and its detached data; of a series, of its sorted files' bytes, then of `values`."""
        if not self.values:
            return self.files_sha256()
        digest = self._files_digest().copy()
        digest.update(self.values.encode())
        return digest.hexdigest()

    def files_sha256(self) -> str:
        """As `sha256`, without `values`."""
        return image_sha256(self.files[0]) if len(self.files) == 1 else self._files_digest().hexdigest()

    def _files_digest(self) -> Any:
        """Of the files' bytes, which are read once: a series has some hundred megabytes."""
        if not self._read:
            digest = hashlib.sha256()
            for path in self.files:
                digest.update(path.read_bytes())
            self._read.append(digest)
        return self._read[0]


def origins(found: MapFile, source: SuvSource) -> dict[str, Origin]:
    """The inputs of a case by their role: `probability` or `mask` (and `mask_2`, ...), `suv`, `reference`.

    Raises
    ------
    TmtvError
        A reference folder without one series.
    """
    role = "mask" if found.is_mask else "probability"
    alone = not found.is_mask or holds_regions(found.path)
    files = [found.path] if alone else label_files(found.path)
    named = {
        role if n == 1 else f"{role}_{n}": Origin(stated_name(path), (path,))
        for n, path in enumerate(files, 1)
    }
    named["suv"] = Origin(source.name, tuple(source.files()), source.values, source.record)
    if found.reference is not None and found.reference.is_dir():
        series = reference_series(found.reference)
        named["reference"] = Origin(f"DICOM series {series.series_uid}", tuple(sorted(series.files)))
    elif found.reference is not None:
        named["reference"] = Origin(stated_name(found.reference), (found.reference,))
    return named


def changed_roles(earlier: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """The roles in which an earlier result had another file, one more or one less; names do not count."""

    def content(found: Any) -> Any:
        return found.get("sha256") if isinstance(found, dict) else found

    roles = [role for role in {**earlier, **inputs} if role not in OTHER_ROLES]
    return [role for role in roles if content(earlier.get(role)) != content(inputs.get(role))]
