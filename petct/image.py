"""Image files in and out, and resampling. SimpleITK is touched here only; its (x, y, z) order stays in this file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from petct.checks import require_instance
from petct.errors import ImageError
from petct.files import replace_atomically
from petct.geometry import SAME_GRID_TOLERANCE, Geometry, Image, require_image
from petct.nifti import nifti_files, nifti_header, write_nifti
from petct.stored import Stored, read_stored, unreadable
from petct.text_headers import metaimage_header, nrrd_header

__all__ = [
    "SAME_GRID_TOLERANCE",
    "SUFFIXES",
    "Geometry",
    "Image",
    "image_files",
    "image_geometry",
    "image_sha256",
    "image_suffix",
    "read_image",
    "read_images",
    "resample",
    "write_image",
]

# What is read, upper and lower case. Every other format either has no position in the patient, or nobody asked.
_READERS: dict[str, Callable[[Path], Stored]] = {
    ".nii.gz": nifti_header,
    ".nii": nifti_header,
    ".hdr.gz": nifti_header,
    ".img.gz": nifti_header,
    ".hdr": nifti_header,
    ".img": nifti_header,
    ".nrrd": nrrd_header,
    ".nhdr": nrrd_header,
    ".mha": metaimage_header,
    ".mhd": metaimage_header,
}
SUFFIXES = tuple(_READERS)
WRITTEN = (".nii.gz", ".nii", ".nrrd", ".mha")  # one file each


def image_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix, in lower case, by which a file is read as an image; "" if it is none of SUFFIXES."""
    name = Path(path).name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a 3-D NIfTI, NRRD or MetaImage file (SUFFIXES); NIfTI slope and intercept are applied.

    Parameters
    ----------
    path : file name; a data file beside a header is found by itself

    Returns
    -------
    Image
        (Z, Y, X) array and geometry. NaN and infinite values come back as they are stored. A fourth axis of
        length 1 is dropped.

    Raises
    ------
    ImageError
        Missing, of another format, DICOM, not 3-D; a header that contradicts itself or does not say where the image
        lies in the patient, in millimetres; sheared; cut short, or longer than its header promises.

    Examples
    --------
    >>> image = read_image("case/pet.nii.gz")  # doctest: +SKIP
    >>> image.array.shape, image.spacing_mm  # doctest: +SKIP
    ((267, 128, 128), (3.27, 4.6875, 4.6875))
    """
    stored = _header(path)
    if stored.parts != 1:
        raise ImageError(f"{path}: expected one 3-D image, found {stored.parts} in one file.")
    return read_stored(stored)[0]


def read_images(path: str | os.PathLike[str]) -> list[Image]:
    """Read every 3-D image of a file: those of a 4-D stack or of several values per voxel, else the only one.

    Raises
    ------
    ImageError
        As `read_image`; a dimension other than 3 or 4.
    """
    return read_stored(_header(path))


def image_geometry(path: str | os.PathLike[str]) -> Geometry:
    """The grid that the header of a 3-D image promises; voxels are not read. Raises as `read_image`."""
    return _header(path).geometry()


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files that hold an image: header and voxels, in this order; one file where it holds both.

    A file that cannot be read as an image is its own only file.
    """
    path = Path(path)
    try:
        reader = _READERS.get(image_suffix(path))
        if reader is nifti_header:
            return list(dict.fromkeys(nifti_files(path)))
        return [path] if reader is None else list(dict.fromkeys((path, reader(path).data)))
    except (ImageError, OSError):
        return [path]


def image_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of all that an image holds, as of `cat HEADER DATA`; of any other file, that of its bytes.

    Raises
    ------
    ImageError
        A file that cannot be read.
    """
    digest = hashlib.sha256()
    _require_file(Path(path))
    try:
        for part in image_files(path):
            with open(part, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise unreadable(path, error.strerror or error) from error
    return digest.hexdigest()


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image whole or not at all; bool is stored as uint8.

    Parameters
    ----------
    path : the suffix chooses the format (WRITTEN)
    image : (Z, Y, X) array and geometry

    Raises
    ------
    ImageError
        Another suffix, a type that the format cannot hold, or a full disk.

    Examples
    --------
    >>> write_image("case/pet.nii.gz", exam.pet)  # doctest: +SKIP
    """
    path = Path(path)
    require_image(image)
    suffix = image_suffix(path)
    if suffix not in WRITTEN:
        raise ImageError(f"{path}: images are written as {', '.join(WRITTEN)}.")
    with replace_atomically(path) as temporary:
        if suffix in (".nii.gz", ".nii"):
            write_nifti(temporary, image)
            return
        import SimpleITK as sitk

        try:
            sitk.WriteImage(_to_sitk(image), str(temporary), useCompression=True, compressionLevel=1)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise ImageError(f"{path}: cannot be written ({str(error).splitlines()[-1].strip()}).") from error


def resample(image: Image, geometry: Geometry, *, fill: float = 0.0, nearest: bool = False) -> Image:
    """Resample onto another grid: linear (default) or nearest neighbour.

    Parameters
    ----------
    image : (Z, Y, X) array and geometry
    geometry : the grid wanted
    fill : value of the voxels outside the image
    nearest : take the nearest voxel, as labels need it

    Returns
    -------
    Image
        On `geometry`. Integer and bool input with linear interpolation gives float32. On the same grid the values come
        back untouched.

    Raises
    ------
    ImageError
        A bare array: nobody knows where it lies.

    Examples
    --------
    >>> image = Image(np.float32([[[0, 10]]]), Geometry((1, 1, 2), (1.0, 1.0, 2.0)))
    >>> resample(image, Geometry((1, 1, 3), (1.0, 1.0, 1.0))).array
    array([[[ 0.,  5., 10.]]], dtype=float32)
    """
    import SimpleITK as sitk

    require_instance("geometry", geometry, Geometry)
    if require_image(image).geometry.same_grid(geometry):
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
    # Not for the nearest: which one is halfway may depend on where the image begins.
    near = image if nearest else _near(image, geometry)
    result = np.asarray(_Voxels(resampler.Execute(_to_sitk(near))))
    return Image(result.astype(bool) if nearest and image.array.dtype == bool else result, geometry)


def _near(image: Image, geometry: Geometry) -> Image:
    """The voxels of an image among which a grid lies, since SimpleITK copies all that it is given."""
    index = image.geometry.to_index(geometry.corners_mm())
    shape = np.array(image.geometry.shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, shape - 1)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 2, low + 1, shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high))
    return Image(image.array[box], image.geometry.part(box))


def _header(path: str | os.PathLike[str]) -> Stored:
    path = Path(path)
    _require_file(path)
    reader = _READERS.get(image_suffix(path))
    try:
        if reader is None:
            raise _other_format(path)
        return reader(path)
    except OSError as error:
        raise unreadable(path, error.strerror or error) from error


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise ImageError(f"{path}: a folder, not an image file.")
    if not path.is_file():
        raise ImageError(f"{path}: no such file.")


def _other_format(path: Path) -> ImageError:
    with open(path, "rb") as file:
        is_dicom = file.read(132)[128:] == b"DICM"
    if is_dicom or path.suffix.lower() in (".dcm", ".ima"):
        return ImageError(
            f"{path}: a DICOM file is not read as an image, because one file does not say where its slices lie. Name "
            "the folder of the series (tmtv prepare, or --suv); a DICOM SEG or RTSTRUCT goes to --mask or --rois."
        )
    return ImageError(
        f"{path}: not an image file whose place in the patient is known; accepted are {', '.join(SUFFIXES)}."
    )


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
