"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr): headers of text, voxels behind them or in a file beside them.

Sources: itk.org/Wiki/MetaIO/Documentation; teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from petct.errors import ImageError
from petct.stored import MAX_HEADER_BYTES, Stored, beside, unreadable

_META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_META_SAME = {
    "Position": "Offset",
    "Origin": "Offset",
    "Orientation": "TransformMatrix",
    "Rotation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
_NRRD_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_NRRD_SPACES = {  # the factors that bring a position to LPS
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of a MetaImage header, and where it ends."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        for line in _lines(path, file):
            key, equals, value = line.partition("=")
            key, value = key.strip(), value.strip()
            key = _META_SAME.get(key, key)
            if not equals or key in fields:
                raise unreadable(
                    path, f"header line {line.strip()[:60]!r}" + (" is doubled" if equals else "")
                )
            fields[key] = value
            if key == "ElementDataFile":
                break
        start = file.tell()
    if "ElementDataFile" not in fields:
        raise unreadable(path, "its header has no end")
    return fields, start


def metaimage_header(path: Path) -> Stored:
    """What a MetaImage header promises.

    Raises
    ------
    ImageError
        A field that is missing, doubled or not understood; no spacing, position or orientation.
    """
    fields, start = _meta_fields(path)
    header = _Fields(path, fields)
    n = header.whole("NDims")
    if n not in (3, 4):
        raise ImageError(f"{path}: expected one 3-D image, found {n} dimensions (NDims).")
    for key, wanted in (
        ("ObjectType", "image"),
        ("BinaryData", "true"),
        ("DistanceUnits", "mm"),
        ("HeaderSizePerSlice", "0"),
        ("ElementToIntensityFunctionSlope", "1"),
        ("ElementToIntensityFunctionOffset", "0"),
    ):
        if fields.get(key, wanted).lower() != wanted:
            raise ImageError(f"{path}: {key} must be {wanted}. Received: {fields[key]!r}.")
    size, spacing = header.wholes("DimSize", n), header.numbers("ElementSpacing", n)
    matrix = np.reshape(header.numbers("TransformMatrix", n * n), (n, n)).T
    origin = header.numbers("Offset", n)
    if n == 4 and (np.any(matrix[3, :3]) or np.any(matrix[:3, 3])):
        raise ImageError(f"{path}: its fourth axis is mixed with the others (TransformMatrix).")
    channels = header.whole("ElementNumberOfChannels", 1)
    parts = size[3] if n == 4 else 1
    if channels != 1 and parts != 1:
        raise ImageError(f"{path}: expected 3-D or 4-D, found {channels} values per voxel of a 4-D image.")
    kind = _META_TYPES.get(fields.get("ElementType", ""))
    if kind is None:
        raise unreadable(path, f"ElementType {fields.get('ElementType')!r}")
    local = fields["ElementDataFile"].upper() == "LOCAL"
    skip = header.whole("HeaderSize", 0)
    if skip < -1 or (local and skip > 0):
        raise unreadable(path, f"HeaderSize {skip}")
    compressed = header.flag("CompressedData")
    return Stored(
        path,
        path if local else beside(path, fields["ElementDataFile"]),
        start if local else skip,
        "zlib" if compressed else "",
        np.dtype((">" if header.flag("BinaryDataByteOrderMSB") else "<") + kind),
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        matrix[:3, :3],
        parts=channels if channels != 1 else parts,
        parts_first=channels != 1,
    )


def _nrrd_fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of an NRRD header, and where it ends."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        lines, ended = _lines(path, file), False
        if not re.fullmatch(r"NRRD000[1-5]", next(lines, "").strip()):
            raise unreadable(path, "no NRRD header")
        for line in lines:
            if not line.strip():
                ended = True
                break
            if line.startswith("#") or re.match(r"[^:]*:=", line):
                continue
            key, colon, value = line.partition(": ")
            key = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}.get(
                key.strip().lower(), key.strip().lower()
            )
            if not colon or key in fields:
                raise unreadable(
                    path, f"header line {line.strip()[:60]!r}" + (" is doubled" if colon else "")
                )
            fields[key] = value.strip()
            if key == "data file" and value.strip().upper().startswith("LIST"):
                beside(path, value.strip())  # refused; file names follow, not fields
        start = file.tell()
    if not ended and "data file" not in fields:
        raise unreadable(path, "its header has no end")
    return fields, start


def nrrd_header(path: Path) -> Stored:
    """What an NRRD header promises.

    Raises
    ------
    ImageError
        A field that is missing, doubled or not understood; a space other than LPS, RAS and LAS.
    """
    fields, start = _nrrd_fields(path)
    header = _Fields(path, fields)
    n = header.whole("dimension")
    if n not in (3, 4):
        raise ImageError(f"{path}: expected one 3-D image, found {n} dimensions.")
    size = header.wholes("sizes", n)
    vectors, part_axis = _nrrd_vectors(header, n)
    kinds = fields.get("kinds", "").split() or ["domain"] * n
    of_space = [kind for axis, kind in enumerate(kinds) if axis != part_axis]
    if len(kinds) != n or not set(map(str.lower, of_space)) <= {"domain", "space", "none", "???"}:
        raise unreadable(path, f"kinds {fields['kinds'][:60]!r}")
    to_lps = _NRRD_SPACES.get(fields.get("space", "").lower())
    if to_lps is None:
        raise ImageError(
            f"{path}: it does not say where the patient's left is (space {fields.get('space')!r}; expected "
            "left-posterior-superior or right-anterior-superior)."
        )
    if "spacings" in fields:
        raise ImageError(f"{path}: spacings and space directions must not stand together.")
    if any(unit != "mm" for unit in re.findall(r'"([^"]*)"', fields.get("space units", ""))):
        raise ImageError(f"{path}: space units must be mm. Received: {fields['space units']}.")
    axes = (np.array(vectors) * to_lps).T
    spacing = np.linalg.norm(axes, axis=0)
    if not spacing.min() > 0:
        raise ImageError(f"{path}: voxel spacing {tuple(spacing.tolist())} mm is not positive.")
    origin = (np.array(header.vector("space origin", fields.get("space origin", ""))) * to_lps).tolist()
    spatial = [v for axis, v in enumerate(size) if axis != part_axis]
    return Stored(
        path,
        *_nrrd_data(header, start),
        _nrrd_dtype(header),
        (spatial[0], spatial[1], spatial[2]),
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (origin[0], origin[1], origin[2]),
        axes / spacing,
        parts=1 if part_axis is None else size[part_axis],
        parts_first=part_axis == 0,
    )


class _Fields:
    """The values of a header, with errors that name the field."""

    def __init__(self, path: Path, fields: dict[str, str]) -> None:
        self.path, self.fields = path, fields

    def _text(self, key: str) -> str:
        if key not in self.fields:
            raise ImageError(f"{self.path}: not a readable image ({key} is missing from its header).")
        return self.fields[key]

    def numbers(self, key: str, n: int) -> list[float]:
        texts = self._text(key).split()
        if len(texts) != n or not all(re.fullmatch(_NUMBER, text, re.ASCII) for text in texts):
            raise unreadable(self.path, f"{key} must be {n} numbers, not {self.fields[key][:60]!r}")
        return [float(text) for text in texts]

    def wholes(self, key: str, n: int) -> list[int]:
        texts = self._text(key).split()
        if len(texts) != n or not all(re.fullmatch(r"[-+]?\d{1,18}", text, re.ASCII) for text in texts):
            raise unreadable(self.path, f"{key} must be {n} whole numbers, not {self.fields[key][:60]!r}")
        return [int(text) for text in texts]

    def whole(self, key: str, default: int | None = None) -> int:
        return default if default is not None and key not in self.fields else self.wholes(key, 1)[0]

    def flag(self, key: str) -> bool:
        value = self.fields.get(key, "False").lower()
        if value not in ("true", "false"):
            raise unreadable(self.path, f"{key} must be True or False, not {value[:60]!r}")
        return value == "true"

    def vector(self, key: str, text: str) -> list[float]:
        """`(x,y,z)`."""
        parts = text[1:-1].split(",") if text[:1] == "(" and text[-1:] == ")" else []
        parts = [part.strip() for part in parts]
        if len(parts) != 3 or not all(re.fullmatch(_NUMBER, part, re.ASCII) for part in parts):
            raise unreadable(self.path, f"{key} must hold vectors of 3 numbers, not {text[:60]!r}")
        return [float(part) for part in parts]


def _lines(path: Path, file: IO[bytes]) -> Iterator[str]:
    while line := file.readline(MAX_HEADER_BYTES):
        if file.tell() > MAX_HEADER_BYTES:
            raise unreadable(path, "its header has no end")
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _nrrd_vectors(header: _Fields, n: int) -> tuple[list[list[float]], int | None]:
    """Three vectors, and the axis that is none in space (the first or the last of four)."""
    texts = re.findall(r"none|\([^)]*\)|[^\s()]+", header._text("space directions"))
    part_axis = texts.index("none") if "none" in texts else None
    if len(texts) != n or (part_axis is None) != (n == 3) or part_axis in (1, 2):
        raise unreadable(header.path, f"space directions {header.fields['space directions'][:90]!r}")
    return [header.vector("space directions", text) for text in texts if text != "none"], part_axis


def _nrrd_dtype(header: _Fields) -> np.dtype:
    name = header._text("type").lower()
    kind = next((kind for kind, names in _NRRD_TYPES.items() if name in names.split(", ")), None)
    if kind is None:
        raise unreadable(header.path, f"type {name!r}")
    order = {"little": "<", "big": ">"}.get(
        header.fields.get("endian", "little" if kind[1] == "1" else "").lower()
    )
    if order is None:
        raise unreadable(header.path, "endian must be little or big")
    return np.dtype(order + kind)


def _nrrd_data(header: _Fields, start: int) -> tuple[Path, int, str]:
    """Data file, where the voxels start in it, compression."""
    encoding = header._text("encoding").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise unreadable(header.path, f"encoding {encoding!r}; raw and gzip are read")
    if header.whole("line skip", 0) != 0:
        raise unreadable(header.path, "line skip must be 0")
    skip, detached = header.whole("byte skip", 0), "data file" in header.fields
    if skip < -1 or (encoding != "raw" and skip != 0):
        raise unreadable(header.path, f"byte skip {skip}")
    data = beside(header.path, header.fields["data file"]) if detached else header.path
    offset = skip if detached or skip == -1 else start + skip
    return data, offset, "" if encoding == "raw" else "gzip"
