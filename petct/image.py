"""Images and their geometry. SimpleITK is touched here and in `nifti` only.

Arrays are (Z, Y, X) and `spacing_mm` is (sz, sy, sx) everywhere in this project; SimpleITK's (x, y, z) order
exists only inside this file. World coordinates are DICOM's LPS in millimetres.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.deflate import write_gzip
from petct.errors import ImageError
from petct.files import replace_atomically
from petct.nifti import read_nifti

# Two grids are the same when no corner voxel is further apart than this share of the smallest spacing.
# NIfTI stores its matrix in float32: a metre away from the origin that is 1e-4 mm.
SAME_GRID_TOLERANCE = 0.01
NIFTI_HEADER_BYTES = 352  # a NIfTI-1 header and the four bytes that say that no extension follows


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an array lie.

    Attributes
    ----------
    shape : (Z, Y, X)
    spacing_mm : (sz, sy, sx), all > 0
    origin_mm : LPS position (x, y, z) of the centre of voxel [0, 0, 0]
    direction : 9 numbers, row by row, of the 3x3 matrix whose columns are the unit vectors (x, y, z) of the
        array's X, Y and Z axes (SimpleITK's convention).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @cached_property
    def index_to_world(self) -> npt.NDArray[np.float64]:
        """4x4 matrix from (z, y, x, 1) array index to (x, y, z, 1) LPS mm."""
        axes = np.asarray(self.direction, float).reshape(3, 3)  # columns: X, Y, Z axes
        matrix = np.eye(4)
        matrix[:3, 0] = axes[:, 2] * self.spacing_mm[0]
        matrix[:3, 1] = axes[:, 1] * self.spacing_mm[1]
        matrix[:3, 2] = axes[:, 0] * self.spacing_mm[2]
        matrix[:3, 3] = self.origin_mm
        return matrix

    def to_world(self, index_zyx: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """LPS mm (N, 3) as x, y, z of (N, 3) array indices z, y, x (which may be fractions)."""
        points = np.atleast_2d(np.asarray(index_zyx, float))
        return points @ self.index_to_world[:3, :3].T + self.index_to_world[:3, 3]

    def to_index(self, world_xyz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Array indices (N, 3) as z, y, x (fractions) of (N, 3) LPS points x, y, z."""
        points = np.atleast_2d(np.asarray(world_xyz, float)) - self.index_to_world[:3, 3]
        return points @ np.linalg.inv(self.index_to_world[:3, :3]).T

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000.0

    def corners_mm(self) -> npt.NDArray[np.float64]:
        """LPS positions (8, 3) of the centres of the corner voxels."""
        return self.to_world(
            np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        )

    def same_grid(self, other: Geometry) -> bool:
        """Same shape, and every corner voxel in the same place (see SAME_GRID_TOLERANCE)."""
        if self.shape != other.shape:
            return False
        distance = np.linalg.norm(self.corners_mm() - other.corners_mm(), axis=1).max()
        return bool(distance <= SAME_GRID_TOLERANCE * min(*self.spacing_mm, *other.spacing_mm))

    def box_mm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lowest and highest LPS corner (x, y, z) of the box around all voxels, edges included."""
        half = np.abs(self.index_to_world[:3, :3]).sum(axis=1) / 2
        corners = self.corners_mm()
        return corners.min(axis=0) - half, corners.max(axis=0) + half

    def overlaps(self, other: Geometry) -> bool:
        """Whether the boxes around the two grids share any volume (edges of the voxels, axis-aligned in LPS)."""
        (low_a, high_a), (low_b, high_b) = self.box_mm(), other.box_mm()
        return bool(np.all(low_a < high_b) and np.all(low_b < high_a))


@dataclass(frozen=True)
class Image:
    """An array (Z, Y, X) and where it lies."""

    array: npt.NDArray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise ImageError(
                f"Array of shape {self.array.shape} with a geometry of shape {self.geometry.shape}."
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return self.geometry.spacing_mm

    def with_array(self, array: npt.NDArray) -> Image:
        """The same grid with other values."""
        return replace(self, array=array)


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a 3-D NIfTI, NRRD or MetaImage file; NIfTI slope and intercept are applied.

    NaN and infinite values come back as they are stored. A fourth axis of length 1 is dropped.

    Raises
    ------
    ImageError
        Missing, unreadable, not 3-D, sheared, or with a zero or non-finite spacing.
    """
    image = _open(path)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError(
            f"{path}: expected one 3-D image, found {image.GetDimension()} dimensions and "
            f"{image.GetNumberOfComponentsPerPixel()} values per voxel."
        )
    return _from_sitk(path, image)


def read_images(path: str | os.PathLike[str]) -> list[Image]:
    """Read every 3-D image of a file: those of a 4-D stack or of several values per voxel, else the only one.

    Raises
    ------
    ImageError
        As `read_image`; a dimension other than 3 or 4.
    """
    import SimpleITK as sitk

    image = _open(path)
    components = image.GetNumberOfComponentsPerPixel()
    if components > 1:
        parts = [sitk.VectorIndexSelectionCast(image, i) for i in range(components)]
    elif image.GetDimension() == 4:
        parts = [image[:, :, :, i] for i in range(image.GetSize()[3])]
    else:
        parts = [image]
    if parts[0].GetDimension() != 3:
        raise ImageError(f"{path}: expected 3-D or 4-D, found {image.GetDimension()} dimensions.")
    return [_from_sitk(path, part) for part in parts]


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image whole or not at all; bool is stored as uint8. The suffix chooses the format."""
    with replace_atomically(path) as temporary:
        try:
            if temporary.name.endswith(".nii.gz"):
                _write_compressed_nifti(temporary, image)
            else:
                _write(temporary, _to_sitk(image))
        except RuntimeError as error:
            raise ImageError(f"{path}: cannot be written ({str(error).splitlines()[-1].strip()}).") from error
        if not _is_complete(temporary, image.array):
            raise ImageError(f"{path}: cannot be written (is the disk full?).")


def resample(image: Image, geometry: Geometry, *, fill: float = 0.0, nearest: bool = False) -> Image:
    """Resample onto another grid: linear (default) or nearest neighbour; `fill` outside the image.

    Integer and bool input with linear interpolation gives float32. On the same grid the values come back
    untouched.
    """
    import SimpleITK as sitk

    if image.geometry.same_grid(geometry):
        return Image(image.array, geometry)
    keeps_type = nearest or image.array.dtype.kind == "f"
    reference = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    _set_geometry(reference, geometry)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in geometry.shape[::-1]])
    resampler.SetOutputOrigin(reference.GetOrigin())
    resampler.SetOutputSpacing(reference.GetSpacing())
    resampler.SetOutputDirection(reference.GetDirection())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampler.SetDefaultPixelValue(float(fill))
    resampler.SetOutputPixelType(
        sitk.sitkUnknown if keeps_type else sitk.sitkFloat32
    )  # unknown: as the input
    result = np.asarray(_Voxels(resampler.Execute(_to_sitk(image))))
    return Image(result.astype(bool) if nearest and image.array.dtype == bool else result, geometry)


def _write(path: Path, image) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


def _write_compressed_nifti(path: Path, image: Image) -> None:
    """SimpleITK's header of one voxel in the same place, with the sizes of all; the voxels compressed by `deflate`."""
    array = np.ascontiguousarray(image.array, np.uint8 if image.array.dtype == bool else None)
    first = Geometry((1, 1, 1), image.geometry.spacing_mm, image.geometry.origin_mm, image.geometry.direction)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder, "first.nii"), _to_sitk(Image(np.zeros((1, 1, 1), array.dtype), first)))
        header = bytearray(Path(folder, "first.nii").read_bytes()[:NIFTI_HEADER_BYTES])
    header[42:48] = np.array(array.shape[::-1], "<i2").tobytes()  # dim[1..3]
    write_gzip(path, [header, array.astype(array.dtype.newbyteorder("<"), copy=False).data])


def _is_complete(path: Path, array: npt.NDArray) -> bool:
    """Whether a NIfTI file just written holds all it should: on a full disk SimpleITK writes half of it in silence.

    A gzip file ends with the length of what it holds, modulo 2^32 (RFC 1952), which a cut one does not.
    """
    size = NIFTI_HEADER_BYTES + array.nbytes
    if path.name.endswith(".nii.gz"):
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(), "little") == size % 2**32
    return path.stat().st_size == size if path.suffix == ".nii" else True


def _open(path: str | os.PathLike[str]):  # noqa: ANN202 - SimpleITK is imported lazily
    import SimpleITK as sitk

    path = Path(path)
    if not path.is_file():
        raise ImageError(f"{path}: no such file.")
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        return read_nifti(path, reader) or reader.Execute()
    except (RuntimeError, OSError, EOFError) as error:
        reason = " ".join(re.split(r"ERROR:|\[nrrd\]", str(error))[-1].split())[-300:]
        raise ImageError(f"{path}: not a readable image ({reason}).") from error


def _from_sitk(path: str | os.PathLike[str], image) -> Image:
    geometry = _geometry(image)
    axes = np.asarray(geometry.direction).reshape(3, 3)
    if not np.all(np.isfinite(geometry.spacing_mm)) or min(geometry.spacing_mm) <= 0:
        raise ImageError(f"{path}: voxel spacing {geometry.spacing_mm} mm is not positive.")
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise ImageError(f"{path}: its axes are sheared (direction matrix {geometry.direction}).")
    return Image(np.asarray(_Voxels(image)), geometry)


class _Voxels:
    """The buffer of a SimpleITK image for `np.asarray` to use without a copy; it keeps the image alive."""

    def __init__(self, image) -> None:  # noqa: ANN001
        import SimpleITK as sitk

        self.image = image
        view = sitk.GetArrayViewFromImage(image).__array_interface__
        self.__array_interface__ = {**view, "data": (view["data"][0], False)}  # nobody else may write to it


def _to_sitk(image: Image):  # noqa: ANN202 - SimpleITK is imported lazily
    import SimpleITK as sitk

    array = image.array.astype(np.uint8) if image.array.dtype == bool else image.array
    result = sitk.GetImageFromArray(array)
    _set_geometry(result, image.geometry)
    return result


def _set_geometry(image, geometry: Geometry) -> None:
    image.SetSpacing([float(s) for s in geometry.spacing_mm[::-1]])
    image.SetOrigin([float(v) for v in geometry.origin_mm])
    image.SetDirection([float(v) for v in geometry.direction])


def _geometry(image) -> Geometry:
    return Geometry(
        shape=tuple(reversed(image.GetSize())),
        spacing_mm=tuple(reversed(image.GetSpacing())),
        origin_mm=tuple(image.GetOrigin()),
        direction=tuple(image.GetDirection()),
    )
