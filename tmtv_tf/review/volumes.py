"""Volumes as the page takes them: uncompressed NIfTI, axes along LPS z, y, x, in as few bytes as the screen needs."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt

from petct.image import Geometry, Image

_DATA_AT = 352  # bytes of a NIfTI-1 header and its empty extension
_LARGEST = 32767
_SLAB_VOXELS = 1 << 20  # converted at once: they stay in the processor's cache
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_ras(geometry: Geometry) -> npt.NDArray[np.float64]:
    """4x4 matrix from (x, y, z, 1) array index to NIfTI's RAS mm."""
    return RAS_TO_LPS @ geometry.index_to_world[:, [2, 1, 0, 3]]


def scaled_nifti(image: Image) -> memoryview:
    """SUV or HU as int16 with a slope: whole numbers within int16 exactly, others to 1/65534 of the largest value."""
    array = image.array
    exact = array.dtype.kind in "iu" and array.dtype.itemsize <= 2 and array.dtype != np.uint16
    largest = float(max(-array.min(initial=0), array.max(initial=0)))
    slope = 1.0 if exact or largest == 0 or _is_hounsfield(array) else largest / _LARGEST
    buffer, values = _nifti(image.geometry, np.int16, slope)
    flat, target = array.reshape(-1), values.reshape(-1)
    for start in range(0, flat.size, _SLAB_VOXELS):
        part = flat[start : start + _SLAB_VOXELS]
        scaled = part if slope == 1.0 else part * np.float32(1 / slope)
        target[start : start + _SLAB_VOXELS] = np.rint(np.clip(scaled, -_LARGEST, _LARGEST))
    return buffer


def label_nifti(labels: npt.NDArray[np.integer], geometry: Geometry) -> memoryview:
    """Lesion labels as uint16."""
    buffer, values = _nifti(geometry, np.uint16, 1.0)
    values[...] = labels
    return buffer


def _is_hounsfield(array: npt.NDArray) -> bool:
    """Whether values far below 0 say that these are HU: whole steps are enough for them."""
    return bool(array.size and array.min() < -500)


def _nifti(geometry: Geometry, dtype: type, slope: float) -> tuple[memoryview, npt.NDArray]:
    """The bytes of a file, and its voxels (Z, Y, X) to be filled in."""
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(geometry.shape[::-1])
    affine = affine_ras(geometry)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = slope, 0, _DATA_AT
    header["magic"] = b"n+1"
    size = int(np.prod(geometry.shape)) * np.dtype(dtype).itemsize
    buffer = np.zeros(_DATA_AT + size, np.uint8)
    buffer[:348] = np.frombuffer(header.binaryblock, np.uint8)
    return buffer.data, buffer[_DATA_AT:].view(dtype).reshape(geometry.shape)
