"""The small cohort that the tests of the phantom share: six patients, one on each scanner, all coarse."""

from __future__ import annotations

from functools import lru_cache

from tmtv_tf.phantom.cohort import Scan, make_scan

CASES, SEED, VOXEL_MM = 6, 11, 6.0
CANVAS_MM = 6.0  # in place of 3: an eighth of the time


@lru_cache(maxsize=CASES)
def scan_of(number: int) -> Scan:
    """What `make_cohort` wrote for this patient."""
    return make_scan(number, SEED, VOXEL_MM)
