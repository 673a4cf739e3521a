"""What a coarse network found, outlined on the PET itself, as the truth of its training was.

A network on cubes of 6 mm says where a lesion is, not where it ends. TMTVprob (Revailler et al. 2022, section 2.3) says
that: four thresholds inside a reader's ROI. So each component of what the network found stands for such a ROI.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.boxes import bounding_box
from petct.image import Image
from petct.rois.roi import Roi
from postprocess.config import Config
from tmtv_tf.cases.truth import SHARE, make_truth
from tmtv_tf.models.file import Outlining


def outline(probability: Image, pet: Image, how: Outlining) -> None:
    """Replace a network's probability by TMTVprob around all that it found; in place.

    Every 6-connected component of probability > 0.5 that exceeds `how.certain` somewhere is a ROI, with all voxels at
    most `how.margin_mm` away that are of no other component. In the ROIs the map becomes TMTVprob of them: 0, 0.25,
    0.5, 0.75 or 1. Elsewhere it stays, and is 0.5 at most. Nothing found: nothing changes.

    Parameters
    ----------
    probability : float32 in [0, 1], (Z, Y, X)
    pet : SUVbw on the same grid
    """
    threshold = Config.probability_threshold
    found = probability.array > threshold
    rois = found_rois(probability.array, found, pet.spacing_mm, how)
    probability.array[found] = threshold  # what follows writes over it where a ROI is
    flags = make_truth(pet.array, rois, pet.geometry.voxel_ml).flags
    for roi in rois:
        probability.array[roi.slices][roi.mask] = SHARE[flags[roi.slices][roi.mask]]


def found_rois(
    probability: npt.NDArray[np.float32],
    found: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    how: Outlining,
) -> list[Roi]:
    """The ROIs of `outline`: components of the mask `found` (Z, Y, X), grown."""
    margin = np.floor(how.margin_mm / np.array(spacing_mm)).astype(int)
    whole = bounding_box(found, margin=margin.tolist())
    if not found[whole].size:
        return []
    labels, _ = ndimage.label(found[whole])
    rois = []
    for number, inner in enumerate(ndimage.find_objects(labels), start=1):
        if probability[whole][inner][labels[inner] == number].max() <= how.certain:
            continue
        box = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(inner, margin))
        own = labels[box] == number
        near = ndimage.distance_transform_edt(~own, sampling=spacing_mm) <= how.margin_mm
        z, y, x = (w.start + s.start for w, s in zip(whole, box))
        rois.append(Roi.from_mask(str(number), own | (near & (labels[box] == 0)), (z, y, x)))
    return rois
