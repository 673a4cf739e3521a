"""A series of DICOM slices as one volume: geometry checked, rescaled slice by slice, never resampled.

Rules: DICOM PS3.3 C.8.9.4 (PET image), C.8.2.1 (CT image).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from petct.dicom.geometry import SortedSlices, sort_slices
from petct.dicom.headers import Instance, Series
from petct.dicom.pixels import refuse_wrong_sign, sign_roughness, slope_and_intercept, stored_pixels
from petct.dicom.quiet import quiet_pydicom
from petct.dicom.reading import frames_of, read_dataset
from petct.dicom.values import element_text, whole_number
from petct.image import Image

__all__ = ["SortedSlices", "read_volume", "read_volume_and_headers", "sort_slices"]


def read_volume(series: Series) -> tuple[Image, list[str]]:
    """Read a PET or CT series in its own units: stored value * RescaleSlope + RescaleIntercept, slice by slice.

    Returns
    -------
    image : (Z, Y, X), slices in order along the normal (row x column direction), so that the axes are always
        right-handed; the head may be at either end. float32; int16 for a CT of whole numbers (half the memory).
    warnings : sentences about what is unusual yet usable.

    Raises
    ------
    DicomError
        Slices of several sizes, spacings or orientations; a missing or doubled slice; a slice further than
        10 % of the spacing from its place on the uniform grid; a missing value; a cut or undecodable file.
    """
    image, _, warnings = read_volume_and_headers(series)
    return image, warnings


@quiet_pydicom()
def read_volume_and_headers(series: Series) -> tuple[Image, list[Dataset], list[str]]:
    """As `read_volume`, and the full header of every slice (without pixels) in the order of the slices."""
    slices = sort_slices(series)
    warnings = list(slices.warnings)
    array = np.empty(0, np.int16 if series.modality == "CT" else np.float32)
    headers: list[Dataset] = []
    frames: dict[Path, tuple[list[Dataset], npt.NDArray]] = {}
    with_intercept = lossy = 0
    roughness = np.zeros(2)
    for k, instance in enumerate(slices.instances):
        header, stored = _read_slice(instance, frames)
        if k == 0:  # only now is it known that a slice has the size that its header claims
            array = np.empty(slices.geometry.shape, array.dtype)
        slope, intercept = slope_and_intercept(header, instance)
        array = _rescale_into(array, k, stored, slope, intercept)
        with_intercept += intercept != 0
        lossy += element_text(header, "LossyImageCompression") == "01"
        roughness += sign_roughness(stored, whole_number(header, "BitsStored") or 16)
        headers.append(header)
    refuse_wrong_sign(series.folder, element_text(headers[0], "PixelRepresentation"), *roughness)
    if with_intercept and series.modality == "PT":
        warnings.append(
            f"RescaleIntercept (0028,1052) is not 0 in {with_intercept} slices, as PS3.3 C.8.9.4 requires of a "
            "PET; it was applied."
        )
    if lossy:
        warnings.append(
            f"{lossy} slices were compressed with loss (LossyImageCompression (0028,2110) is 01): "
            "their values are no longer those of the scanner."
        )
    return Image(array, slices.geometry), headers, warnings


def _read_slice(
    instance: Instance, frames: dict[Path, tuple[list[Dataset], npt.NDArray]]
) -> tuple[Dataset, npt.NDArray]:
    """Header without pixels, and stored values (rows, columns); a multi-frame file is decoded once, into `frames`."""
    if instance.frame is None:
        dataset = read_dataset(instance.path)
        stored = stored_pixels(dataset, instance)
        del dataset.PixelData
        return dataset, stored
    if instance.path not in frames:
        dataset = read_dataset(instance.path)
        frames[instance.path] = frames_of(dataset, instance.path), stored_pixels(dataset, instance)
    headers, volume = frames[instance.path]
    return headers[instance.frame], volume[instance.frame]


def _rescale_into(
    volume: npt.NDArray, k: int, stored: npt.NDArray, slope: float, intercept: float
) -> npt.NDArray:
    """Put one rescaled slice into the volume; an int16 volume becomes float32 at the first slice that needs it."""
    if volume.dtype == np.int16:
        if slope == 1 and intercept.is_integer() and stored.dtype.kind in "iu":
            shift = int(intercept)
            if int(stored.min()) + shift >= -32768 and int(stored.max()) + shift <= 32767:
                # What is cut off cancels out (arithmetic modulo 2**16), since the sums fit.
                wrapped = np.int16((shift + 32768) % 65536 - 32768)
                np.add(stored.astype(np.int16, copy=False), wrapped, out=volume[k])
                return volume
        volume = volume.astype(np.float32)
    volume[k] = stored * slope + intercept
    return volume
