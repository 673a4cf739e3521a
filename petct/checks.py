"""What every public function checks before it computes: arrays, spacing, numbers.

One sentence each, with the parameter in backticks; the commands write its flag there.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from petct.errors import ImageError, ParameterError
from petct.limits import between

MAX_LABEL = 65535  # label images are uint16 on disk

Spacing = tuple[float, float, float]


def require_instance(name: str, value: object, kind: type) -> None:
    """Refuse what is not of a class of ours: a dict in place of options, a tuple in place of a geometry."""
    if not isinstance(value, kind):
        raise ParameterError(
            f"`{name}` must be of the type {kind.__name__}. Received: {type(value).__name__}."
        )


def require_volume(name: str, array: object, kinds: str = "fiu") -> npt.NDArray:
    """A 3-D array of real numbers; `kinds` are numpy's letters of the types allowed."""
    if not isinstance(array, np.ndarray) or array.ndim != 3:
        got = f"shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ImageError(f"`{name}` must be a 3-D array (Z, Y, X). Received: {got}.")
    if array.dtype.kind not in kinds:
        hint = " label_components makes labels of a mask." if name == "labels" else ""
        raise ImageError(f"`{name}` cannot be of the type {array.dtype}.{hint}")
    return array


def require_shape(shape: object) -> None:
    """Refuse what is not (Z, Y, X), three whole numbers of 0 or more."""
    whole = isinstance(shape, tuple) and all(isinstance(n, int | np.integer) and n >= 0 for n in shape)
    if not whole or len(shape) != 3:  # type: ignore[arg-type]
        raise ImageError(f"`shape` must be (Z, Y, X): three whole numbers. Received: {shape}.")


def require_numbers(name: str, values: object, count: int) -> npt.NDArray[np.float64]:
    """So many finite numbers."""
    try:
        found = np.asarray(values, float)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ImageError(f"`{name}` must be {count} finite numbers. Received: {values}.")
    return found


def require_labels(labels: object, name: str = "labels") -> npt.NDArray[np.integer]:
    """A 3-D array of whole numbers; their range is checked where they are read, by `require_label_range`."""
    return require_volume(name, labels, "iu")


def require_label_range(lowest: float, highest: float) -> None:
    """Refuse labels outside 0 to 65535."""
    if lowest < 0 or highest > MAX_LABEL:
        wrong = lowest if lowest < 0 else highest
        raise ImageError(f"Labels must be from 0 (background) to {MAX_LABEL}. Received: {wrong:.0f}.")


def require_same_shape(**arrays: npt.NDArray) -> None:
    """Refuse arrays of different shapes; keywords are the parameters' names."""
    if len({array.shape for array in arrays.values()}) > 1:
        names = " and ".join(f"`{name}`" for name in arrays)
        shapes = " and ".join(str(array.shape) for array in arrays.values())
        raise ImageError(f"{names} must be of one shape. Received: {shapes}.")


def require_spacing(spacing_mm: object) -> Spacing:
    """Three positive finite numbers, in mm."""
    try:
        z, y, x = (float(s) for s in spacing_mm)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        z = y = x = math.nan
    if not all(s > 0 and math.isfinite(s) for s in (z, y, x)):
        raise ImageError(
            f"`spacing_mm` must be the voxel spacing (sz, sy, sx): three positive numbers in mm. "
            f"Received: {spacing_mm}."
        )
    return z, y, x


def require_fraction(fraction: object) -> float:
    """A number in (0, 1]."""
    if not between(fraction, 0, 1) or fraction == 0:
        percent = between(fraction, 1, 100)
        hint = f" Did you mean {float(fraction) / 100:g}?" if percent else ""  # type: ignore[arg-type]
        raise ParameterError(f"`fraction` of SUVmax must be in (0, 1]. Received: {fraction!r}.{hint}")
    return float(fraction)  # type: ignore[arg-type]


def require_finite(values: npt.NDArray) -> None:
    """Refuse SUV that are NaN or infinite; `values` are those of the voxels in the mask."""
    if not np.isfinite(values).all():
        raise ImageError("The SUV image holds NaN or infinite values inside the mask.")


def require_probability(lowest: float, highest: float) -> None:
    """Refuse a map whose lowest and highest value are not in [0, 1]."""
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ImageError("The probability map holds NaN or infinite values.")
    if lowest < 0 or highest > 1:
        kind = (
            "These look like logits: apply the sigmoid or softmax first."
            if lowest < 0
            else "Labels or a mask are no probabilities; scaled integers need their scale factor."
        )
        raise ImageError(f"Probabilities must be in [0, 1]. Received: {lowest:g} to {highest:g}. {kind}")
