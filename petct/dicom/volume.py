"""A series of DICOM slices as one volume: geometry checked, rescaled slice by slice, never resampled.

Rules: DICOM PS3.3 C.7.6.2 (image plane), C.8.9.4 (PET image), C.8.2.1 (CT image).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from petct.dicom.headers import (
    PYDICOM_ERRORS,
    Instance,
    Series,
    read_dataset,
    tag_name,
    tag_value,
    whole_number,
)
from petct.dicom.multiframe import split_frames
from petct.errors import DicomError
from petct.image import Geometry, Image

# A slice may lie this share of the spacing away from its place on the uniform grid; warned of above the second.
PLACE_TOLERANCE = 0.10
PLACE_WARNING = 0.01
# A gap above this many times the median gap means that a slice is missing; below half of it, one too many.
MISSING_SLICE_GAP = 1.5
DOUBLED_SLICE_GAP = 0.5
# Direction cosines may differ by this between slices, and from an orthonormal pair.
COSINE_TOLERANCE = 1e-3
# In-plane spacing may differ by this share between slices.
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SortedSlices:
    """The files of a series in order along the slice normal, and the grid they make."""

    instances: tuple[Instance, ...]
    geometry: Geometry
    warnings: tuple[str, ...]


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


def read_volume_and_headers(series: Series) -> tuple[Image, list[Dataset], list[str]]:
    """As `read_volume`, and the full header of every slice (without pixels) in the order of the slices."""
    slices = sort_slices(series)
    warnings = list(slices.warnings)
    array = np.empty(0, np.int16 if series.modality == "CT" else np.float32)
    headers: list[Dataset] = []
    frames: dict[Path, tuple[list[Dataset], npt.NDArray]] = {}
    with_intercept = lossy = 0
    for k, instance in enumerate(slices.instances):
        header, stored = _read_slice(instance, frames)
        if k == 0:  # only now is it known that a slice has the size that its header claims
            array = np.empty(slices.geometry.shape, array.dtype)
        slope, intercept = slope_and_intercept(header, instance)
        array = _rescale_into(array, k, stored, slope, intercept)
        with_intercept += intercept != 0
        lossy += str(tag_value(header, "LossyImageCompression") or "") == "01"
        headers.append(header)
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


def sort_slices(series: Series) -> SortedSlices:
    """Order the slices along their normal and check that they make one uniform grid. Reads no file.

    Raises
    ------
    DicomError
        As for `read_volume`, all that does not concern pixels.
    """
    for conflict in series.conflicts:
        raise DicomError(conflict)
    if series.damaged:
        raise DicomError(
            f"{series.damaged[0]}: not a readable DICOM file, and it may be a slice of the {series.modality} "
            "series in the same folder; repair it, or remove it if it is not."
        )
    first = series.instances[0]
    row, column, pixel_spacing = _check_planes(series)
    normal = np.cross(row, column)
    if np.abs(normal).argmax() != 2:
        raise DicomError(
            f"{first.path}: {tag_name('ImageOrientationPatient')} is {list(first.orientation or ())}: the slices "
            "are not axial; only axial and oblique-axial slices are read."
        )
    if len(series.instances) < 2:
        raise DicomError(f"{first.path}: the only slice of its series; a volume needs at least two.")
    instances = sorted(series.instances, key=lambda i: float(np.dot(normal, i.position_mm or ())))
    positions = np.array([instance.position_mm for instance in instances])
    spacing, warnings = _check_spacing(instances, positions, normal)
    rows, columns = int(first.rows or 0), int(first.columns or 0)
    geometry = Geometry(
        shape=(len(instances), rows, columns),
        spacing_mm=(spacing, pixel_spacing[0], pixel_spacing[1]),
        origin_mm=(float(positions[0, 0]), float(positions[0, 1]), float(positions[0, 2])),
        direction=tuple(float(v) for v in np.stack([row, column, normal], axis=1).ravel()),
    )
    declared = whole_number(series.header, "NumberOfSlices") or 0
    if series.modality == "PT" and declared > len(instances):
        warnings.append(
            f"NumberOfSlices (0054,0081) is {declared}, but {len(instances)} slices are here: "
            "part of the body may be missing."
        )
    return SortedSlices(tuple(instances), geometry, tuple(warnings))


def _check_planes(series: Series) -> tuple[npt.NDArray, npt.NDArray, tuple[float, float]]:
    """Row and column direction (unit vectors) and (row, column) spacing, the same in every slice."""
    first = series.instances[0]
    for instance in series.instances:
        for keyword, value in (
            ("ImagePositionPatient", instance.position_mm),
            ("ImageOrientationPatient", instance.orientation),
            ("PixelSpacing", instance.pixel_spacing_mm),
            ("Rows", instance.rows),
            ("Columns", instance.columns),
        ):
            numbers = (value,) if isinstance(value, int) else value
            if not numbers or not all(map(math.isfinite, numbers)):
                raise DicomError(f"{instance.path}: {tag_name(keyword)} is missing or not made of numbers.")
        spacing = instance.pixel_spacing_mm or ()
        if min(spacing) <= 0 or not instance.rows or not instance.columns:
            raise DicomError(
                f"{instance.path}: {tag_name('PixelSpacing')} is {list(spacing)}; it must be positive."
            )
        if (instance.rows, instance.columns) != (first.rows, first.columns):
            raise DicomError(
                f"{instance.path}: its matrix is {instance.rows} x {instance.columns}, that of {first.path} is "
                f"{first.rows} x {first.columns}; all slices of a series must have one size."
            )
        if not np.allclose(spacing, first.pixel_spacing_mm or (), rtol=SPACING_TOLERANCE, atol=0):
            raise DicomError(
                f"{instance.path}: {tag_name('PixelSpacing')} is {list(spacing)}, that of {first.path} is "
                f"{list(first.pixel_spacing_mm or ())}; all slices of a series must have one."
            )
        if not np.allclose(
            instance.orientation or (), first.orientation or (), rtol=0, atol=COSINE_TOLERANCE
        ):
            raise DicomError(
                f"{instance.path}: {tag_name('ImageOrientationPatient')} is {list(instance.orientation or ())}, "
                f"that of {first.path} is {list(first.orientation or ())}; all slices must have one orientation."
            )
    row, column = np.reshape(first.orientation or (), (2, 3))
    products = (row @ row, column @ column, row @ column)
    if not np.allclose(products, (1, 1, 0), rtol=0, atol=COSINE_TOLERANCE):
        raise DicomError(
            f"{first.path}: {tag_name('ImageOrientationPatient')} is {list(first.orientation or ())}: "
            "not two perpendicular unit vectors."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    dy, dx = first.pixel_spacing_mm or (0.0, 0.0)
    return row, column, (float(dy), float(dx))


def _check_spacing(
    instances: list[Instance], positions: npt.NDArray, normal: npt.NDArray
) -> tuple[float, list[str]]:
    """The uniform spacing (last - first) / (n - 1), or a refusal naming the slice at fault."""
    along = positions @ normal
    gaps = np.diff(along)
    median = float(np.median(gaps))
    by_uid = {instance.sop_instance_uid: instance for instance in reversed(instances)}
    for k, gap in enumerate(gaps):
        before, after = instances[k].path, instances[k + 1].path
        if gap < DOUBLED_SLICE_GAP * median or gap <= 0:
            raise DicomError(
                f"{after}: a doubled slice, {gap:.3f} mm from {before} (ImagePositionPatient (0020,0032); the "
                f"median gap is {median:.3f} mm)."
            )
        if gap > MISSING_SLICE_GAP * median:
            raise DicomError(
                f"{after}: a slice is missing between it and {before}: {gap:.3f} mm apart "
                f"(ImagePositionPatient (0020,0032)), the median gap is {median:.3f} mm."
            )
    if len(by_uid) < len(instances) and "" not in by_uid:
        twice = next(i for i in instances if by_uid[i.sop_instance_uid] is not i)
        raise DicomError(
            f"{twice.path}: carries the same SOPInstanceUID (0008,0018) as "
            f"{by_uid[twice.sop_instance_uid].path}, at another position."
        )
    spacing = float(along[-1] - along[0]) / (len(instances) - 1)
    places = positions[0] + np.arange(len(instances))[:, None] * spacing * normal
    distance = np.linalg.norm(positions - places, axis=1)
    worst = int(distance.argmax())
    share = float(distance[worst]) / spacing
    if share > PLACE_TOLERANCE:
        raise DicomError(
            f"{instances[worst].path}: ImagePositionPatient (0020,0032) is {distance[worst]:.3f} mm from its "
            f"place on a uniform grid of {spacing:.4f} mm ({share:.0%} of the spacing; at most "
            f"{PLACE_TOLERANCE:.0%} is accepted)."
        )
    warnings = []
    if share > PLACE_WARNING:
        warnings.append(
            f"Slices lie up to {distance[worst]:.3f} mm ({share:.1%} of the spacing) from a uniform grid of "
            f"{spacing:.4f} mm; that grid is used and no voxel is changed."
        )
    return spacing, warnings


def _read_slice(
    instance: Instance, frames: dict[Path, tuple[list[Dataset], npt.NDArray]]
) -> tuple[Dataset, npt.NDArray]:
    """Header without pixels, and stored values (rows, columns); a multi-frame file is decoded once, into `frames`."""
    if instance.frame is None:
        dataset = read_dataset(instance.path)
        stored = _stored_pixels(dataset, instance)
        del dataset.PixelData
        return dataset, stored
    if instance.path not in frames:
        dataset = read_dataset(instance.path)
        frames[instance.path] = split_frames(dataset), _stored_pixels(dataset, instance)
    headers, volume = frames[instance.path]
    return headers[instance.frame], volume[instance.frame]


def _stored_pixels(dataset: Dataset, instance: Instance) -> npt.NDArray:
    """Stored values of a file: (rows, columns), or (frames, rows, columns)."""
    path = instance.path
    check_decodable(dataset, instance)
    if "PixelData" not in dataset:
        raise DicomError(f"{path}: PixelData (7FE0,0010) cannot be read (it is missing).")
    try:
        stored = dataset.pixel_array
    except PYDICOM_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise DicomError(f"{path}: PixelData (7FE0,0010) cannot be read ({reason}).") from error
    excess = 0 if is_encapsulated(dataset) else len(dataset.PixelData) - stored.nbytes
    if excess > 1:  # one byte makes an odd length even; more means that rows or columns were lost
        raise DicomError(
            f"{path}: PixelData (7FE0,0010) has {excess} bytes more than Rows (0028,0010) and Columns (0028,0011) need."
        )
    dimensions = 2 if instance.frame is None else 3
    if stored.shape[-2:] != (instance.rows, instance.columns) or stored.ndim != dimensions:
        expected = (instance.rows, instance.columns)
        raise DicomError(f"{path}: PixelData (7FE0,0010) is {stored.shape}, expected {expected} per slice.")
    return stored


def _rescale_into(
    volume: npt.NDArray, k: int, stored: npt.NDArray, slope: float, intercept: float
) -> npt.NDArray:
    """Put one rescaled slice into the volume; an int16 volume becomes float32 at the first slice that needs it."""
    if volume.dtype == np.int16:
        if slope == 1 and intercept.is_integer() and stored.dtype.kind in "iu":
            shift = int(intercept)
            if int(stored.min()) + shift >= -32768 and int(stored.max()) + shift <= 32767:
                np.add(stored, shift, out=volume[k], dtype=np.int64, casting="unsafe")
                return volume
        volume = volume.astype(np.float32)
    volume[k] = stored * slope + intercept
    return volume


def slope_and_intercept(dataset: Dataset, instance: Instance) -> tuple[float, float]:
    """RescaleSlope and RescaleIntercept of a slice, or a refusal."""
    slope = _rescale(dataset, "RescaleSlope", instance)
    if slope <= 0:
        raise DicomError(f"{instance.path}: RescaleSlope (0028,1053) is {slope}; it must be above 0.")
    return slope, _rescale(dataset, "RescaleIntercept", instance)


def _rescale(dataset: Dataset, keyword: str, instance: Instance) -> float:
    value = tag_value(dataset, keyword)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        shown = "missing" if value is None else f"{value!r}, not a number"
        raise DicomError(f"{instance.path}: {tag_name(keyword)} is {shown}.") from error
    if not math.isfinite(number):
        raise DicomError(f"{instance.path}: {tag_name(keyword)} is {number}, not a finite number.")
    return number


def _transfer_syntax(dataset: Dataset) -> UID:
    """Empty for a file without meta header, which is uncompressed."""
    return UID(str(tag_value(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID") or ""))


def is_encapsulated(dataset: Dataset) -> bool:
    syntax = _transfer_syntax(dataset)
    return bool(syntax) and syntax.is_encapsulated


def check_decodable(dataset: Dataset, instance: Instance) -> None:
    """Refuse several samples a pixel, and a transfer syntax that nothing here decodes, before pydicom fails over it."""
    samples = tag_value(dataset, "SamplesPerPixel")
    if samples not in (1, None):
        raise DicomError(f"{instance.path}: SamplesPerPixel (0028,0002) is {samples}; it must be 1.")
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
            "installed: pip install 'tmtv-tf[codecs]'."
        )
