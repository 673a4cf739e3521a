"""ROIs in NIfTI (or NRRD, MetaImage): a label map, or a 4-D stack with one mask per ROI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from postprocess.image import Geometry, Image, read_images, resample
from tmtv_tf.data.rois.roi import Roi
from tmtv_tf.errors import RoiError


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
        else:
            rois += _labelled(on_pet.astype(np.int64))
            lost = np.setdiff1d(np.unique(volume.array), [0, *(int(roi.name) for roi in rois)])
            for label in lost:
                warnings.append(f"{path.name}: ROI {int(label)} holds no voxel of the PET.")
                rois.append(Roi(str(int(label)), (0, 0, 0), np.zeros((0, 0, 0), bool)))
    return rois, warnings


def _check_labels(path: Path, volume: Image) -> None:
    values = volume.array
    if values.dtype.kind == "f" and not (
        np.isfinite(values).all() and np.array_equal(values, np.rint(values))
    ):
        raise RoiError(f"{path}: ROI labels must be whole numbers.")
    if values.min() < 0:
        raise RoiError(f"{path}: ROI labels must be 0 or more. Received: {values.min():g}.")


def _labelled(labels: np.ndarray) -> list[Roi]:
    """One ROI per label > 0, by label; labels need not be consecutive."""
    present = np.unique(labels)
    present = present[present > 0]
    compact = np.searchsorted(present, labels) + 1
    compact[labels == 0] = 0
    rois = []
    for index, box in enumerate(ndimage.find_objects(compact, max_label=len(present)), start=1):
        corner = (box[0].start, box[1].start, box[2].start)
        rois.append(Roi(str(int(present[index - 1])), corner, compact[box] == index))
    return rois
