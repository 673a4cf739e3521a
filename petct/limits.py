"""Whether a value is a number within limits. Loads nothing: the command lines check their options with it."""

import math
import sys

# The smallest and the largest positive number: `between(value, SMALLEST, LARGEST)` is positive and finite.
SMALLEST, LARGEST = math.ulp(0.0), sys.float_info.max


def between(value: object, low: float, high: float) -> bool:
    """Whether a value is a number, low <= value <= high. NaN, text and None are not.

    A number of numpy's is compared as Python's: in single precision the limits themselves would be 0 and infinity.
    """
    if isinstance(value, str | bytes | bytearray):
        return False
    try:
        return low <= float(value) <= high  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
