"""Whether the values of a PET image can be SUV: one rule for every door an image comes in by."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError

# The highest SUV of an image: a hot bladder reaches some hundreds, half of the dose left in 2 mL of an arm 17 500.
HIGHEST_SUV_EXPECTED = (1.0, 2000.0)
HIGHEST_SUV_POSSIBLE = 1e5
# Nothing vouches for the unit of a bare image file: Bq/mL start where SUV end (soft tissue has some 5000 Bq/mL).
HIGHEST_SUV_OF_FILE = 1000.0
WARN_SUV_OF_FILE = 500.0
# Activity is not lost: what is above SUV s holds no more than body weight [g] / s mL; 300 kg at most.
HOT_SUV, HOT_ML = 1000.0, 300.0
# Noise of a PET goes below 0, but by no more than this share of its maximum; deeper is a wrong sign or intercept.
DEEPEST_NEGATIVE = 0.5
# Reconstruction noise goes a little below 0; air in a CT is -1000.
LOWEST_SUV_OF_FILE = -100.0


def check_suv_values(
    suv: npt.NDArray, source: str, *, computed: bool, voxel_ml: float | None = None
) -> list[str]:
    """Warnings about SUV that are unusual; those that no patient can have are refused.

    Parameters
    ----------
    suv : (Z, Y, X)
    source : file or folder, for the message
    computed : this software made SUV of them by the header's values; False: a file that claims to be SUV
    voxel_ml : volume of a voxel; where it is known, no more than 300 mL may be above SUV 1000

    Raises
    ------
    ImageError
        NaN or infinite values; a maximum not above 0, above 100 000, or above 1000 in a file; values below -100 in
        a file; too much volume above SUV 1000; a computed image that is as negative as half of its maximum.
    """
    lowest, highest = (float(suv.min()), float(suv.max())) if suv.size else (0.0, 0.0)
    if not (math.isfinite(lowest) and math.isfinite(highest)):  # a NaN passes through min and max
        raise ImageError(f"{source}: the SUV image holds NaN or infinite values.")
    limit = HIGHEST_SUV_POSSIBLE if computed else HIGHEST_SUV_OF_FILE
    if not 0 < highest <= limit:
        what = "is it Bq/mL, or a CT?" if highest > 0 else "is it a PET?"
        raise ImageError(
            f"{source}: its maximum is {highest:g}, which no SUV is ({what}). Give SUV by body weight: an image that "
            "tmtv prepare wrote, or the DICOM folder of the PET."
        )
    if computed and lowest < -DEEPEST_NEGATIVE * highest:
        raise ImageError(
            f"{source}: the SUV image runs from {lowest:g} to {highest:g}; no PET is that negative (is "
            "PixelRepresentation (0028,0103) or RescaleIntercept (0028,1052) wrong?)."
        )
    if not computed and lowest < LOWEST_SUV_OF_FILE:
        raise ImageError(f"{source}: its minimum is {lowest:g}, which no SUV is (is it a CT?).")
    if voxel_ml is not None and highest > HOT_SUV:
        hot_ml = float(np.count_nonzero(suv > HOT_SUV)) * voxel_ml
        if hot_ml > HOT_ML:
            raise ImageError(
                f"{source}: {hot_ml:.0f} mL are above SUV {HOT_SUV:g}, more activity than was injected (is it Bq/mL?)."
            )
    if computed and not HIGHEST_SUV_EXPECTED[0] <= highest <= HIGHEST_SUV_EXPECTED[1]:
        return [
            f"The highest SUV of the image is {highest:.3g}: is it a patient, and are weight and dose right?"
        ]
    if not computed and highest > WARN_SUV_OF_FILE:
        return [f"Its highest value is {highest:g}: this is hardly SUV (is it kBq/mL?)."]
    return []
