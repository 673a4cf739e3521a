"""Lesion metrics against a literal rewriting (connected-components-3d, one component at a time) and spheres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

from tmtv_tf.evaluation.lesions import autopet_metrics, lesion_detection, surface_metrics


def random_masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0, 0.25, 2)
    return tuple(rng.random((9, 8, 7)) < s for s in share)  # type: ignore[return-value]


def literal_untouched(mask: np.ndarray, other: np.ndarray) -> int:
    """The challenges' own definition: every component by itself, 18 neighbours, not one voxel shared."""
    import cc3d

    labels = cc3d.connected_components(mask.astype(np.uint8), connectivity=18)
    total = 0
    for number in range(1, int(labels.max()) + 1):
        component = labels == number
        if not (component & other).any():
            total += int(component.sum())
    return total


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_autopet_equals_a_literal_rewriting(seed: int) -> None:
    prediction, truth = random_masks(seed)
    found = autopet_metrics(prediction, truth, 0.5)
    assert found["autopet_fpv_ml"] == 0.5 * literal_untouched(prediction, truth)
    assert found["autopet_fnv_ml"] == 0.5 * literal_untouched(truth, prediction)
    total = prediction.sum() + truth.sum()
    expected = 2 * (prediction & truth).sum() / total if total else float("nan")
    assert found["autopet_dice"] == pytest.approx(expected, nan_ok=True)


def test_each_challenge_s_rule_for_an_empty_truth() -> None:
    nothing, something = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    something[1, 1, 1] = True
    found = autopet_metrics(something, nothing, 2.0)
    assert (found["autopet_dice"], found["autopet_fpv_ml"], found["autopet_fnv_ml"]) == (0, 2, 0)
    assert np.isnan([found["autopet3_dice"], found["autopet3_fnv_ml"]]).all()
    found = autopet_metrics(nothing, nothing, 2.0)
    assert np.isnan(found["autopet_dice"])
    assert (found["autopet_fpv_ml"], found["autopet_fnv_ml"]) == (0, 0)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_lesion_f1_equals_pairs_compared_one_by_one(seed: int) -> None:
    prediction, truth = random_masks(seed)
    structure = np.ones((3, 3, 3), bool)
    structure[::2, ::2, ::2] = False  # no corners: 18 neighbours
    ours = _components(prediction, structure)
    theirs = _components(truth, structure)
    suv = np.random.default_rng(seed).random(truth.shape)
    found = lesion_detection(prediction, truth, suv)
    for limit in (0.0, 0.5):
        hit = [[(a & b).sum() / (a | b).sum() > limit for b in theirs] for a in ours]
        precision = np.mean([any(row) for row in hit]) if ours else np.nan
        recall = np.mean([any(row[j] for row in hit) for j in range(len(theirs))]) if theirs else np.nan
        assert found[f"lesion_precision_iou_{limit:g}"] == pytest.approx(precision, nan_ok=True)
        assert found[f"lesion_recall_iou_{limit:g}"] == pytest.approx(recall, nan_ok=True)
    by_maximum = sum(prediction[np.unravel_index(np.where(b, suv, -1).argmax(), b.shape)] for b in theirs)
    assert found["lesions_found_by_suvmax"] == by_maximum


def _components(mask: np.ndarray, structure: np.ndarray) -> list[np.ndarray]:
    labels, count = ndimage.label(mask, structure)
    return [labels == k for k in range(1, count + 1)]


def sphere(radius_mm: float, centre_mm: tuple[float, float, float], spacing_mm: tuple) -> np.ndarray:
    z, y, x = np.ix_(*(np.arange(n) * s for n, s in zip((30, 45, 60), spacing_mm)))
    return (z - centre_mm[0]) ** 2 + (y - centre_mm[1]) ** 2 + (x - centre_mm[2]) ** 2 <= radius_mm**2


def test_surfaces_of_concentric_spheres_lie_their_radii_apart() -> None:
    spacing_mm = (3.0, 2.0, 1.5)
    centre = (45.0, 45.0, 45.0)
    small, large = sphere(20, centre, spacing_mm), sphere(30, centre, spacing_mm)
    found = surface_metrics(large, small, spacing_mm)
    assert found["hd95_mm"] == pytest.approx(10, abs=1.5)
    assert found["surface_dice"] == 0
    assert surface_metrics(large, small, spacing_mm, tolerance_mm=14)["surface_dice"] == 1
    assert surface_metrics(large, large, spacing_mm) == {"hd95_mm": 0.0, "surface_dice": 1.0}


def test_a_shift_along_each_axis_by_its_own_spacing() -> None:
    """An axis mix-up would fail: the cube moves by two voxels along one axis, the distance is two spacings."""
    cube = np.zeros((30, 30, 30), bool)
    cube[8:20, 8:20, 8:20] = True
    spacing_mm = (3.0, 2.0, 1.0)
    for axis, step_mm in enumerate(spacing_mm):
        moved = np.roll(cube, 2, axis)
        found = surface_metrics(moved, cube, spacing_mm)["hd95_mm"]
        edge = [np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing_mm for m in (cube, moved)]
        far = max(cKDTree(b).query(a)[0].max() for a, b in (edge, edge[::-1]))
        assert found == pytest.approx(2 * step_mm) == far


def test_empty_masks() -> None:
    empty, full = np.zeros((5, 5, 5), bool), np.ones((5, 5, 5), bool)
    assert np.isnan(list(surface_metrics(empty, empty, (1, 1, 1)).values())).all()
    assert surface_metrics(full, empty, (1, 1, 1))["surface_dice"] == 0
    found = lesion_detection(empty, full, np.ones((5, 5, 5)))
    assert found["lesion_recall_iou_0"] == 0
    assert np.isnan(found["lesion_precision_iou_0"])
    assert lesion_detection(full, empty, np.ones((5, 5, 5)))["lesion_precision_iou_0"] == 0
