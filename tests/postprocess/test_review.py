"""The result after edits, beside the automatic one."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edit_files import GRID, HOT, MISSED, contents, edit, labels_of, table, world

from petct.errors import TmtvError
from petct.image import read_image
from postprocess.case import Job, run_case
from postprocess.cohort import write_table
from postprocess.config import Config
from postprocess.review import final_folder


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
