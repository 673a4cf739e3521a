"""The SUV image and the probability map or mask of a case: read, checked, brought onto the PET grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.checks import MAX_LABEL, require_probability
from petct.errors import ImageError, ParameterError
from petct.image import Geometry, Image, read_image, resample
from petct.npz import read_npz
from petct.orientation import to_canonical
from postprocess._components import foreground, voxels_above
from postprocess.reference import reference_grid
from postprocess.regions import Regions, holds_regions, is_rois_file, label_files, label_regions, read_regions
from postprocess.segmentation import Instances
from postprocess.suv_source import SuvSource, find_suv

# A map and a PET of one patient lie in one another: along every axis of the world, the shorter one has at least this
# share of its length inside the longer one, or they do not belong together.
REFUSE_OVERLAP_BELOW = 0.5
WARN_OVERLAP_BELOW = 0.9
# Labels stored with a scale factor come back a little off.
MASK_ROUNDING = 1e-3


@dataclass(frozen=True)
class MapFile:
    """Where the map or mask comes from.

    Attributes
    ----------
    path : NIfTI, NRRD, MetaImage, or nnU-Net's `.npz` (keys `probabilities` or `softmax`, (C, Z, Y, X)); as a mask
        also DICOM SEG, RTSTRUCT, the Fiji viewer's table; `rois.nii.gz` goes on in `rois_2.nii.gz`, ...
    is_mask : voxels that are not 0 (or whose value is in `mask_labels`) are the mask; whole
        numbers from 0 on, or 0 and one other value
    reference : what has the grid of the `.npz` (see `reference_grid`); the PET if None
    channel : class of the `.npz` that is lesion; needed if it has more than two
    instances : each label of a mask, each region of a file of regions, is one lesion; None: where there are several,
        and in RTSTRUCT, tables and `rois.nii.gz` always
    """

    path: Path
    is_mask: bool = False
    mask_labels: tuple[int, ...] = ()
    reference: Path | None = None
    channel: int | None = None
    instances: bool | None = None


@dataclass(frozen=True)
class CaseImages:
    """SUV and probability (or a bool mask) on one canonical grid; `stored` is the PET grid as in its file.

    `instances`: the regions of the mask, if each is to be one lesion.
    """

    suv: Image
    probability: Image
    stored: Geometry
    warnings: list[str] = field(default_factory=list)
    source: SuvSource | None = None
    instances: Instances | None = None


def read_case(found: MapFile, suv: SuvSource | str | os.PathLike[str], threshold: float = 0.5) -> CaseImages:
    """Read one case. A map on another grid is resampled linearly onto the PET grid, 0 outside it.

    A mask on another grid is resampled linearly as 0 and 1, and kept where > 0.5; regions that stay one lesion each
    are read at the centres of the PET voxels. `threshold` is used only to warn of foreground outside the PET.

    Raises
    ------
    TmtvError
        A file that cannot be read or trusted; values that are no probabilities; grids that do not belong together.
    """
    source = suv if isinstance(suv, SuvSource) else find_suv(suv)
    pet, warnings = source.read()
    return case_images(found, pet, source, warnings, threshold)


def case_images(
    found: MapFile, pet: Image, source: SuvSource, warnings: list[str], threshold: float = 0.5
) -> CaseImages:
    """`read_case` for a PET (SUVbw) that is in memory already; `warnings` are those of its reading."""
    canonical = to_canonical(pet)
    images = CaseImages(canonical, canonical, pet.geometry, warnings, source)
    if found.path.resolve() == source.path.resolve():
        raise ImageError(f"{found.path}: the map and the SUV image are one file.")
    if found.is_mask:
        return _with_mask(images, found)
    is_npz = found.path.suffix.lower() == ".npz"
    stored = _read_softmax(found, pet, source) if is_npz else read_image(found.path)
    if stored.array.size:
        try:
            require_probability(float(stored.array.min()), float(stored.array.max()))
        except ImageError as error:
            hint = " A mask belongs to --mask." if stored.array.max() > 1 else ""
            raise ImageError(f"{found.path}: {error}{hint}") from error
    return _on_pet(images, to_canonical(stored), found, threshold)


def read_mask(
    path: str | os.PathLike[str], geometry: Geometry, source: SuvSource | None = None
) -> npt.NDArray[np.bool_]:
    """Where an exclusion mask is not 0, or where drawn regions are, on a canonical grid; False outside the file.

    Images by nearest neighbour; SEG, RTSTRUCT and tables as `read_regions` does. `source` is that of the PET.

    Raises
    ------
    TmtvError
        Not readable, of another frame of reference, or nothing of it lies on the PET.
    """
    path = Path(path)
    mask = np.zeros(geometry.shape, bool)
    if holds_regions(path):
        pet = Image(np.broadcast_to(np.float32(0), geometry.shape), geometry)  # takes no memory
        mask = read_regions(path, pet, geometry, source or SuvSource(path)).mask(geometry.shape)
    else:
        for file in label_files(path):
            part = to_canonical(_mask(read_image(file), MapFile(file)))
            if not part.geometry.overlaps(geometry):
                raise ImageError(f"{file}: this mask does not overlap the PET.")
            mask |= resample(part, geometry, nearest=True).array
    if not mask.any():
        raise ImageError(f"{path}: nothing of it lies on the PET, so it would exclude nothing.")
    return mask


def _with_mask(images: CaseImages, found: MapFile) -> CaseImages:
    """The case with its mask: as one foreground, or as regions that are one lesion each."""
    regions, case = (_drawn if holds_regions(found.path) else _painted)(images, found)
    wanted = regions.told_apart if found.instances is None else found.instances
    name, warnings = found.path.name, []
    if found.instances is None and wanted and regions.count:
        what = (
            "region is one lesion" if regions.count == 1 else f"{regions.count} regions are one lesion each"
        )
        warnings = [f"{name}: its {what}, kept whole; `tmtv-postprocess --no-instances` joins them."]
    elif found.instances is None and holds_regions(found.path) and regions.count:
        kept = "`tmtv-postprocess --instances` keeps it whole"
        warnings = [f"{name}: its one segment is split into lesions as published; {kept}."]
    return replace(
        case,
        warnings=[*case.warnings, *regions.warnings, *warnings],
        instances=regions.instances if wanted else None,
    )


def _drawn(images: CaseImages, found: MapFile) -> tuple[Regions, CaseImages]:
    """Those of a SEG, RTSTRUCT or table."""
    if found.mask_labels:
        raise ParameterError(f"{found.path}: --mask-label belongs to label images.")
    geometry = images.suv.geometry
    regions = read_regions(found.path, images.suv, images.stored, _source(images))
    return regions, replace(images, probability=Image(regions.mask(geometry.shape), geometry))


def _painted(images: CaseImages, found: MapFile) -> tuple[Regions, CaseImages]:
    """Those of a label image and of the files that go on with it."""
    files = label_files(found.path)
    volumes = [read_image(file) for file in files]
    masks = [_mask(volume, replace(found, path=file)) for file, volume in zip(files, volumes, strict=True)]
    union = masks[0]
    if len(files) > 1:
        if any(not mask.geometry.same_grid(union.geometry) for mask in masks):
            raise ImageError(f"{found.path}: the files that go on with it are on another grid.")
        union = union.with_array(np.any([mask.array for mask in masks], axis=0))
    case = _on_pet(images, to_canonical(union), found, 0.5)
    warnings = _check_labels(volumes[0], union, found) if len(files) == 1 else []
    told_apart = is_rois_file(found.path) or any(map(_several_labels, volumes, masks))
    if not (told_apart if found.instances is None else found.instances):
        none = Instances(np.empty(0, np.int64), np.empty(0, np.int32))
        return Regions(none, 0, told_apart, warnings), case
    geometry = images.suv.geometry
    labels = [_labels(volume, mask, found.path) for volume, mask in zip(volumes, masks, strict=True)]
    parts = [resample(to_canonical(image), geometry, nearest=True).array for image in labels]
    regions = label_regions(found.path, parts)
    held = {label for image in labels for label in np.unique(image.array[image.array > 0]).tolist()}
    for label in sorted(held - set(np.unique(regions.instances.label).tolist())):
        warnings.append(f"{found.path.name}: the region of label {label} holds no voxel of the PET.")
    if not to_canonical(union).geometry.same_grid(geometry):
        text = f"{found.path.name}: not on the grid of the PET; read at the centres of the PET voxels."
        warnings.append(text)
        case = replace(case, probability=Image(regions.mask(geometry.shape), geometry))
    return replace(regions, warnings=[*regions.warnings, *warnings]), case


def _several_labels(image: Image, mask: Image) -> bool:
    values = image.array.reshape(-1)[voxels_above(mask.array)]
    return bool(values.size and (np.abs(values - values[0]) > MASK_ROUNDING).any())


def _labels(image: Image, mask: Image, path: Path) -> Image:
    """The labels of an image where its mask is, int32; 0 and one other value that is no whole number: label 1."""
    values = np.where(mask.array, image.array, 0)
    whole = np.rint(values) if values.dtype.kind == "f" else values
    if (highest := whole.max(initial=0)) > MAX_LABEL:
        raise ImageError(f"{path}: a label image holds labels up to {MAX_LABEL}. Received: {highest:g}.")
    if whole[mask.array].min(initial=1) < 1:
        whole = mask.array
    return image.with_array(whole.astype(np.int32))


def _source(images: CaseImages) -> SuvSource:
    return images.source or SuvSource(Path())


def _on_pet(images: CaseImages, probability: Image, found: MapFile, threshold: float) -> CaseImages:
    """The case with its map (or bool mask) on the PET grid, and what is odd about the two grids."""
    geometry, warnings = images.suv.geometry, list(images.warnings)
    if not probability.geometry.same_grid(geometry):
        suv_path = _source(images).path
        warnings += _check_overlap(probability.geometry, geometry, found.path, suv_path)
        warnings += _check_outside(probability, geometry, threshold)
        array = probability.array.astype(np.float32, copy=False)
        probability = resample(probability.with_array(array), geometry)
        if found.is_mask:
            probability = probability.with_array(probability.array > 0.5)
    return replace(images, probability=replace(probability, geometry=geometry), warnings=warnings)


def _read_softmax(found: MapFile, pet: Image, source: SuvSource) -> Image:
    softmax = read_npz(found.path, ("probabilities", "softmax"))
    grid = pet.geometry if found.reference is None else reference_grid(found.reference, pet, source)
    if softmax.ndim != 4 or softmax.shape[1:] != grid.shape:
        raise ImageError(
            f"{found.path}: expected (classes, Z, Y, X) with Z, Y, X = {grid.shape} of the reference image. "
            f"Received: {softmax.shape}. Name the image that the network saw with --reference."
        )
    channel = {1: 0, 2: 1}.get(len(softmax)) if found.channel is None else found.channel
    if channel is None or not 0 <= channel < len(softmax):
        raise ParameterError(f"{found.path}: which of its {len(softmax)} classes is lesion? Use --channel.")
    return Image(softmax[channel].astype(np.float32, copy=False), grid)


def as_mask(image: Image, path: str | os.PathLike[str]) -> Image:
    """Where a mask is not 0, as bool.

    Raises
    ------
    ImageError
        Its values are those of no mask: NaN, negative, neither whole numbers nor 0 and one other.
    """
    return _mask(image, MapFile(Path(path), is_mask=True))


def _mask(image: Image, found: MapFile) -> Image:
    values = image.array
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError(f"{found.path}: the mask holds NaN or infinite values.")
        whole = np.rint(values)
        fraction = np.abs(values - whole) > MASK_ROUNDING
        if not fraction.any():
            values = whole
        elif np.ptp(values[values != 0]) > 0:
            raise ImageError(
                f"{found.path}: a mask holds whole numbers, or 0 and one other. Received: {values[fraction][0]:g}. "
                "A probability map belongs to --probability."
            )
    if values.dtype.kind in "if" and values.size and values.min() < 0:
        raise ImageError(f"{found.path}: a mask holds no negative values. Received: {values.min():g}.")
    labels: Sequence[int] = found.mask_labels
    return image.with_array(np.isin(values, labels) if labels else values != 0)


def _check_labels(image: Image, mask: Image, found: MapFile) -> list[str]:
    """A label image with none of the labels asked for may be a patient without lesions, or a wrong label."""
    if not found.mask_labels or mask.array.any() or not image.array.any():
        return []
    held = ", ".join(f"{value:g}" for value in np.unique(image.array)[:10] if value)
    asked = ", ".join(map(str, found.mask_labels))
    return [f"{found.path.name}: no voxel has the label {asked}; the image holds {held}."]


def _check_overlap(map_grid: Geometry, pet_grid: Geometry, map_path: object, suv_path: object) -> list[str]:
    (low_a, high_a), (low_b, high_b) = map_grid.box_mm(), pet_grid.box_mm()
    common = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    share = float((common / np.minimum(high_a - low_a, high_b - low_b)).min())
    if share <= 0:
        raise ImageError(f"{map_path} and {suv_path} do not overlap: they are not of one examination.")
    if share < REFUSE_OVERLAP_BELOW:
        raise ImageError(
            f"{map_path} and {suv_path} overlap by only {100 * share:.0f} % along one axis: they are not of one "
            "examination."
        )
    if share < WARN_OVERLAP_BELOW:
        return [
            f"the map and the PET overlap by only {100 * share:.0f} % along one axis: are they of one examination?"
        ]
    return []


def _check_outside(probability: Image, pet_grid: Geometry, threshold: float) -> list[str]:
    """Foreground beyond the edges of the PET has no SUV; more than a voxel of it is worth a warning."""
    index = np.stack(
        np.unravel_index(foreground(probability.array, threshold), probability.array.shape), axis=1
    )
    if len(index) == 0:
        return []
    place = pet_grid.to_index(probability.geometry.to_world(index))
    edge = 0.5 + np.array(probability.spacing_mm) / np.array(pet_grid.spacing_mm)
    outside = ((place < -edge) | (place > np.array(pet_grid.shape) - 1 + edge)).any(axis=1).sum()
    lost_ml = outside * probability.geometry.voxel_ml
    return [f"{lost_ml:.1f} mL of the map's foreground lie outside the PET and are lost."] if outside else []
