"""Readers' ROIs stay one lesion each: the numbers of `tmtv prepare`'s rois.csv, by the post-processing."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ImageError
from petct.image import Geometry
from petct.rois import Roi
from postprocess import Config, lesion_table, segment
from postprocess.editing import ExcludeLesion, apply_edits
from postprocess.segmentation import Instances, Segmentation
from tmtv_tf.cases.truth import METHODS, make_truth

SHAPE, SPACING_MM = (24, 30, 40), (4.0, 3.0, 2.0)
VOXEL_ML = 0.024


def suv() -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    return np.clip(gaussian_filter(rng.normal(size=SHAPE), 1.5) * 40 + 4, 0, None).astype(np.float32)


def boxes() -> list[np.ndarray]:
    """A large one that the watershed would split, one that touches it, one in two pieces."""
    masks = [np.zeros(SHAPE, bool) for _ in range(3)]
    masks[0][2:12, 2:20, 2:20] = True  # 78 mL
    masks[1][2:12, 2:20, 20:24] = True
    masks[2][16:20, 3:8, 3:9] = masks[2][16:20, 20:28, 30:38] = True
    return masks


def paint(masks: list[np.ndarray]) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    return labels


@pytest.mark.parametrize("method", METHODS)
def test_each_region_is_one_lesion_with_the_numbers_of_rois_csv(method: str) -> None:
    image, masks = suv(), boxes()
    truth = make_truth(image, [Roi.from_mask("", mask) for mask in masks], VOXEL_ML)
    found = segment(paint(masks) > 0, image, SPACING_MM, method, instances=paint(masks))
    np.testing.assert_array_equal(found > 0, truth.mask(method))
    table = {row.label: row.volume_ml for row in lesion_table(found, image, SPACING_MM)}
    assert table == pytest.approx({row["roi"]: row[f"volume_{method}_ml"] for row in truth.rows})
    if method == "41":  # as published, the mask of all of them is split anew: another number
        published = segment(paint(masks) > 0, image, SPACING_MM, "41")
        assert np.count_nonzero(published) != np.count_nonzero(found)


@pytest.mark.parametrize("method", METHODS)
def test_overlapping_regions_give_the_union(method: str) -> None:
    image, masks = suv(), boxes()
    masks[1][5:10, 5:15, 10:24] = True  # lies half in the first
    truth = make_truth(image, [Roi.from_mask("", mask) for mask in masks], VOXEL_ML)
    index = np.concatenate([np.flatnonzero(mask) for mask in masks])
    label = np.repeat(np.arange(1, 4, dtype=np.int32), [mask.sum() for mask in masks])
    work = Segmentation(np.any(masks, axis=0), image, SPACING_MM, instances=Instances(index, label))
    found = work.lesions(method)
    np.testing.assert_array_equal(found.paint() > 0, truth.mask(method))
    own = found.paint()  # a voxel of two counts for the lower label that keeps it
    keep = METHODS[method]
    for number, mask in enumerate(masks, start=1):
        kept = np.zeros(SHAPE, bool)
        kept[mask] = keep(image[mask])
        assert (own[kept] <= number).all()


@pytest.mark.parametrize("method", ["raw", "parts", "41", "50p", "otsu", "2.5", "vote2", "4.0-benchmark"])
def test_labels_keep_their_numbers_under_every_method(method: str) -> None:
    """Gaps stay, touching regions are not joined, one in two pieces is one lesion; none is renumbered by volume."""
    image, masks = suv(), boxes()
    labels = paint(masks)
    labels[labels == 2] = 40
    labels[labels == 1] = 65535
    found = segment(labels > 0, image, SPACING_MM, method, Config(min_volume_ml=0.1), instances=labels)
    inside = found > 0
    assert inside.any()
    np.testing.assert_array_equal(found[inside], labels[inside])
    cold = segment(labels > 0, image * 0 + 1, SPACING_MM, "2.5", instances=labels)
    assert not cold.any()


def test_an_excluded_region_takes_its_own_voxels_only() -> None:
    image, masks = suv(), boxes()
    labels = paint(masks)
    work = Segmentation(labels > 0, image, SPACING_MM, instances=Instances.of_labels(labels))
    left, _ = apply_edits(work, Geometry(SHAPE, SPACING_MM), "41", [ExcludeLesion("2.5", 2)])
    np.testing.assert_array_equal(left.paint(), np.where(labels == 2, 0, work.lesions("41").paint()))
    assert set(np.unique(left.paint())) == {0, 1, 3}


def test_empty_and_wrong_instances() -> None:
    image = suv()
    none = np.zeros(SHAPE, np.int32)
    assert not segment(np.ones(SHAPE, bool), image, SPACING_MM, instances=none).any()
    with pytest.raises(ImageError, match="one shape"):
        segment(image > 1, image, SPACING_MM, instances=none[1:])
