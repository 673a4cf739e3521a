"""A reader's changes: none is undone in silence, no number changes its meaning, a replay gives the same bytes."""

from __future__ import annotations

import copy
import csv
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petct.errors import ParameterError, TmtvError
from petct.image import Geometry, Image, read_image, write_image
from postprocess.case import Job, run_case
from postprocess.cohort import write_table
from postprocess.config import Config
from postprocess.editing import ExcludeLesion, ExcludeRegion, IncludeSeed, apply_edits
from postprocess.edits import read_log
from postprocess.inputs import MapFile
from postprocess.requests import Request
from postprocess.review import final_folder
from postprocess.segmentation import Segmentation

# Unequal spacing on each axis, an origin that is not 0: a swapped axis or a lost origin moves every point.
GRID = Geometry((20, 24, 60), (4.0, 3.0, 2.0), (-50.0, -36.0, 100.0))
HOT, WARM, SMALL, MISSED = (10, 8, 12), (10, 8, 27), (4, 20, 50), (16, 20, 50)
METHODS = ("raw", "41", "2.5", "4.0", "otsu", "50p", "vote2")


def world(place: tuple[int, int, int]) -> tuple[float, float, float]:
    x, y, z = GRID.to_world(place)[0].tolist()
    return (x, y, z)


def images() -> tuple[np.ndarray, np.ndarray]:
    """Map and SUV: two hot spots that touch (one mass of 2 parts), one alone, and one that the map missed."""
    suv = np.full(GRID.shape, 0.5, np.float32)
    z, y, x = (np.arange(n) * s for n, s in zip(GRID.shape, GRID.spacing_mm))
    for (cz, cy, cx), top in ((HOT, 10), (WARM, 8), (SMALL, 6), (MISSED, 12)):
        r2 = (z[:, None, None] - z[cz]) ** 2 + (y[:, None] - y[cy]) ** 2 + (x - x[cx]) ** 2
        suv += (top * np.exp(-r2 / 130)).astype(np.float32)
    probability = np.where(suv > 2, np.float32(0.9), 0)
    probability[12:, 14:, 36:] = 0
    return probability, suv


@pytest.fixture
def job(tmp_path: Path) -> Job:
    probability, suv = images()
    write_image(tmp_path / "in" / "p" / "probability.nii.gz", Image(probability, GRID))
    write_image(tmp_path / "in" / "p" / "pet.nii.gz", Image(suv, GRID))
    return Job(
        case_id="p",
        map_file=MapFile(tmp_path / "in" / "p" / "probability.nii.gz"),
        suv_path=tmp_path / "in" / "p" / "pet.nii.gz",
        folder=tmp_path / "out" / "p",
        methods=("raw", "41"),
        config=Config(split_above_ml=10.0),
    )


def edit(job: Job, **request: Any) -> dict[str, Any]:
    return run_case(replace(job, request=Request(**request)))


def labels_of(folder: Path, method: str = "41") -> np.ndarray:
    return read_image(folder / f"lesions_{method}.nii.gz").array


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table_of(job: Job) -> dict[str, dict[str, str]]:
    assert write_table(job.folder.parent) == []
    return table(job)


def table(job: Job) -> dict[str, dict[str, str]]:
    with open(job.folder.parent / "tmtv.csv", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


# The log and its two results


def test_edits_stand_beside_the_automatic_result(job: Job) -> None:
    run_case(job)
    before = contents(job.folder)
    edited = edit(job, exclude=(("41", 2),), reader="anna")
    after = contents(job.folder)
    assert {name: after[name] for name in before} == before  # the automatic files stay what they were
    version = job.folder / "review" / "1"
    assert set(contents(version)) == {*before, "review.json"}
    assert final_folder(job.folder) == version
    automatic, final = labels_of(job.folder), labels_of(version)
    np.testing.assert_array_equal(final, np.where(automatic == 2, 0, automatic))  # nobody else is renumbered
    assert set(np.unique(final)) == {0, 1, 3}
    [entry] = json.loads((job.folder / "edits.json").read_text())["edits"]
    place = np.unravel_index(np.where(automatic == 2, read_image(job.suv_path).array, 0).argmax(), GRID.shape)
    assert entry["hottest_mm"] == pytest.approx(world(place), abs=1e-3)
    assert (entry["kind"], entry["method"], entry["label"], entry["by"]) == (
        "exclude_lesion",
        "41",
        2,
        "anna",
    )
    review = json.loads((version / "review.json").read_text())
    assert (review["by"], review["time"], review["signed"]) == ("anna", entry["time"], False)
    assert review["edits"] == [entry]
    ml = review["methods"]["41"]
    assert ml["tmtv_ml"] == edited["methods"]["41"]["tmtv_ml"]
    assert ml["tmtv_final_ml"] == edited["final"]["41"]["tmtv_ml"]
    assert ml["tmtv_ml"] - ml["tmtv_final_ml"] == pytest.approx(ml["removed_ml"])
    with open(version / "lesions_41.csv", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["1", "3"]


def test_a_second_edit_adds_to_the_first_and_means_the_same_number(job: Job) -> None:
    """Before, the second call renumbered the lesions and dropped the first exclusion."""
    automatic = run_case(job)["methods"]["41"]
    edit(job, exclude=(("41", 1),))
    both = edit(job, exclude=(("41", 2),))
    assert both["edits"] == 2
    assert both["final"]["41"]["lesion_count"] == automatic["lesion_count"] - 2 == 1
    assert set(np.unique(labels_of(final_folder(job.folder)))) == {0, 3}
    assert final_folder(job.folder).name == "2"
    assert (job.folder / "review" / "1" / "review.json").is_file()  # what was said before stays


@pytest.mark.parametrize(
    "change",
    [{}, {"methods": ("2.5",)}, {"config": Config(split_above_ml=10.0, min_volume_ml=0.001)}],
    ids=["same command", "another method", "another parameter"],
)
def test_later_runs_keep_the_edits(job: Job, change: dict[str, Any]) -> None:
    run_case(job)
    hot = int(labels_of(job.folder)[HOT])
    first = edit(job, exclude=(("41", hot),), seeds_mm=(world(MISSED),))
    again = run_case(replace(job, **change))
    assert again["edits"] == 2
    assert again["skipped"] == (not change)
    for method in again["final"]:
        if method in first["final"]:
            assert again["final"][method]["tmtv_ml"] == first["final"][method]["tmtv_ml"]
        free = labels_of(job.folder, method).max() + 1
        assert labels_of(final_folder(job.folder), method)[MISSED] == free
        assert labels_of(final_folder(job.folder), method)[HOT] == 0
    write_table(job.folder.parent)
    row = table(job)["p"]
    for method, measures in again["final"].items():
        assert float(row[f"tmtv_final_ml_{method}"]) == pytest.approx(measures["tmtv_ml"], rel=1e-5)
        assert float(row[f"tmtv_ml_{method}"]) == pytest.approx(again["methods"][method]["tmtv_ml"], rel=1e-5)


def test_the_same_edit_twice_is_one(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :8] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    asked = {
        "exclude": (("41", 1), ("41", 1)),
        "seeds_mm": (world(MISSED),),
        "exclude_mask": tmp_path / "bladder.nii.gz",
    }
    edit(job, **asked)
    before = contents(job.folder)
    again = edit(job, **asked)
    assert (again["edits"], again["added"], again["skipped"]) == (3, 0, True)
    assert contents(job.folder) == before


def test_replaying_the_log_gives_the_same_bytes(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :10] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    edit(job, exclude=(("41", 2),), exclude_mask=tmp_path / "bladder.nii.gz", seeds_mm=(world(MISSED),))
    first = contents(job.folder)
    (tmp_path / "bladder.nii.gz").unlink()  # the log keeps the region itself
    other = replace(job, folder=tmp_path / "elsewhere" / "p")
    other.folder.mkdir(parents=True)
    shutil.copy(job.folder / "edits.json", other.folder)
    shutil.copytree(job.folder / "edits", other.folder / "edits")
    run_case(other)
    assert contents(other.folder) == first


def test_clearing_is_said_and_loses_nothing(job: Job) -> None:
    automatic = run_case(job)["methods"]
    edit(job, exclude=(("41", 1),))
    edit(job, exclude=(("41", 2),))
    cleared = edit(job, clear=True)
    assert (cleared["cleared"], cleared["edits"], cleared["final"]) == (2, 0, automatic)
    kinds = [entry["kind"] for entry in json.loads((job.folder / "edits.json").read_text())["edits"]]
    assert kinds == ["exclude_lesion", "exclude_lesion", "clear"]
    assert final_folder(job.folder) == job.folder
    assert sorted(path.name for path in (job.folder / "review").iterdir()) == ["1", "2"]
    again = edit(job, clear=True, exclude=(("41", 3),))
    assert (again["cleared"], again["edits"]) == (0, 1)
    assert set(np.unique(labels_of(final_folder(job.folder)))) == {0, 1, 2}


def test_edits_that_no_result_has_yet_give_no_final_number(job: Job) -> None:
    """As after a kill between the log and the edited result."""
    edit(job, exclude=(("41", 1),))
    shutil.rmtree(job.folder / "review")
    with pytest.raises(TmtvError, match=r"edits that its results do not have yet \(1 in force\)"):
        final_folder(job.folder)
    assert any("no final TMTV" in text for text in write_table(job.folder.parent))
    assert table(job)["p"]["tmtv_final_ml_41"] == ""
    assert float(table(job)["p"]["tmtv_ml_41"]) > 0
    assert not run_case(job)["skipped"]
    assert final_folder(job.folder).name == "1"


def test_a_refused_edit_changes_no_file(job: Job, tmp_path: Path) -> None:
    edit(job, exclude=(("41", 1),))
    before = contents(job.folder)
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    for request, says in (
        ({"exclude": (("41", 99),)}, "there is no such lesion"),
        ({"exclude": (("41", 0),)}, "there is no such lesion"),
        ({"exclude": (("42%", 1),)}, "No method"),
        ({"seeds_mm": ((900.0, 0.0, 0.0),)}, "outside the PET"),
        ({"seeds_mm": ((float("nan"), 0.0, 0.0),)}, "outside the PET"),
        ({"exclude_mask": tmp_path / "bad.nii.gz"}, "not a readable"),
        ({"exclude": (("41", 2), ("41", 77))}, "there is no such lesion"),
    ):
        with pytest.raises(TmtvError, match=says):
            edit(job, **request)
        assert contents(job.folder) == before
    with pytest.raises(ParameterError, match="printable"):
        Request(reader="a\nb")


# When the automatic result changes


def test_another_map_never_takes_an_edit_for_another_lesion(job: Job) -> None:
    """Lesion 3 of the old map is another number of the new one: found by its hottest voxel, and said so."""
    run_case(job)
    assert labels_of(job.folder)[HOT] == 3
    edit(job, exclude=(("41", 3),))
    image = read_image(job.map_file.path)
    image.array[:12, :14, 19:] = 0  # the warm part beside it is gone
    write_image(job.map_file.path, image)
    with pytest.raises(TmtvError, match="--overwrite"):
        run_case(job)
    moved = run_case(replace(job, overwrite=True))
    now = labels_of(job.folder)
    assert now[HOT] != 3
    assert any(f"41:3 was excluded: it is lesion {now[HOT]} now" in text for text in moved["warnings"])
    np.testing.assert_array_equal(labels_of(final_folder(job.folder)), np.where(now == now[HOT], 0, now))


@pytest.mark.parametrize("change", ["merged", "gone", "other PET", "other grid"])
def test_an_edit_that_may_mean_another_lesion_is_refused(job: Job, change: str) -> None:
    run_case(job)
    edit(job, exclude=(("raw", 2) if change == "merged" else ("41", 3),))
    log = (job.folder / "edits.json").read_bytes()
    probability, suv = images()
    geometry = GRID
    if change == "merged":  # the small lesion now is one with all the cold body around it
        probability[:8, 14:, 30:] = 0.9
    elif change == "gone":
        probability[:, :, :20] = 0
    elif change == "other PET":
        suv *= np.float32(1.1)
    else:
        geometry = replace(GRID, origin_mm=(-50.0, -36.0, 400.0))
    write_image(job.map_file.path, Image(probability, geometry))
    write_image(job.suv_path, Image(suv, geometry))
    with pytest.raises(
        TmtvError, match="another PET" if change.startswith("other") else "surely the same"
    ) as told:
        run_case(replace(job, overwrite=True))
    assert "--clear-edits" in str(told.value)
    assert (job.folder / "edits.json").read_bytes() == log
    assert not (job.folder / "tmtv.json").exists()  # no number of the old map, or PET, is left
    assert edit(job, clear=True)["edits"] == 0


def test_the_same_pet_stored_otherwise_is_the_same_pet(job: Job) -> None:
    first = edit(job, exclude=(("41", 1),))
    image = read_image(job.suv_path)
    nii = job.suv_path.with_suffix("")
    write_image(nii, image)
    again = run_case(replace(job, suv_path=nii, overwrite=True))
    assert again["final"] == first["final"]
    assert not again["warnings"]


def test_edits_of_a_version_before_the_log_are_named(job: Job) -> None:
    run_case(job)
    path = job.folder / "tmtv.json"
    old = json.loads(path.read_text())
    old["parameters"] |= {"exclude": ["41:2"], "include_seed_mm": [[1.0, 2.0, 3.0]]}
    path.write_text(json.dumps(old))
    told = " ".join(run_case(job)["warnings"])
    assert "give them again: --exclude 41:2 --include-seed 1.0,2.0,3.0" in told


# Voxels


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
    _, warnings = apply_edits(work, GRID, "2.5", [IncludeSeed(world(MISSED), 6.0)])
    assert any("cut at 6 mm" in text for text in warnings)


def test_a_lesion_below_the_smallest_volume_is_left_out_and_said(work: Segmentation) -> None:
    """4.0-benchmark keeps 3 mL and more: a point whose region is cut at 6 mm (0.9 mL) adds nothing."""
    found, warnings = apply_edits(work, GRID, "4.0-benchmark", [IncludeSeed(world(MISSED), 6.0)])
    np.testing.assert_array_equal(found.paint(), work.lesions("4.0-benchmark").paint())
    assert any("smaller than the method allows" in text for text in warnings)


def test_a_growth_limit_of_kilometres_is_no_more_work(work: Segmentation) -> None:
    far, _ = apply_edits(work, GRID, "41", [IncludeSeed(world(MISSED), 1e5)])
    near, _ = apply_edits(work, GRID, "41", [IncludeSeed(world(MISSED), 60.0)])
    np.testing.assert_array_equal(far.paint(), near.paint())


# edits.json of a stranger

WHO = {"by": "anna", "time": "2026-01-02T03:04:05Z"}
GOOD = {
    "version": 1,
    "edits": [
        {
            "kind": "exclude_lesion",
            "method": "41",
            "label": 3,
            "hottest_mm": [1, 2.5, -3e2],
            "suv_max": 8,
            "volume_ml": 1.5,
            **WHO,
        },
        {
            "kind": "exclude_mask",
            "sha256": "0" * 64,
            "source": "b.nii",
            "hottest_mm": None,
            "suv_max": None,
            **WHO,
        },
        {"kind": "clear", **WHO},
        {
            "kind": "include_seed",
            "asked_mm": [0, 0, 0],
            "point_mm": [0, 0, 1],
            "limit_mm": 30,
            "suv": 2.0,
            **WHO,
        },
    ],
}


def refused(folder: Path, text: str | bytes) -> str:
    (folder / "edits.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TmtvError) as told:
        read_log(folder)
    said = str(told.value)
    assert said.startswith(f"{folder / 'edits.json'}: ")
    assert said.isprintable()
    assert len(said) < 500
    return said


def test_a_good_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "edits.json").write_text(json.dumps(GOOD))
    log = read_log(tmp_path)
    assert [entry.kind for entry in log.entries] == [entry["kind"] for entry in GOOD["edits"]]
    assert [entry.kind for entry in log.in_force] == ["include_seed"]
    assert read_log(tmp_path / "nowhere").entries == ()


BROKEN: dict[str, Callable[[dict], Any]] = {
    "unknown key": lambda log: log["edits"][0].update(extra=1),
    "unknown key on top": lambda log: log.update(edit=[]),
    "unknown kind": lambda log: log["edits"][0].update(kind="paint"),
    "later version": lambda log: log.update(version=2),
    "version as text": lambda log: log.update(version="1"),
    "label 0": lambda log: log["edits"][0].update(label=0),
    "label 65536": lambda log: log["edits"][0].update(label=65536),
    "label 3.5": lambda log: log["edits"][0].update(label=3.5),
    "label true": lambda log: log["edits"][0].update(label=True),
    "NaN": lambda log: log["edits"][0].update(suv_max=float("nan")),
    "infinite": lambda log: log["edits"][0].update(hottest_mm=[float("inf"), 0, 0]),
    "two coordinates": lambda log: log["edits"][0].update(hottest_mm=[0, 0]),
    "far away": lambda log: log["edits"][0].update(hottest_mm=[1e9, 0, 0]),
    "no volume": lambda log: log["edits"][0].update(volume_ml=0),
    "path for a mask": lambda log: log["edits"][1].update(sha256="../../etc/passwd"),
    "line break after the sum": lambda log: log["edits"][1].update(sha256="0" * 64 + "\n"),
    "no reader": lambda log: log["edits"][0].pop("by"),
    "local time": lambda log: log["edits"][0].update(time="2026-01-02 03:04"),
    "negative limit": lambda log: log["edits"][3].update(limit_mm=-1),
    "no list": lambda log: log.update(edits={}),
    "too many": lambda log: log.update(edits=[log["edits"][2]] * 10_001),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_log_that_is_wrong_is_one_sentence(tmp_path: Path, name: str) -> None:
    log = copy.deepcopy(GOOD)
    BROKEN[name](log)
    refused(tmp_path, json.dumps(log))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not a log of edits"),
        (b"\xff\xfe{}", "cannot be read"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"version": 1, "edits": [], "edits": []}', "a key stands twice"),
        (b'{"version": 1, "edits": [1e999]}', "not a log"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not a log"),
        (b'{"version": 1, "edits": []} {}', "Extra data"),
        (b'{"version": 1, "\\u001b[31m\\n": []}', "not a log"),
        (b"null", "not a log"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_log_is_one_sentence(tmp_path: Path, text: bytes, says: str) -> None:
    assert says in refused(tmp_path, text)


def test_two_gigabytes_are_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "edits.json", "wb") as file:
        file.truncate(2 << 30)  # a hole: it costs no disk
    with pytest.raises(TmtvError, match="larger than 16 MiB"):
        read_log(tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "edits.json").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "edits.json").symlink_to(tmp_path / "nowhere")
    for folder in ("a", "b"):
        with pytest.raises(TmtvError, match=r"edits\.json: (not a file|a link)"):
            read_log(tmp_path / folder)


def test_two_thousand_logs_of_a_stranger(tmp_path: Path) -> None:
    """Bytes changed, cut, doubled; values put in place of others: read, or refused in one sentence; never otherwise."""
    rng = random.Random(12)
    values = [
        None,
        True,
        -1,
        0,
        1e308,
        2**70,
        "",
        "x" * 5000,
        "\ud800",
        [],
        {},
        [[]],
        "41",
        "../x",
        float("nan"),
    ]
    text = json.dumps(GOOD)
    read = 0
    for _ in range(2000):
        log, data = copy.deepcopy(GOOD), bytearray(text.encode())
        if rng.random() < 0.5:
            place: Any = log if rng.random() < 0.2 else rng.choice(log["edits"])
            place[rng.choice([*place, "new"])] = rng.choice(values)
            data = bytearray(json.dumps(log).encode())
        else:
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(data))
                data[at : at + rng.randint(0, 3)] = rng.choice(
                    [b"", bytes([rng.randrange(256)]), b"[{", b"}]", b"1e9", b'"', data[at : at + 40]]
                )
        (tmp_path / "edits.json").write_bytes(bytes(data))
        try:
            read_log(tmp_path)
        except TmtvError as told:
            said = str(told)
        else:
            said, read = "", read + 1
        assert said == "" or (said.isprintable() and len(said) < 500)
    assert 0 < read < 1000


def test_a_broken_log_fails_the_case_and_keeps_its_files(job: Job) -> None:
    edit(job, exclude=(("41", 1),))
    (job.folder / "edits.json").write_text('{"version": 1, "edits": [')
    before = contents(job.folder)
    for request in ({}, {"exclude": (("41", 2),)}, {"clear": True}):
        with pytest.raises(TmtvError, match=r"edits\.json: not a log of edits"):
            edit(job, **request)
        assert contents(job.folder) == before


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", '{"methods": {"41": 3}, "inputs": {}}', '{"methods": {}, "inputs": {"model": 4}}'],
)
@pytest.mark.parametrize("name", ["tmtv.json", "review/1/tmtv.json", "review/1/review.json"])
def test_a_broken_result_is_made_anew(job: Job, name: str, text: str) -> None:
    edit(job, exclude=(("41", 1),))
    before = table_of(job)
    (job.folder / name).write_text(text)
    write_table(job.folder.parent)  # nothing is read from it
    assert run_case(job)["edits"] == 1
    assert table_of(job) == before


def test_a_region_file_that_was_changed_is_refused(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :10] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    edit(job, exclude_mask=tmp_path / "bladder.nii.gz")
    [stored] = (job.folder / "edits").iterdir()
    good = stored.read_bytes()
    mask[0] = 1
    write_image(stored, Image(mask, GRID))
    with pytest.raises(TmtvError, match="not the region"):
        run_case(replace(job, methods=("2.5",)))
    stored.unlink()
    with pytest.raises(TmtvError, match="no such file"):
        run_case(replace(job, methods=("2.5",)))
    stored.write_bytes(good)
    assert run_case(replace(job, methods=("2.5",)))["edits"] == 1
