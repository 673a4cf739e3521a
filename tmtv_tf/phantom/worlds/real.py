"""Real backgrounds, for tests only: lesions put into a real image with its own blur and noise.

Nothing made here may be used to train or to choose a packaged model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.image import Geometry, read_image, resample
from tmtv_tf.cases.truth import tmtv_probability
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.lesions import Seed, paint_lesions
from tmtv_tf.phantom.worlds.sample import AVOIDED_SUV, Sample, outlines
from tmtv_tf.phantom.worlds.tissues import Tissue as T

FWHM_MM = 6.5
TUMOUR_MARGIN_MM = 12.0
ALWAYS_HOT_SUV = 4.0


def real_background(
    case: Path, rng: np.random.Generator, lesions: int = 8
) -> tuple[Sample, npt.NDArray[np.bool_]]:
    """A prepared case (`tmtv prepare`) with `lesions` drawn ones added, and the voxels around its own tumour to ignore.

    `hot` is where the image itself exceeds ALWAYS_HOT_SUV away from the tumour: nothing but physiology is there.
    """
    pet = read_image(case / "pet.nii.gz")
    low, high = pet.geometry.box_mm()
    shape = np.ceil((high - low)[::-1] / VOXEL_MM).astype(int)
    x, y, z = (float(v) for v in low + VOXEL_MM / 2)
    grid = Geometry((int(shape[0]), int(shape[1]), int(shape[2])), (VOXEL_MM,) * 3, (x, y, z))
    suv = resample(pet, grid).array.astype(np.float32)
    ct = case / "ct.nii.gz"
    hu = (
        resample(read_image(ct), grid, fill=-1000).array.astype(np.float32)
        if ct.is_file()
        else np.full(suv.shape, -1000, np.float32)
    )
    own = np.zeros(suv.shape, bool)
    for name in ("reference_41", "reference_2.5"):
        own |= resample(read_image(case / f"{name}.nii.gz"), grid, nearest=True).array > 0
    ignored = ndimage.distance_transform_edt(~own) * VOXEL_MM <= TUMOUR_MARGIN_MM if own.any() else own
    smooth = ndimage.gaussian_filter(suv, 1.0)
    body = ndimage.binary_erosion(ndimage.binary_closing(smooth > 0.25, iterations=2), iterations=3)
    places = np.argwhere(body & ~ignored & (smooth < AVOIDED_SUV))
    seeds = []
    for _ in range(lesions if len(places) else 0):
        volume = float(np.clip(rng.lognormal(np.log(6), 1.1), 0.8, 250))
        level = float(np.clip(rng.lognormal(np.log(8), 0.5), 3, 25))
        place = places[rng.integers(len(places))]
        seeds.append(Seed((int(place[0]), int(place[1]), int(place[2])), volume, level, False, False))
    labels = np.where(body & ~ignored, np.uint8(T.MUSCLE), np.uint8(T.AIR))
    painted, density = suv.copy(), hu.copy()
    numbers = paint_lesions(painted, density, labels, seeds, rng)
    sigma = FWHM_MM / 2.355 / VOXEL_MM
    added = ndimage.gaussian_filter(np.where(numbers > 0, painted - smooth, 0), sigma)
    grain = np.clip((suv - smooth) / np.maximum(smooth, 0.3), -0.5, 0.5)
    image = np.maximum(suv + added * (1 + grain), 0).astype(np.float32)
    truth = tmtv_probability(image, outlines(numbers, smooth, rng))
    hot = (smooth > ALWAYS_HOT_SUV) & ~ignored & (numbers == 0)
    return Sample(image, density if ct.is_file() else hu, truth, numbers, hot), ignored
