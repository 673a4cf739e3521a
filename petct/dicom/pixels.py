"""The stored values of one slice, and what turns them into the scanner's units: decoded as declared, or refused.

Rules: DICOM PS3.3 C.7.6.3 (image pixel), PS3.5 8.1 (pixel encoding).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from petct.dicom.headers import Instance
from petct.dicom.quiet import PYDICOM_ERRORS
from petct.dicom.values import element_text, parse_number, tag_name, tag_value, whole_number
from petct.errors import DicomError

# Neighbours differ in sum by this many times more than with the sign bit read the other way: it was declared wrongly.
ROUGHER = 1.25
# Rows further apart than this are enough to see it.
_ROWS_LOOKED_AT = 64


def stored_pixels(dataset: Dataset, instance: Instance) -> npt.NDArray:
    """Stored values of a file: (rows, columns), or (frames, rows, columns)."""
    path = instance.path
    check_decodable(dataset, instance)
    if "PixelData" not in dataset:
        raise DicomError(f"{path}: PixelData (7FE0,0010) cannot be read (it is missing).")
    try:
        stored = _plain_pixels(dataset, instance)
        if stored is None:
            # The same as dataset.pixel_array, which looks twice at whether the pixels have changed since.
            stored = pixel_array(dataset) if _transfer_syntax(dataset) else dataset.pixel_array
    except PYDICOM_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise DicomError(f"{path}: PixelData (7FE0,0010) cannot be read ({reason}).") from error
    excess = 0 if is_encapsulated(dataset) else len(dataset.PixelData) - stored.nbytes
    if excess > 1:  # one byte makes an odd length even; more means that rows or columns were lost
        raise DicomError(
            f"{path}: PixelData (7FE0,0010) has {excess} bytes more than Rows (0028,0010) and Columns (0028,0011) need."
        )
    _check_unused_bits(dataset, stored, path)
    dimensions = 2 if instance.frame is None else 3
    if stored.shape[-2:] != (instance.rows, instance.columns) or stored.ndim != dimensions:
        expected = (instance.rows, instance.columns)
        raise DicomError(f"{path}: PixelData (7FE0,0010) is {stored.shape}, expected {expected} per slice.")
    return stored


def _plain_pixels(dataset: Dataset, instance: Instance) -> npt.NDArray | None:
    """One slice of whole 16-bit numbers, little endian, as it stands in the file; None for all that is less plain.

    pydicom gives the same and takes three times as long, mostly over attributes that do not matter here.
    """
    types = {0: np.dtype("<u2"), 1: np.dtype("<i2")}
    dtype = types.get(whole_number(dataset, "PixelRepresentation") or 0)
    plain = (
        _transfer_syntax(dataset) in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
        and whole_number(dataset, "BitsAllocated") == whole_number(dataset, "BitsStored") == 16
        and element_text(dataset, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and element_text(dataset, "PixelRepresentation") in ("0", "1")
        and element_text(dataset, "SamplesPerPixel") == "1"
        and element_text(dataset, "NumberOfFrames") in (None, "1")
        and instance.frame is None
    )
    data, rows, columns = dataset.PixelData, instance.rows, instance.columns
    if not plain or dtype is None or rows is None or columns is None or len(data) != rows * columns * 2:
        return None
    return np.frombuffer(data, dtype).reshape(rows, columns)


def slope_and_intercept(dataset: Dataset, instance: Instance) -> tuple[float, float]:
    """RescaleSlope and RescaleIntercept of a slice, or a refusal."""
    slope = _rescale(dataset, "RescaleSlope", instance)
    if slope <= 0:
        raise DicomError(f"{instance.path}: RescaleSlope (0028,1053) is {slope}; it must be above 0.")
    return slope, _rescale(dataset, "RescaleIntercept", instance)


def _rescale(dataset: Dataset, keyword: str, instance: Instance) -> float:
    text = element_text(dataset, keyword)
    if text is None:
        raise DicomError(f"{instance.path}: {tag_name(keyword)} is missing.")
    try:
        return parse_number(text)
    except ValueError as error:
        raise DicomError(f"{instance.path}: {tag_name(keyword)} is {text!r}, {error}.") from error


def _check_bits(dataset: Dataset, instance: Instance) -> None:
    """BitsStored bits, of which HighBit is the last: nothing else is defined (PS3.5 8.1.1)."""
    bits = {k: whole_number(dataset, k) for k in ("BitsAllocated", "BitsStored", "HighBit")}
    allocated, stored, high = bits.values()
    for keyword, limit in (("BitsStored", allocated), ("HighBit", None if stored is None else stored - 1)):
        value = bits[keyword]
        wrong = (
            value is not None
            and limit is not None
            and (value != limit if keyword == "HighBit" else value > limit)
        )
        if wrong:
            beside = "BitsAllocated" if keyword == "BitsStored" else "BitsStored"
            raise DicomError(
                f"{instance.path}: {tag_name(keyword)} is {value}, and {tag_name(beside)} is {bits[beside]}; "
                f"it must be {'at most ' if keyword == 'BitsStored' else ''}{limit}."
            )


def _check_unused_bits(dataset: Dataset, stored: npt.NDArray, path: object) -> None:
    """A PET value that needs more bits than BitsStored would become another value. (A CT may keep overlays there.)"""
    allocated, bits = whole_number(dataset, "BitsAllocated"), whole_number(dataset, "BitsStored")
    if element_text(dataset, "Modality") != "PT" or is_encapsulated(dataset) or bits == allocated:
        return
    order: Literal["<", ">"] = ">" if _transfer_syntax(dataset) == ExplicitVRBigEndian else "<"
    raw = np.frombuffer(dataset.PixelData[: stored.nbytes], stored.dtype.newbyteorder(order)).reshape(
        stored.shape
    )
    differ = int(np.count_nonzero(raw != stored))
    if differ:
        raise DicomError(
            f"{path}: BitsStored (0028,0101) is {bits}, and {differ} values of PixelData (7FE0,0010) need more bits."
        )


def sign_roughness(stored: npt.NDArray, bits: int) -> tuple[float, float]:
    """How much neighbours differ in sum: as PixelRepresentation says, and with the sign bit read otherwise.

    Both are 0 where no value has the sign bit: then the two readings are one.
    """
    half = 1 << (bits - 1)
    with_sign = stored >= half if stored.dtype.kind == "u" else stored < 0
    if stored.dtype.kind not in "iu" or not with_sign.any():
        return 0.0, 0.0
    step = max(1, stored.shape[-2] // _ROWS_LOOKED_AT)
    declared = stored[..., ::step, :].astype(np.int64)
    full = 2 * half if stored.dtype.kind == "i" else -2 * half
    other = np.where(with_sign[..., ::step, :], declared + full, declared)
    declared_sum, other_sum = (
        sum(float(np.abs(np.diff(values, axis=axis)).sum()) for axis in (-1, -2))
        for values in (declared, other)
    )
    return declared_sum, other_sum


def refuse_wrong_sign(folder: object, representation: str | None, declared: float, other: float) -> None:
    """Refuse a series that is an image only if PixelRepresentation is not what it says."""
    if declared > ROUGHER * other:
        raise DicomError(
            f"{folder}: PixelRepresentation (0028,0103) is {representation}, and the values make an image only if it "
            f"is {'1' if representation == '0' else '0'} (neighbours differ {declared / max(other, 1.0):.1f} times "
            "less); correct the header."
        )


def _transfer_syntax(dataset: Dataset) -> UID:
    """Empty for a file without meta header, which is uncompressed."""
    return UID(str(tag_value(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID") or ""))


def is_encapsulated(dataset: Dataset) -> bool:
    """Whether the pixels are compressed (PS3.5, A.4)."""
    syntax = _transfer_syntax(dataset)
    return bool(syntax) and syntax.is_encapsulated


def check_decodable(dataset: Dataset, instance: Instance) -> None:
    """Refuse several samples a pixel, and a transfer syntax that nothing here decodes, before pydicom fails over it."""
    samples = tag_value(dataset, "SamplesPerPixel")
    if samples not in (1, None):
        raise DicomError(f"{instance.path}: SamplesPerPixel (0028,0002) is {samples}; it must be 1.")
    _check_bits(dataset, instance)
    syntax = _transfer_syntax(dataset)
    if not syntax:
        return
    try:
        available = not syntax.is_encapsulated or get_decoder(syntax).is_available
    except (NotImplementedError, ValueError):  # none that the standard knows
        available = False
    if not available:
        raise DicomError(
            f"{instance.path}: TransferSyntaxUID (0002,0010) is {syntax} ({syntax.name}), for which no decoder is "
            "installed: pip install '.[codecs]' in your clone of tmtv-tf."
        )
