"""A probability map and its PET in files, and the post-processing of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from petct.image import Geometry, Image, write_image
from postprocess.case import Job, run_case
from postprocess.inputs import MapFile

GRID = Geometry((14, 20, 24), (5.0, 3.0, 2.0), (-30.0, 15.0, 200.0))


def pair(seed: int = 0) -> tuple[Image, Image]:
    """Smooth blobs; SUVs in coarse steps, so that many voxels are equal."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=GRID.shape), 1.5) * 8
    suv = np.round(np.clip(smooth * 3 + 4, 0, None) * 4).astype(np.float32) / 4
    return Image((1 / (1 + np.exp(-smooth * 3))).astype(np.float32), GRID), Image(suv, GRID)


def run(folder: Path, probability: Image, suv: Image, suffix: str = ".nii.gz", **more: object) -> dict:
    maps, pet = folder / f"probability{suffix}", folder / f"pet{suffix}"
    write_image(maps, probability)
    write_image(pet, suv)
    return run_case(
        Job(
            case_id="case",
            map_file=MapFile(maps, **{k: more.pop(k) for k in ("is_mask", "mask_labels") if k in more}),
            suv_path=pet,
            folder=folder / "out",
            methods=("raw", "41", "otsu", "vote2"),
            **more,
        )
    )
