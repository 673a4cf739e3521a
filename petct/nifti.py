"""NIfTI-1 and NIfTI-2 by nibabel: one file, or a pair of `.hdr` and `.img`; gzip by isal."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from isal import igzip, isal_zlib
from nibabel.spatialimages import HeaderDataError, HeaderTypeError

from petct.errors import ImageError
from petct.geometry import Geometry, Image
from petct.stored import READ_ERRORS, Stored, unreadable

_ERRORS: tuple[type[Exception], ...] = (*READ_ERRORS, HeaderDataError)
_HEADERS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}  # by the number that the file starts with
_MAGIC = {b"n+1", b"ni1", b"n+2", b"ni2"}
_UNITS = {1: "metre", 3: "micron"}  # xyzt_units; 0 (not said) and 2 are millimetres
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# qform and sform may differ by float32 rounding (near 180 degrees: 0.6 mm at 1 m), not by half a voxel.
FORMS_TOLERANCE_VOXELS = 0.5
PIXDIM_TOLERANCE = 1e-3  # relative
NIFTI_HEADER_BYTES = 352  # a NIfTI-1 header and the four bytes that say that no extension follows
COMPRESSION_LEVEL = 1
# Compressed a piece at a time: in one piece, what comes out takes half the image's memory again before it is written.
WRITTEN_AT_ONCE_BYTES = 1 << 18
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, no system


def nifti_files(path: Path) -> tuple[Path, Path]:
    """Header file and data file: twice the same, or the two of a pair, whichever of them is named."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".nii"):
        return path, path
    stem = path.name[: len(name) - 4].lower()
    found = {}
    for suffix in (".hdr", ".img"):
        if name.endswith(suffix):
            found[suffix] = path
            continue
        wanted = (f"{stem}{suffix}", f"{stem}{suffix}.gz")
        twins = sorted(p for p in path.parent.iterdir() if p.name.lower() in wanted and p.is_file())
        same_case = [p for p in twins if p.name.startswith(path.name[: len(stem)])] or twins
        if len(same_case) != 1:
            said = "is missing" if not twins else "could be " + " or ".join(p.name for p in twins)
            raise ImageError(f"{path}: the {suffix} file that belongs to it {said}.")
        found[suffix] = same_case[0]
    return found[".hdr"], found[".img"]


def nifti_header(path: Path) -> Stored:
    """What a NIfTI header promises.

    Raises
    ------
    ImageError
        No NIfTI header; a unit that is not mm; no orientation code (qform and sform both 0); qform, sform and pixdim
        that contradict each other; a type that is not one number per voxel.
    """
    header_file, data = nifti_files(path)
    try:
        header = _read_header(header_file)
    except _ERRORS as error:
        if isinstance(error, ImageError):
            raise
        raise unreadable(path, error) from error
    single = header["magic"].item()[:2] == b"n+"
    if single != (header_file == data):
        raise unreadable(path, f"its header says {'one file' if single else 'a pair of files'}")
    size, parts = _sizes(path, header)
    affine, spacing = _affine(path, header, size)
    slope, intercept = _scaling(path, header)
    offset = float(header["vox_offset"])
    if not offset.is_integer() or offset < (int(header["sizeof_hdr"]) + 4 if single else 0):
        raise unreadable(path, f"vox_offset {offset:g}")
    compressed = data.name.lower().endswith(".gz")
    return Stored(
        path,
        data,
        0 if compressed else int(offset),
        "gzip" if compressed else "",
        _dtype(path, header),
        size,
        spacing,
        (float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3])),
        affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0),
        skip=int(offset) if compressed else 0,
        parts=parts,
        slope=slope,
        intercept=intercept,
    )


def write_nifti(path: Path, image: Image) -> None:
    """Write `.nii` or, by the suffix, `.nii.gz`; the same image gives the same bytes (before compression: isal varies).

    Raises
    ------
    ImageError
        A type or size that NIfTI-1 cannot hold.
    """
    array = np.ascontiguousarray(image.array, np.uint8 if image.array.dtype == bool else None)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    affine = _RAS_TO_LPS @ _xyz_to_world(image.geometry)
    header = nib.Nifti1Header(endianness="<")
    try:
        header.set_data_dtype(array.dtype)
        header.set_data_shape(array.shape[::-1])
        header.set_qform(affine, code="scanner")
        header.set_sform(affine, code="scanner")
    except (HeaderDataError, HeaderTypeError) as error:
        raise ImageError(f"{path}: cannot be written ({error}).") from error
    header.set_xyzt_units("mm", "sec")
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = NIFTI_HEADER_BYTES
    with open(path, "wb") as file:
        start, voxels = header.binaryblock + bytes(4), array.reshape(-1).view(np.uint8)
        if not path.name.lower().endswith(".gz"):
            file.writelines((start, voxels.data))
            return
        file.writelines(_gzipped(start, voxels))


def _gzipped(start: bytes, voxels: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    """The pieces of a gzip file (RFC 1952) of some bytes.

    Most of a label image is zeros: a whole piece of them is compressed once, and then it is the same bytes each time.
    """
    stream = isal_zlib.compressobj(COMPRESSION_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    zeros, packed_zeros, after_zeros = bytes(WRITTEN_AT_ONCE_BYTES), b"", False
    yield _GZIP_HEADER + stream.compress(start)
    crc = isal_zlib.crc32(start)
    for at in range(0, voxels.size, WRITTEN_AT_ONCE_BYTES):
        piece = voxels[at : at + WRITTEN_AT_ONCE_BYTES]
        if piece.size < len(zeros) or piece.max():
            crc, after_zeros = isal_zlib.crc32(piece, crc), False
            yield stream.compress(piece)
            continue
        if not after_zeros:
            yield stream.flush(isal_zlib.Z_FULL_FLUSH)  # what follows refers to nothing before it
        packed_zeros = packed_zeros or stream.compress(zeros) + stream.flush(isal_zlib.Z_FULL_FLUSH)
        crc, after_zeros = isal_zlib.crc32(zeros, crc), True
        yield packed_zeros
    yield stream.flush() + struct.pack("<II", crc, (len(start) + voxels.size) & 0xFFFFFFFF)


def _read_header(path: Path) -> nib.Nifti1Header:
    compressed = path.name.lower().endswith(".gz")
    with igzip.open(path) if compressed else open(path, "rb") as file:
        block = file.read(max(_HEADERS))
    for endian, order in (("<", "little"), (">", "big")):
        length = int.from_bytes(block[:4], order)  # type: ignore[arg-type]
        if length in _HEADERS and len(block) >= length:
            header = _HEADERS[length](block[:length], endianness=endian, check=False)
            if header["magic"].item().rstrip(b"\0")[:3] not in _MAGIC:
                raise ImageError(
                    f"{path}: no NIfTI file (an Analyze file has no orientation); convert it to .nii.gz."
                )
            return header
    raise ValueError("no NIfTI header")


def _sizes(path: Path, header: nib.Nifti1Header) -> tuple[tuple[int, int, int], int]:
    """(X, Y, Z), and how many images."""
    n = int(header["dim"][0])
    dim = [int(v) for v in header["dim"][1 : n + 1]] if 1 <= n <= 7 else []
    while len(dim) > 3 and dim[-1] == 1:
        dim.pop()
    if len(dim) == 5 and dim[3] == 1:  # dim[5] holds several values per voxel, stored as whole images
        dim = [*dim[:3], dim[4]]
    if len(dim) not in (3, 4) or min(dim) < 1:
        raise ImageError(f"{path}: expected one 3-D image, found the sizes {dim} (dim).")
    return (dim[0], dim[1], dim[2]), (dim[3] if len(dim) == 4 else 1)


def _dtype(path: Path, header: nib.Nifti1Header) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise unreadable(path, f"datatype {int(header['datatype'])}") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ImageError(f"{path}: datatype {int(header['datatype'])} is not one number per voxel.")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise unreadable(path, f"bitpix {int(header['bitpix'])} does not fit {dtype.name}")
    return dtype


def _scaling(path: Path, header: nib.Nifti1Header) -> tuple[float, float]:
    """Slope 0, or one that is not a number, means: not scaled (NIfTI-1, scl_slope)."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ImageError(f"{path}: scl_slope {slope:g} and scl_inter {intercept:g} must be finite.")
    return slope, intercept


def _affine(
    path: Path, header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[npt.NDArray[np.float64], tuple[float, float, float]]:
    """Matrix from (x, y, z) index to LPS, and pixdim (which it was checked against)."""
    if unit := _UNITS.get(
        int(header["xyzt_units"]) & 7, None if int(header["xyzt_units"]) & 7 in (0, 2) else "?"
    ):
        raise ImageError(
            f"{path}: its unit of length is {unit} (xyzt_units {int(header['xyzt_units'])}); "
            "store the image in millimetres."
        )
    pixdim = np.array(header["pixdim"][1:4], float)
    if not np.all(np.isfinite(pixdim)) or not np.all(pixdim > 0):
        raise ImageError(f"{path}: voxel spacing {tuple(pixdim.tolist())} mm (pixdim) is not positive.")
    codes = {name: int(header[f"{name}_code"]) for name in ("qform", "sform")}
    if any(code < 0 or code > 5 for code in codes.values()):
        raise ImageError(f"{path}: qform_code and sform_code must be 0 to 5. Received: {codes}.")
    forms = [_form(path, header, name) for name in ("sform", "qform") if codes[name]]
    if not forms:
        raise ImageError(
            f"{path}: it does not say where the patient's left is (qform_code = sform_code = 0); "
            "copy the orientation of the PET into it."
        )
    norms = np.linalg.norm(forms[0][:3, :3], axis=0)
    if np.abs(norms / pixdim - 1).max() > PIXDIM_TOLERANCE:
        raise ImageError(
            f"{path}: pixdim and {'sform' if codes['sform'] else 'qform'} contradict each other: voxels of "
            f"{_mm(pixdim)} against {_mm(norms)} mm."
        )
    if len(forms) == 2:
        grids = np.array(np.meshgrid(*[(0, n - 1) for n in size], [1], indexing="ij")).reshape(4, -1)
        apart = float(np.linalg.norm((forms[0] - forms[1]) @ grids, axis=0).max())
        if apart > FORMS_TOLERANCE_VOXELS * pixdim.min():
            raise ImageError(
                f"{path}: qform and sform contradict each other: they put a corner of the image {apart:.1f} mm "
                "apart; set both to the right one."
            )
    x, y, z = pixdim.tolist()
    return _RAS_TO_LPS @ forms[0], (x, y, z)


def _form(path: Path, header: nib.Nifti1Header, name: str) -> npt.NDArray[np.float64]:
    try:
        affine = np.asarray(header.get_sform() if name == "sform" else header.get_qform(), float)
    except (ValueError, HeaderDataError) as error:
        raise unreadable(path, f"{name}: {error}") from error
    if not np.all(np.isfinite(affine)) or not np.linalg.norm(affine[:3, :3], axis=0).min() > 0:
        raise ImageError(f"{path}: its {name} is no orientation (zero or not finite).")
    return affine


def _xyz_to_world(geometry: Geometry) -> npt.NDArray[np.float64]:
    return geometry.index_to_world[:, [2, 1, 0, 3]]


def _mm(values: npt.NDArray[np.float64]) -> str:
    return " x ".join(f"{v:.4g}" for v in values)
