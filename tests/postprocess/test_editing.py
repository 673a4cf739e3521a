"""Edits of the command line on arrays whose answer can be counted: which voxels, which numbers."""

from __future__ import annotations

import numpy as np
import pytest
from edit_files import GRID, HOT, MISSED, SMALL, images, world

from postprocess.config import Config
from postprocess.editing import ExcludeLesion, ExcludeRegion, IncludeSeed, apply_edits
from postprocess.segmentation import Segmentation

METHODS = ("raw", "41", "2.5", "4.0", "otsu", "50p", "vote2")


@pytest.fixture
def work() -> Segmentation:
    probability, suv = images()
    return Segmentation(probability, suv, GRID.spacing_mm, Config(split_above_ml=10.0))


@pytest.mark.parametrize("method", METHODS)
def test_no_edits_give_the_automatic_result(work: Segmentation, method: str) -> None:
    found, warnings = apply_edits(work, GRID, method, [])
    np.testing.assert_array_equal(found.paint(), work.lesions(method).paint())
    assert warnings == []


def test_excluding_a_part_takes_it_out_of_every_method(work: Segmentation) -> None:
    hot = int(work.lesions("41").paint()[HOT])
    part = np.zeros(GRID.shape, np.int32)
    part.reshape(-1)[work.index] = work.parts
    here = part == part[HOT]
    for method in METHODS:
        automatic = work.lesions(method).paint()
        edited = apply_edits(work, GRID, method, [ExcludeLesion("41", hot)])[0].paint()
        np.testing.assert_array_equal(edited, np.where(here, 0, automatic))


def test_excluding_a_component_takes_out_its_voxels_only(work: Segmentation) -> None:
    small = int(work.lesions("4.0").paint()[SMALL])
    voxels = work.lesions("4.0").paint() == small
    for method in METHODS:
        automatic = work.lesions(method).paint()
        edited = apply_edits(work, GRID, method, [ExcludeLesion("4.0", small)])[0].paint()
        np.testing.assert_array_equal(edited, np.where(voxels, 0, automatic))


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_do_not_see_an_excluded_region(method: str) -> None:
    """A bladder of SUV 40 in one component with a node of SUV 8: 41 % of 40 hides the node.

    Truth: the same image whose map never held the bladder's voxels. The component is too small to be split.
    """
    suv = np.full(GRID.shape, 0.5, np.float32)
    suv[8:12, 8:14, 20:26], suv[9:11, 10:12, 26:30] = 40, 8
    suv[9, 10, 29] = 2.0  # below every threshold but raw's
    probability = np.where(suv > 1, 0.9, 0).astype(np.float32)
    region = suv == 40
    config = Config(split_above_ml=1000.0)
    together = Segmentation(probability, suv, GRID.spacing_mm, config)
    alone = Segmentation(np.where(region, 0, probability), suv, GRID.spacing_mm, config)
    edited, _ = apply_edits(together, GRID, method, [ExcludeRegion(np.flatnonzero(region))])
    expected = alone.lesions(method).paint()
    assert (
        expected.any() or method == "50p"
    )  # by its definition, SUVpeak near a bladder holds voxels of the bladder
    np.testing.assert_array_equal(edited.paint() > 0, expected > 0)
    if method == "41":
        assert together.lesions(method).paint()[9, 10, 27] == 0
        assert edited.paint()[9, 10, 27] == 1  # the number of its part


def test_a_region_that_touches_no_lesion_changes_nothing(work: Segmentation) -> None:
    for voxels in (np.empty(0, np.int64), np.flatnonzero(work.suv < 1)):
        found, _ = apply_edits(work, GRID, "vote2", [ExcludeRegion(voxels)])
        np.testing.assert_array_equal(found.paint(), work.lesions("vote2").paint())


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_adds_the_missed_lesion_with_the_next_number(work: Segmentation, method: str) -> None:
    automatic = work.lesions(method).paint()
    edited = apply_edits(work, GRID, method, [IncludeSeed(world(MISSED))])[0].paint()
    free = automatic.max() + 1
    assert edited[MISSED] == free
    np.testing.assert_array_equal(np.where(edited == free, 0, edited), automatic)
    if method in ("raw", "41"):  # raw has no threshold: that of 41
        over = work.suv >= np.float32(0.41 * float(work.suv[MISSED]))
        over[:, :, :36] = False
        over[:9] = False
        np.testing.assert_array_equal(edited == free, over)


def test_numbers_do_not_depend_on_the_edits_that_follow(work: Segmentation) -> None:
    """Every beginning of a list of edits gives numbers that the longer list keeps."""
    bladder = np.zeros(GRID.shape, bool)
    bladder[:, :, :14] = True
    edits = [
        IncludeSeed(world(MISSED)),
        ExcludeLesion("41", 1),
        ExcludeRegion(np.flatnonzero(bladder)),
        IncludeSeed(world(HOT), 8.0),
        ExcludeLesion("2.5", 2),
        IncludeSeed(world(SMALL), 20.0),
    ]
    for method in METHODS:
        before = apply_edits(work, GRID, method, [])[0].paint()
        for n in range(1, len(edits) + 1):
            after = apply_edits(work, GRID, method, edits[:n])[0].paint()
            both = (before > 0) & (after > 0)
            np.testing.assert_array_equal(after[both], before[both])
            before = after


def test_a_seed_in_a_lesion_joins_it_or_says_that_it_adds_nothing(work: Segmentation) -> None:
    automatic = work.lesions("4.0").paint()
    same, warnings = apply_edits(work, GRID, "4.0", [IncludeSeed(world(HOT))])
    np.testing.assert_array_equal(same.paint(), automatic)
    assert ["lesion already: nothing added" in text for text in warnings] == [True]
    _, warnings = apply_edits(work, GRID, "4.0", [IncludeSeed(world((1, 1, 1)))])
    assert any("nothing added" in text for text in warnings)
    _, cut = apply_edits(work, GRID, "2.5", [IncludeSeed(world(MISSED), 6.0)])
    assert any("cut at 6 mm" in text for text in cut)
    assert [text[:4] for text in (*warnings, *cut)] == ["the "] * 2  # whoever shows them names the method


def test_a_lesion_below_the_smallest_volume_is_left_out_and_said(work: Segmentation) -> None:
    """4.0-benchmark keeps 3 mL and more: a point whose region is cut at 6 mm (0.9 mL) adds nothing."""
    found, warnings = apply_edits(work, GRID, "4.0-benchmark", [IncludeSeed(world(MISSED), 6.0)])
    np.testing.assert_array_equal(found.paint(), work.lesions("4.0-benchmark").paint())
    assert any("smaller than the method allows" in text for text in warnings)


def test_a_growth_limit_of_kilometres_is_no_more_work(work: Segmentation) -> None:
    far, _ = apply_edits(work, GRID, "41", [IncludeSeed(world(MISSED), 1e5)])
    near, _ = apply_edits(work, GRID, "41", [IncludeSeed(world(MISSED), 60.0)])
    np.testing.assert_array_equal(far.paint(), near.paint())
