"""What the scanner does to the activity: blur, noise, sampling. And the CT beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from petct.image import Geometry, Image, resample
from tmtv_tf.phantom.canvas import Array, Canvas

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
NOISE_FWHM_MM = 6.0  # correlation length of the reconstructed noise
NOISE_POWER, LIVER_SUV = 0.75, 2.3
NOISE_FLOOR_SUV = 0.02  # scatter and randoms leave some noise even in air


def scan_pet(
    canvas: Canvas, geometry: Geometry, fwhm_mm: float, liver_noise: float, rng: np.random.Generator
) -> Array:
    """SUV (Z, Y, X) on the scanner's grid: blurred to `fwhm_mm` in all, with noise, never negative.

    The blur already in the chain is taken off first: averaging over a canvas voxel h (h^2/12) and linear
    interpolation (h^2/6). The noise's standard deviation grows with the activity to the power NOISE_POWER: between
    counting (1/2) and unfiltered EM reconstruction (1; Barrett, Wilson & Tsui 1994, Phys Med Biol 39:833).
    `liver_noise` is its share of the mean at LIVER_SUV.
    """
    h = canvas.voxel_mm
    sigma_mm = np.sqrt(max((fwhm_mm / FWHM_PER_SIGMA) ** 2 - h**2 / 12 - h**2 / 6, 0.0))
    blurred = ndimage.gaussian_filter(canvas.suv, sigma_mm / h, truncate=3)
    suv = resample(Image(blurred, canvas.geometry), geometry).array
    spread = liver_noise * LIVER_SUV * ((suv + NOISE_FLOOR_SUV) / LIVER_SUV) ** NOISE_POWER
    return np.maximum(suv + spread * correlated_noise(geometry, NOISE_FWHM_MM, rng), 0).astype(np.float32)


def correlated_noise(geometry: Geometry, fwhm_mm: float, rng: np.random.Generator) -> Array:
    """White noise blurred to `fwhm_mm`, brought back to unit variance."""
    sigma = [fwhm_mm / FWHM_PER_SIGMA / s for s in geometry.spacing_mm]
    noise = ndimage.gaussian_filter(rng.standard_normal(geometry.shape, dtype=np.float32), sigma, truncate=3)
    return noise / noise.std()


def scan_ct(
    canvas: Canvas, geometry: Geometry, back_mm: float, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """HU (Z, Y, X) on the CT grid, with noise and the table under the patient (`back_mm`: LPS y of the back)."""
    hu = resample(canvas_image(canvas, canvas.hu), geometry, fill=-1000).array
    x = geometry.origin_mm[0] + geometry.spacing_mm[2] * np.arange(geometry.shape[2])
    y = geometry.origin_mm[1] + geometry.spacing_mm[1] * np.arange(geometry.shape[1])
    sag = y[:, None] - (back_mm + 6) + (x[None, :] / 210) ** 2 * 30
    table = (np.abs(sag - 6) < 8) & (np.abs(x[None, :]) < 210)
    hu = np.where(table[None] & (hu < -500), -650, hu)
    hu = hu + rng.standard_normal(hu.shape, dtype=np.float32) * 14
    return np.clip(np.round(hu), -1024, 3071).astype(np.int16)


def canvas_image(canvas: Canvas, array: Array) -> Image:
    """An array on the canvas as an image."""
    return Image(array, canvas.geometry)
