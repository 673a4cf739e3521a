"""Reader ROIs and SUV to the four reference masks and TMTVprob (Revailler et al. 2022, section 2.3).

Inside each ROI, four masks: 41 % of that ROI's SUVmax, SUV > 2.5, SUV > 4.0, Otsu's threshold of that ROI's
voxels. The union over the ROIs gives the reference mask of each method; the voxelwise mean of the four is
TMTVprob. Everything on the native PET grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.rois.roi import Roi
from postprocess.thresholds import above_fraction_of_maximum, otsu_threshold

# The values of one ROI -> which of them the method keeps.
METHODS: dict[str, Callable[[npt.NDArray], npt.NDArray[np.bool_]]] = {
    "41": lambda values: above_fraction_of_maximum(values, 0.41),
    "2.5": lambda values: values > 2.5,
    "4.0": lambda values: values > 4.0,
    "otsu": lambda values: values > otsu_threshold(values),
}


# TMTVprob of a voxel by its flags (see `Truth`): the share of the four methods that have it.
SHARE = np.array([flags.bit_count() / len(METHODS) for flags in range(2 ** len(METHODS))], np.float32)


@dataclass(frozen=True)
class Truth:
    """What the readers' ROIs say of every voxel.

    Attributes
    ----------
    flags : (Z, Y, X) uint8; bit i is set where the i-th of `METHODS` has the voxel
    rows : one per ROI, see `make_truth`
    """

    flags: npt.NDArray[np.uint8]
    rows: list[dict[str, float | int | str | None]]

    def mask(self, method: str) -> npt.NDArray[np.bool_]:
        """Reference mask (Z, Y, X) of one of `METHODS`: the union over the ROIs."""
        return (self.flags & (1 << list(METHODS).index(method))) != 0

    def probability(self) -> npt.NDArray[np.float32]:
        """TMTVprob (Z, Y, X) in {0, 0.25, 0.5, 0.75, 1}: the voxelwise mean of the four masks."""
        return SHARE[self.flags]


def make_truth(suv: npt.NDArray[np.float32], rois: Sequence[Roi], voxel_ml: float) -> Truth:
    """The reference masks and TMTVprob of a case, and the table of its ROIs.

    Parameters
    ----------
    suv : (Z, Y, X) SUVbw, finite
    rois : on the same grid; they may overlap and stay separate for the per-ROI thresholds
    voxel_ml : volume of one voxel

    Returns
    -------
    Truth
        No ROI, or ROIs without a voxel above a threshold: that mask is empty. A ROI without any voxel on the PET
        keeps its row, with 0 voxels and no SUV. Row columns: `roi` (1..N), `name`, `voxels`, `volume_ml`,
        `suv_max`, `suv_mean`, and per method `volume_<method>_ml`.
    """
    flags = np.zeros(suv.shape, np.uint8)
    rows = []
    for number, roi in enumerate(rois, start=1):
        row: dict[str, float | int | str | None] = {
            "roi": number,
            "name": roi.name,
            "voxels": roi.voxels,
            "volume_ml": roi.voxels * voxel_ml,
            "suv_max": None,
            "suv_mean": None,
        }
        for bit, (method, keep) in enumerate(METHODS.items()):
            kept = np.zeros(roi.mask.shape, bool)
            if roi.voxels:
                kept[roi.mask] = keep(roi.values(suv))
                flags[roi.slices] |= kept.astype(np.uint8) << bit
            row[f"volume_{method}_ml"] = int(np.count_nonzero(kept)) * voxel_ml
        if roi.voxels:
            values = roi.values(suv)
            row |= {"suv_max": float(values.max()), "suv_mean": float(values.mean(dtype=np.float64))}
        rows.append(row)
    return Truth(flags, rows)


def tmtv_probability(suv: npt.NDArray[np.float32], rois: Sequence[Roi]) -> npt.NDArray[np.float32]:
    """TMTVprob (Z, Y, X) float32 in {0, 0.25, 0.5, 0.75, 1}: the mean of the four methods' masks."""
    return make_truth(suv, rois, voxel_ml=1.0).probability()
