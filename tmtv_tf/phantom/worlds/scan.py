"""What scanners do to the activity, from the crisp to the poor; and a CT that is not always what one hopes for."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Field

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


def draw_scanner(rng: np.random.Generator) -> dict[str, float]:
    """Blur, counts and reconstruction of one scanner; lengths in mm."""
    return {
        "fwhm_mm": rng.uniform(4.0, 9.0),
        "fwhm_z_mm": rng.uniform(4.0, 9.0),
        "edge": rng.uniform(0.2, 0.9) if rng.random() < 0.35 else 0.0,  # overshoot of a point-spread model
        "noise": float(
            np.exp(rng.uniform(np.log(0.03), np.log(0.28)))
        ),  # standard deviation / mean in the liver
        "noise_power": rng.uniform(0.5, 1.0),
        "noise_fwhm_mm": rng.uniform(3.0, 9.0),
        "smear_mm": rng.uniform(4, 22) if rng.random() < 0.5 else 0.0,
        "calibration": rng.uniform(0.85, 1.15),
        "slice_mm": rng.choice([0.0, 5.0, 6.5]) if rng.random() < 0.3 else 0.0,
        "end_noise": rng.uniform(0.5, 5.0)
        if rng.random() < 0.5
        else 0.0,  # few counts in the first and last slices
    }


def blurred(suv: Field, scanner: dict[str, float], diaphragm: float | None) -> Field:
    """The noiseless image. `diaphragm`: slice around which breathing smears it, None for nowhere."""
    sigma = [scanner[k] / FWHM_PER_SIGMA / VOXEL_MM for k in ("fwhm_z_mm", "fwhm_mm", "fwhm_mm")]
    sigma = [float(np.sqrt(max(s * s - 0.08, 0.05))) for s in sigma]  # the voxels blur a little already
    out = ndimage.gaussian_filter(suv, sigma, truncate=3)
    if scanner["edge"]:
        out += scanner["edge"] * (out - ndimage.gaussian_filter(out, [1.1 * s for s in sigma], truncate=3))
        np.maximum(out, 0, out=out)
    if scanner["smear_mm"] and diaphragm is not None:
        size = int(round(scanner["smear_mm"] / VOXEL_MM))
        reach = int(110 / VOXEL_MM)
        rows = slice(max(int(diaphragm) - reach, 0), int(diaphragm) + reach)
        if size > 1 and rows.stop > rows.start and len(out[rows]):
            z = np.arange(len(out))[rows]
            weight = np.exp(-(((z - diaphragm) / (45 / VOXEL_MM)) ** 2)).astype(np.float32)[:, None, None]
            out[rows] += weight * (ndimage.uniform_filter1d(out[rows], size, axis=0) - out[rows])
    if scanner["slice_mm"]:
        out = ndimage.uniform_filter1d(out, 2, axis=0)
    return out * np.float32(scanner["calibration"])


def noisy(suv: Field, scanner: dict[str, float], rng: np.random.Generator) -> Field:
    """The image with correlated noise that grows with the activity, never negative."""
    noise = rng.standard_normal(suv.shape, dtype=np.float32)
    sigma = scanner["noise_fwhm_mm"] / FWHM_PER_SIGMA / VOXEL_MM
    noise = ndimage.gaussian_filter(noise, (0.7 * sigma, sigma, sigma), truncate=2.5)
    noise /= max(float(noise[::2, ::2, ::2].std()), 1e-6)
    spread = scanner["noise"] * 2.3 * ((suv + 0.03) / 2.3) ** scanner["noise_power"]
    from_end = np.minimum(np.arange(len(suv)), np.arange(len(suv))[::-1])
    spread *= (1 + scanner["end_noise"] * np.exp(-from_end / 2.0)).astype(np.float32)[:, None, None]
    return np.maximum(suv + spread * noise, 0)


def ct_image(hu: Field, rng: np.random.Generator) -> Field:
    """The CT on the PET's grid: noise, table, shifted or breathed, truncated, with metal, or none at all (-1000)."""
    if rng.random() < 0.06:
        return np.full_like(hu, -1000)
    out = ndimage.gaussian_filter(hu, rng.uniform(0.3, 0.8), truncate=2.5)
    out += rng.uniform(4, 25) * rng.standard_normal(hu.shape, dtype=np.float32)
    body = out > -500
    if rng.random() < 0.8 and body.any():
        back = int(np.flatnonzero(body.any(axis=(0, 2))).max())
        rows = slice(min(back + 1, out.shape[1] - 1), min(back + 4, out.shape[1]))
        out[:, rows, 4:-4] = np.maximum(out[:, rows, 4:-4], rng.uniform(-800, -300))
    if rng.random() < 0.5:
        step = rng.normal(0, (2.0, 0.7, 0.7))
        out = ndimage.shift(out, step, order=1, mode="nearest", prefilter=False)
    if rng.random() < 0.3:
        y, x = (np.arange(n) - n / 2 for n in out.shape[1:])
        outside = y[:, None] ** 2 + x[None] ** 2 > (rng.uniform(190, 250) / VOXEL_MM) ** 2
        out[:, outside] = -1000
    if rng.random() < 0.1:
        out[: int(rng.uniform(0, 0.3) * len(out))] = -1000
    if rng.random() < 0.12 and body.any():
        places = np.argwhere(body[::4, ::4, ::4]) * 4
        z, y, x = places[rng.integers(len(places))]
        out[max(z - 5, 0) : z + 5, max(y - 4, 0) : y + 4, max(x - 4, 0) : x + 4] = 2800
        out[max(z - 5, 0) : z + 5, max(y - 1, 0) : y + 2, :] -= rng.uniform(50, 400)
    return np.clip(out, -1024, 3071)
