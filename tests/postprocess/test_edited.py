"""Each edit of the review page, voxel by voxel, on arrays whose answer can be counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_files import GRID, HOT, METHODS, MISSED, SMALL, WARM, images, world

from postprocess.config import Config
from postprocess.edited import EditedLesions
from postprocess.editing import (
    Edit,
    Erase,
    ExcludeLesion,
    ExcludePart,
    ExcludeRegion,
    IncludeSeed,
    Merge,
    Paint,
    RestoreLesion,
    Split,
    apply_edits,
)
from postprocess.segmentation import Instances, Segmentation


def segmentation(above_ml: float = 10.0) -> Segmentation:
    probability, suv = images()
    return Segmentation(probability, suv, GRID.spacing_mm, Config(split_above_ml=above_ml))


WORK = segmentation()  # the mass of HOT and WARM in two parts
WHOLE = segmentation(1000.0)  # in one


def painted(work: Segmentation, method: str, *edits: Edit) -> np.ndarray:
    return apply_edits(work, GRID, method, edits)[0].paint()


def flat(mask: np.ndarray) -> np.ndarray:
    return np.flatnonzero(mask)


def part_at(work: Segmentation, place: tuple[int, int, int]) -> np.ndarray:
    parts = np.zeros(GRID.shape, np.int32)
    parts.reshape(-1)[work.index] = work.parts
    return parts == parts[place]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("asked", ["41", "4.0"])
def test_a_restored_lesion_is_as_it_was(method: str, asked: str) -> None:
    automatic = painted(WORK, method)
    label = int(painted(WORK, asked)[HOT])
    assert not np.array_equal(painted(WORK, method, ExcludeLesion(asked, label)), automatic)
    back = painted(WORK, method, ExcludeLesion(asked, label), RestoreLesion(asked, label))
    np.testing.assert_array_equal(back, automatic)


@pytest.mark.parametrize("method", METHODS)
def test_a_lesion_comes_back_from_a_region_and_the_eraser_too(method: str) -> None:
    automatic, label = painted(WORK, method), int(painted(WORK, "41")[SMALL])
    box = np.zeros(GRID.shape, bool)
    box[:9, 14:, 40:] = True
    for out in (ExcludeRegion(flat(box)), Erase(flat(box))):
        gone = painted(WORK, method, out)
        np.testing.assert_array_equal(gone, np.where(box, 0, automatic))
        np.testing.assert_array_equal(painted(WORK, method, out, RestoreLesion("41", label)), automatic)


def test_paint_joins_the_lesion_it_touches_and_else_is_a_new_one() -> None:
    beside = np.zeros(GRID.shape, bool)  # from its middle to beyond its edge
    beside[SMALL[0], SMALL[1], SMALL[2] :] = True
    alone = np.zeros(GRID.shape, bool)
    alone[0, 0, :3] = True
    for method in METHODS:
        before = painted(WORK, method)
        after = painted(WORK, method, Paint(flat(beside)), Paint(flat(alone)))
        new = beside & (before == 0)
        np.testing.assert_array_equal(after[new], before[SMALL])
        assert set(after[alone].tolist()) == {before.max() + 1}
        np.testing.assert_array_equal(np.where(new | alone, 0, after), before)


def test_what_was_erased_stays_out_when_thresholds_change() -> None:
    """The eraser takes voxels from one part; a region then lowers that part's SUVmax, and its threshold."""
    erased = np.zeros(GRID.shape, bool)
    erased[HOT[0], HOT[1], HOT[2] - 6 : HOT[2] - 3] = True
    core = np.zeros(GRID.shape, bool)
    core[HOT[0] - 1 : HOT[0] + 2, HOT[1] - 1 : HOT[1] + 2, HOT[2] - 1 : HOT[2] + 2] = True
    after = painted(WORK, "41", Erase(flat(erased)), ExcludeRegion(flat(core)))
    assert not after[erased].any()
    assert not after[core].any()
    assert np.count_nonzero(after) > np.count_nonzero(painted(WORK, "41", Erase(flat(erased)))) - core.sum()


def test_a_split_mass_has_a_threshold_for_each_of_its_lesions() -> None:
    """Truth: the map that section 2.5 split in two: the reader cuts the whole mass in the same way."""
    left = part_at(WORK, HOT)
    mass = part_at(WHOLE, HOT)
    group = np.where(left[mass], 1, 2).astype(np.int32)
    for method in METHODS:
        before, after = painted(WHOLE, method), painted(WHOLE, method, Split(flat(mass), group))
        expected = painted(WORK, method)
        np.testing.assert_array_equal(after > 0, expected > 0)
        assert after[HOT] == before[HOT]
        # Under 4.0 they are two lesions already: each keeps its number.
        assert after[WARM] == (before[WARM] if before[WARM] != before[HOT] else before.max() + 1)
        if method == "41":
            assert np.count_nonzero(after) != np.count_nonzero(before)
        np.testing.assert_array_equal(after[SMALL], before[SMALL])


def test_merged_parts_of_one_mass_are_one_again() -> None:
    """Truth: the map whose mass was never split."""
    both = part_at(WORK, HOT) | part_at(WORK, WARM)
    for method in METHODS:
        before, after = painted(WORK, method), painted(WORK, method, Merge(flat(both)))
        expected = painted(WHOLE, method)
        np.testing.assert_array_equal(after > 0, expected > 0)
        assert after[HOT] == min(before[HOT], before[WARM])
        assert set(np.unique(after[both & (after > 0)]).tolist()) == {after[HOT]}


def test_merged_lesions_apart_keep_their_voxels() -> None:
    labels = painted(WORK, "41")
    chosen = part_at(WORK, HOT) | part_at(WORK, SMALL)
    after = painted(WORK, "41", Merge(flat(chosen)))
    np.testing.assert_array_equal(after > 0, labels > 0)
    assert after[HOT] == after[SMALL] == min(labels[HOT], labels[SMALL])
    assert after[WARM] == labels[WARM]


def test_a_lesion_that_a_reader_made_is_excluded_under_every_method() -> None:
    """Under 2.5 the added region is larger than under 41, where it is chosen: all of it goes."""
    seed = IncludeSeed(tuple(world(MISSED)))
    state = EditedLesions.of(WORK, "41").after(seed, GRID)[0]
    voxels = state.voxels_of(int(state.label.max()))
    for method in METHODS:
        np.testing.assert_array_equal(
            painted(WORK, method, seed, ExcludePart(voxels, (0,))), painted(WORK, method)
        )
    assert painted(WORK, "2.5", seed, ExcludePart(voxels))[MISSED] == 0
    assert painted(WORK, "2.5", seed, ExcludePart(voxels)).max() > painted(WORK, "2.5").max()


def test_regions_told_apart_are_split_and_merged_too() -> None:
    """Each label of a mask is one lesion; the numbers of the others stay."""
    probability, suv = images()
    labels = np.zeros(GRID.shape, np.int32)
    labels[(probability > 0) & part_at(WHOLE, HOT)] = 4
    labels[(probability > 0) & part_at(WHOLE, SMALL)] = 7
    work = Segmentation(labels > 0, suv, GRID.spacing_mm, instances=Instances.of_labels(labels))
    mass = labels == 4
    group = np.where(part_at(WORK, HOT)[mass], 1, 2).astype(np.int32)
    cut = painted(work, "41", Split(flat(mass), group))
    assert (cut[HOT], cut[WARM], cut[SMALL]) == (4, 8, 7)
    np.testing.assert_array_equal(cut > 0, painted(WORK, "41") > 0)
    joined = painted(work, "41", Split(flat(mass), group), Merge(flat(mass)))
    np.testing.assert_array_equal(joined, painted(work, "41"))


# Any edits in any order


def boxes() -> st.SearchStrategy[np.ndarray]:
    def make(z: int, y: int, x: int, size: int) -> np.ndarray:
        mask = np.zeros(GRID.shape, bool)
        mask[z : z + size, y : y + size, x : x + 2 * size] = True
        return flat(mask)

    return st.builds(make, st.integers(0, 18), st.integers(0, 22), st.integers(0, 56), st.integers(1, 6))


def grouped(index: np.ndarray) -> Split:
    return Split(index, (np.arange(index.size) % 3 + 1).astype(np.int32))


def edits() -> st.SearchStrategy[Edit]:
    labels = st.tuples(st.sampled_from(["raw", "41"]), st.integers(1, 2))
    points = st.sampled_from([HOT, WARM, SMALL, MISSED, (0, 0, 0)])
    regions: list[Callable[[np.ndarray], Edit]] = [ExcludeRegion, ExcludePart, Merge, Paint, Erase, grouped]
    return st.one_of(
        st.builds(lambda of: ExcludeLesion(*of), labels),
        st.builds(lambda of: RestoreLesion(*of), labels),
        st.builds(lambda at, mm: IncludeSeed(tuple(world(at)), mm), points, st.sampled_from([5.0, 30.0])),
        *(st.builds(make, boxes()) for make in regions),
    )


@given(st.lists(edits(), max_size=6), st.sampled_from(METHODS))
@settings(max_examples=150, deadline=None)
def test_any_edits_keep_what_must_hold(steps: list[Edit], method: str) -> None:
    """States are values (undo is the state before, bit for bit); numbers only grow; nothing outside is written.

    And `touched` names every lesion whose voxels an edit changed, so that only those are measured again.
    """
    state = EditedLesions.of(WORK, method)
    seen = [state.lesions().paint()]
    states = [state]
    for edit in steps:
        state, _ = state.after(edit, GRID)
        before, after = seen[-1], state.lesions().paint()
        changed = np.unique(np.concatenate([before[before != after], after[before != after]]))
        assert set(changed[changed > 0].tolist()) <= state.touched
        assert (np.diff(state.index) > 0).all()
        assert state.label.min(initial=1) > 0
        assert state.label.max(initial=0) < state.free
        assert state.index.size == state.label.size == state.source.size
        seen.append(after)
        states.append(state)
    for kept, picture in zip(states, seen):
        np.testing.assert_array_equal(kept.lesions().paint(), picture)
    np.testing.assert_array_equal(painted(WORK, method, *steps), seen[-1])
