"""The world of `tmtv phantom`: the same patients, scanners and reader, on cubes of VOXEL_MM."""

from __future__ import annotations

import numpy as np

from petct.image import resample
from petct.rois.polygon import fill_loops
from petct.rois.roi import Roi
from tmtv_tf.cases.truth import tmtv_probability
from tmtv_tf.phantom.cohort import make_scan
from tmtv_tf.phantom.reader import Outline
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.sample import Sample


def painted(rng: np.random.Generator) -> Sample:
    """One phantom. It does not say where its organs lie: `hot` is empty."""
    scan = make_scan(int(rng.integers(1, 10000)), int(rng.integers(2**31)), VOXEL_MM)
    grid = scan.pet.geometry
    rois = [_region(outline, grid.shape) for outline in scan.outlines]
    hu = resample(scan.ct, grid, fill=-1000).array.astype(np.float32)
    body = np.flatnonzero((hu > -400).any(axis=(0, 1)))
    rows = np.flatnonzero((hu > -400).any(axis=(0, 2)))
    box = (slice(None), slice(max(rows[0] - 4, 0), rows[-1] + 5), slice(max(body[0] - 4, 0), body[-1] + 5))
    suv = scan.pet.array.astype(np.float32)
    truth = tmtv_probability(suv, rois)
    suv, hu, truth = (np.ascontiguousarray(a[box]) for a in (suv, hu, truth))
    return Sample(suv, hu, truth, np.ascontiguousarray(scan.labels[box]), np.zeros(suv.shape, bool))


def _region(outline: Outline, shape) -> Roi:
    mask = np.zeros(shape, bool)
    for k, line in outline.contours:
        mask[k] ^= fill_loops([line[:, ::-1]], shape[1:])
    return Roi.from_mask(outline.name, mask)
