"""Reading the voxels of a NIfTI file without what SimpleITK's own reader does to them in silence."""

from __future__ import annotations

import gzip
import math
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

# NIfTI-1 datatype code: NRRD type.
_TYPES = {
    2: "uint8",
    4: "int16",
    8: "int32",
    16: "float",
    64: "double",
    256: "int8",
    512: "uint16",
    768: "uint32",
    1024: "int64",
    1280: "uint64",
}
# Header length: where and how datatype, and voxel offset, slope and intercept are stored (NIfTI-1, NIfTI-2).
_FIELDS = {348: (70, 108, "3f"), 540: (12, 168, "q2d")}


def read_nifti(path: Path, reader: Any) -> Any:
    """The SimpleITK image of a single-file NIfTI, slope and intercept applied; None for any other file.

    `reader` is SimpleITK's, with the image information read: sizes and geometry are taken from it. SimpleITK's
    NIfTI reader turns NaN and infinity into 0, and fills up a file that was cut short. Its NRRD reader does
    neither, takes half the time, and can be pointed at the voxels inside another file.

    Raises
    ------
    RuntimeError, OSError, EOFError
        As from SimpleITK: the file cannot be read, or ends too early.
    """
    import SimpleITK as sitk

    if not path.name.endswith((".nii", ".nii.gz")) or reader.GetNumberOfComponents() != 1:
        return None
    compressed = path.name.endswith(".gz")
    with gzip.open(path) if compressed else open(path, "rb") as file:
        header = file.read(max(_FIELDS))
    order = "<" if int.from_bytes(header[:4], "little") in _FIELDS else ">"
    length = struct.unpack_from(order + "i", header)[0]
    if length not in _FIELDS or len(header) < length:
        return None
    type_at, scale_at, scale_format = _FIELDS[length]
    stored = _TYPES.get(struct.unpack_from(order + "h", header, type_at)[0])
    if stored is None:
        return None
    offset, slope, intercept = struct.unpack_from(order + scale_format, header, scale_at)
    with tempfile.TemporaryDirectory() as folder:
        voxels = "voxels"
        try:
            os.symlink(path.resolve(), Path(folder, voxels))
        except OSError:  # not everybody may make links on Windows
            voxels = str(path.resolve())
        nrrd = Path(folder, "image.nhdr")
        nrrd.write_text(
            f"NRRD0004\ntype: {stored}\ndimension: {reader.GetDimension()}\n"
            f"sizes: {' '.join(map(str, reader.GetSize()))}\nendian: {'little' if order == '<' else 'big'}\n"
            f"encoding: {'gzip' if compressed else 'raw'}\n"
            f"byte skip: {int(offset)}\ndata file: {voxels}\n"
        )
        image = sitk.ReadImage(str(nrrd))
    if slope != 0 and math.isfinite(slope) and (slope, intercept) != (1, 0):  # 0: the values are not scaled
        image = sitk.Cast(image, reader.GetPixelID()) * slope + intercept
    image.SetSpacing(reader.GetSpacing())
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    return image
