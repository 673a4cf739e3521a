"""ROIs in NIfTI (or NRRD, MetaImage): a label map, or a 4-D stack with one mask per ROI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.checks import MAX_LABEL
from petct.errors import RoiError
from petct.image import Geometry, Image, read_images, resample
from petct.rois.roi import Roi


def read_label_image(path: str | Path, geometry: Geometry) -> tuple[list[Roi], list[str]]:
    """One ROI per label of a 3-D map, or per volume of a 4-D stack (non-zero is inside), and warnings.

    An image on another grid is read at the centre of each PET voxel (nearest neighbour), with a warning.

    Raises
    ------
    RoiError
        Labels that are not whole numbers of 0 or more, or a grid that shares no space with the PET.
    """
    path = Path(path)
    volumes = read_images(path)
    warnings: list[str] = []
    if not volumes[0].geometry.overlaps(geometry):
        raise RoiError(f"{path}: the ROIs and the PET share no space: they are not of one examination.")
    if not volumes[0].geometry.same_grid(geometry):
        warnings.append(f"{path.name}: not on the grid of the PET; read at the centres of the PET voxels.")
    rois: list[Roi] = []
    for number, volume in enumerate(volumes, start=1):
        _check_labels(path, volume)
        if not volume.array.any():  # an expert's "no lesion"
            continue
        on_pet = resample(volume, geometry, nearest=True).array
        if len(volumes) > 1:
            rois.append(Roi.from_mask(str(number), on_pet != 0))
            if not rois[-1].voxels:
                warnings.append(f"{path.name}: ROI {number} holds no voxel of the PET.")
            continue
        rois = _labelled(on_pet)
        for label in sorted({roi.name for roi in _labelled(volume.array)} - {roi.name for roi in rois}):
            warnings.append(f"{path.name}: ROI {label} holds no voxel of the PET.")
            rois.append(Roi(label, (0, 0, 0), np.zeros((0, 0, 0), bool)))
    return rois, warnings


def _check_labels(path: Path, volume: Image) -> None:
    for values in volume.array if volume.array.dtype.kind == "f" else ():
        if not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
            raise RoiError(f"{path}: ROI labels must be whole numbers.")
    if volume.array.min() < 0 or volume.array.max() > MAX_LABEL:
        raise RoiError(
            f"{path}: ROI labels must be 0 to {MAX_LABEL}. "
            f"Received: {volume.array.min():g} to {volume.array.max():g}."
        )


def _labelled(labels: npt.NDArray) -> list[Roi]:
    """One ROI per label > 0, by label; labels need not be consecutive."""
    labels = labels if labels.dtype.kind in "iu" else labels.astype(np.int32)
    return [
        Roi(str(label), (box[0].start, box[1].start, box[2].start), labels[box] == label)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    ]
