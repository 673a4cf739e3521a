"""The readers' ROIs as images, and ROIs that cannot be lesions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from petct.errors import RoiError
from petct.image import Geometry, Image, read_image, write_image
from petct.rois import RoiTarget
from tmtv_tf.cases.prepare import Settings
from tmtv_tf.cases.reference import broken_rules, write_reference

SHAPE = (6, 7, 8)
GEOMETRY = Geometry(SHAPE, (3.0, 2.0, 2.5))  # 0.015 mL


def masks(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    stack = np.zeros((len(boxes), *SHAPE), np.uint8)
    for mask, box in zip(stack, boxes):
        mask[box] = 1
    return stack


BOXES = (
    np.s_[0:3, 0:3, 0:3],
    np.s_[2:5, 2:5, 2:5],  # shares one voxel with the first
    np.s_[5:6, 6:7, 7:8],
    np.s_[2:3, 2:3, 2:3],  # inside both
)


def written(folder: Path, suv: np.ndarray, settings: Settings | None = None) -> tuple[dict, list[str]]:
    files = []
    for number, mask in enumerate(masks(*BOXES)):
        files.append(folder / f"roi{number}.nii.gz")
        write_image(files[-1], Image(mask, GEOMETRY))
    target = RoiTarget(Image(suv.astype(np.float32), GEOMETRY))
    return write_reference(folder / "case", files, target, settings or Settings(grid=None))


def test_every_roi_comes_back_whole_by_its_row_number(tmp_path: Path) -> None:
    """Truth: the boxes. Three ROIs share one voxel, so three images are needed, and no more."""
    suv = np.random.default_rng(0).uniform(1, 9, SHAPE)
    info, _ = written(tmp_path, suv)
    case = tmp_path / "case"
    assert info["label_images"] == 3
    names = ("rois.nii.gz", "rois_2.nii.gz", "rois_3.nii.gz")
    images = [read_image(case / name) for name in names]
    assert not (case / "rois_4.nii.gz").exists()
    with (case / "rois.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, box in zip(rows, BOXES, strict=True):
        found = [image.array == int(row["roi"]) for image in images]
        found = [mask for mask in found if mask.any()]
        assert len(found) == 1
        assert np.array_equal(found[0], masks(box)[0] != 0)
        assert float(row["suv_max"]) == pytest.approx(suv[found[0]].max(), rel=1e-6)
        assert float(row["volume_ml"]) == pytest.approx(found[0].sum() * 0.015)
    outlines = read_image(case / "reference_outlines.nii.gz")
    assert np.array_equal(outlines.array, masks(*BOXES).any(axis=0))
    assert (images[0].array.dtype, outlines.array.dtype) == (np.uint16, np.uint8)
    assert images[0].geometry.same_grid(GEOMETRY)


def test_readers_who_drew_nothing_have_empty_images(tmp_path: Path) -> None:
    write_image(tmp_path / "roi.nii.gz", Image(np.zeros(SHAPE, np.uint8), GEOMETRY))
    target = RoiTarget(Image(np.ones(SHAPE, np.float32), GEOMETRY))
    info, warnings = write_reference(tmp_path / "c", [tmp_path / "roi.nii.gz"], target, Settings(grid=None))
    assert (info["count"], info["rules"], info["label_images"]) == (0, {}, 1)
    assert not any("roi-" in text for text in warnings)
    for name in ("rois", "reference_outlines", "tmtvprob"):
        assert not read_image(tmp_path / "c" / f"{name}.nii.gz").array.any()


def row(suv_mean: float | None, volume_ml: float) -> dict:
    return {"roi": 1, "suv_mean": suv_mean, "volume_ml": volume_ml}


@pytest.mark.parametrize(
    ("suv_mean", "volume_ml", "rules"),
    [
        (0.29, 1705.0, ["roi-cold"]),
        (0.3, 8488.0, ["roi-cold", "roi-huge"]),
        (2.0, 8488.0, ["roi-huge"]),
        (0.5, 4000.0, []),  # exactly on both limits
        (None, 0.0, []),  # no voxel on the PET
    ],
)
def test_rois_that_cannot_be_lesions(suv_mean: float | None, volume_ml: float, rules: list[str]) -> None:
    assert broken_rules([row(suv_mean, volume_ml)]) == {rule: [1] for rule in rules}


def test_a_cold_roi_is_warned_of_by_name_listed_and_refused_with_strict(tmp_path: Path) -> None:
    suv = np.full(SHAPE, 3.0)
    suv[BOXES[0]] = 0.2  # the second and fourth ROI touch it in one voxel
    info, warnings = written(tmp_path, suv)
    assert info["rules"] == {"roi-cold": [1, 4]}
    (said,) = [text for text in warnings if text.startswith("roi-cold: 2 ROIs have SUVmean below 0.5")]
    assert "rois.csv: 1, 4" in said
    with (tmp_path / "case" / "rois.csv").open(newline="") as file:
        assert [r["rules"] for r in csv.DictReader(file)] == ["roi-cold", "", "", "roi-cold"]
    with pytest.raises(RoiError, match="roi-cold: 2 ROIs .* Refused because of --strict"):
        written(tmp_path, suv, Settings(grid=None, strict=True))
