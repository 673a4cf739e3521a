"""A cohort of small made-up cases on disk, and results made from it by the real post-processing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from petct.console import run_app
from petct.files import write_json
from petct.image import Geometry, Image, write_image
from postprocess.cli import app
from tmtv_tf.cases.cohort import write_cohort

SHAPE, SPACING_MM = (44, 26, 30), (12.0, 9.0, 10.0)
GEOMETRY = Geometry(SHAPE, SPACING_MM, origin_mm=(-150.0, -120.0, 40.0))
METHODS = ("raw", "41", "2.5", "4.0")


def ball(centre_zyx: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """Voxels within <= radius_mm of a point given in voxels."""
    grid = np.indices(SHAPE).reshape(3, -1).T
    distance = np.linalg.norm((grid - centre_zyx) * SPACING_MM, axis=1)
    return (distance <= radius_mm).reshape(SHAPE)


def make_case(folder: Path, seed: int) -> np.ndarray:
    """Body, brain and bladder, two to four lesions; the reference as `tmtv prepare` writes it. Returns TMTVprob."""
    rng = np.random.default_rng(seed)
    suv = np.full(SHAPE, 0.02)
    body = ball((20, 12, 15), 100) | np.pad(np.ones((42, 18, 22), bool), ((1, 1), (4, 4), (4, 4)))
    suv[body] = 0.9
    suv[ball((40, 12, 15), 50)] = 9.0
    suv[ball((3, 12, 15), 35)] = 12.0
    rois = []
    for _ in range(int(rng.integers(2, 5))):
        centre = rng.uniform((10, 6, 6), (34, 19, 23))
        radius = rng.uniform(20, 45)
        suv[ball(tuple(centre), radius)] = rng.uniform(4, 14)
        rois.append(ball(tuple(centre), radius + 15))
    suv = ndimage.gaussian_filter(suv, 0.5) * rng.normal(1, 0.05, SHAPE)
    masks = {
        "41": np.any([roi & (suv >= 0.41 * suv[roi].max()) for roi in rois], axis=0),
        "2.5": np.any(rois, axis=0) & (suv > 2.5),
        "4.0": np.any(rois, axis=0) & (suv > 4.0),
        "otsu": np.any(rois, axis=0) & (suv > 3.2),
    }
    tmtvprob = np.mean(list(masks.values()), axis=0).astype(np.float32)
    write_image(folder / "pet.nii.gz", Image(suv.astype(np.float32), GEOMETRY))
    write_image(folder / "tmtvprob.nii.gz", Image(tmtvprob, GEOMETRY))
    for method, mask in masks.items():
        write_image(folder / f"reference_{method}.nii.gz", Image(mask, GEOMETRY))
    (folder / "rois.csv").write_text("name\n" + "".join(f"roi {i}\n" for i in range(len(rois))))
    write_json(folder / "case.json", {"case_id": folder.name})
    return tmtvprob


def write_probability(root: Path, case_id: str, probability: np.ndarray) -> None:
    write_image(
        root / "probability" / case_id / "probability.nii.gz", Image(probability.astype(np.float32), GEOMETRY)
    )


def post_process(root: Path, *more: str) -> None:
    """`root/results/<id>` from `root/probability/<id>`, by `tmtv-postprocess`; finished cases stay."""
    arguments = [
        "--probability",
        root / "probability",
        "--suv",
        root / "cases",
        "--out",
        root / "results",
        *more,
    ]
    for method in METHODS:
        arguments += ["--method", method]
    with pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    if left.value.code:
        raise RuntimeError(f"tmtv-postprocess ended with {left.value.code}")


def make_cohort(root: Path) -> Path:
    """Six training and five test cases under `root/cases`; results of the test cases, one with a false positive,
    one with a missed lesion, one perfect."""
    rows = []
    for i in range(11):
        case_id = f"case{i:02d}"
        tmtvprob = make_case(root / "cases" / case_id, seed=i)
        split = "train" if i < 6 else "test"
        rows.append({"case_id": case_id, "subtype": ("HL", "FL", "DLBCL")[i % 3], "split": split})
        if split == "train":
            continue
        probability = ndimage.gaussian_filter(tmtvprob, 0.4)
        if i == 6:
            probability[ball((3, 12, 15), 30)] = 0.9  # the bladder
        if i == 7:
            first = ndimage.label(tmtvprob > 0.5)[0] == 1
            probability[first] = 0.1
        write_probability(root, case_id, tmtvprob if i == 8 else probability)
    post_process(root)
    write_cohort(root / "cases", rows)
    return root
