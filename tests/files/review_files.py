"""Two small cases with results, as a reader finds them: hot spots that touch, one alone, one that the map missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from petct.image import Geometry, Image, write_image
from postprocess.case import Job, run_case
from postprocess.config import Config
from postprocess.inputs import MapFile
from tmtv_tf.review.cases import Review
from tmtv_tf.review.worklist import Folders

# Unequal spacing on each axis, an origin that is not 0: a swapped axis or a lost origin moves every point.
GRID = Geometry((20, 24, 60), (4.0, 3.0, 2.0), (-50.0, -36.0, 100.0))
HOT, WARM, SMALL, MISSED = (10, 8, 12), (10, 8, 27), (4, 20, 50), (16, 20, 50)
METHODS = ("raw", "41", "2.5", "4.0", "vote2")


def world(place: tuple[int, int, int]) -> list[float]:
    """LPS centre of a voxel (z, y, x)."""
    return GRID.to_world(place)[0].tolist()


def images() -> tuple[np.ndarray, np.ndarray]:
    """Map and SUV."""
    suv = np.full(GRID.shape, 0.5, np.float32)
    z, y, x = (np.arange(n) * s for n, s in zip(GRID.shape, GRID.spacing_mm))
    for (cz, cy, cx), top in ((HOT, 10), (WARM, 8), (SMALL, 6), (MISSED, 12)):
        r2 = (z[:, None, None] - z[cz]) ** 2 + (y[:, None] - y[cy]) ** 2 + (x - x[cx]) ** 2
        suv += (top * np.exp(-r2 / 130)).astype(np.float32)
    suv += np.random.default_rng(3).uniform(0, 0.05, GRID.shape).astype(np.float32)
    probability = np.where(suv > 2, np.float32(0.9), 0)
    probability[12:, 14:, 36:] = 0
    return probability, suv


def job_of(
    root: Path, case_id: str = "p", out: Path | None = None, *, above_ml: float = 10.0, **more: object
) -> Job:
    """The post-processing of one case below `root`; its files are written if they are not there."""
    folder = root / "cases" / case_id
    if not folder.is_dir():
        probability, suv = images()
        write_image(folder / "probability.nii.gz", Image(probability, GRID))
        write_image(folder / "pet.nii.gz", Image(suv, GRID))
    return Job(
        case_id=case_id,
        map_file=MapFile(folder / "probability.nii.gz"),
        suv_path=folder / "pet.nii.gz",
        folder=(out or root / "results") / case_id,
        methods=METHODS,
        config=Config(split_above_ml=above_ml),
        **more,  # type: ignore[arg-type]
    )


def review_of(root: Path, *case_ids: str, reader: str = "anna", above_ml: float = 10.0) -> Review:
    """A review of fresh results of some cases (`p` by default)."""
    for case_id in case_ids or ("p",):
        run_case(job_of(root, case_id, above_ml=above_ml))
    return Review(Folders(root / "results", root / "cases"), reader)


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
