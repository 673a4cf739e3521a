"""The files of a result."""

from __future__ import annotations

from pathlib import Path

import pytest

from petct.errors import TmtvError
from petct.files import write_json
from postprocess.results import (
    LATE,
    LATE_FILE,
    clear,
    finishing,
    late_warning,
    mark_late,
    read_result,
    refuse_late,
)

MEASURES = {
    "tmtv_ml": 1.0,
    "tlg": 5.0,
    "suv_max": 7.0,
    "suv_peak": 6.0,
    "lesion_count": 1,
    "dmax_mm": 0.0,
    "dmax_voxel_mm": 4.0,
    "dmax_bulk_mm": 0.0,
}
RESULT = {"methods": {"41": MEASURES}, "inputs": {"suv": {"file": "pet", "sha256": "1"}}}


def result_of(folder: Path, pet: str) -> None:
    write_json(folder / "tmtv.json", {"methods": {}, "inputs": {"suv": {"file": "pet", "sha256": pet}}})


def test_a_mark_is_of_the_result_that_was_there(tmp_path: Path) -> None:
    result_of(tmp_path, "half")
    result = read_result(tmp_path)
    assert result is not None
    assert late_warning(tmp_path, result) == []
    refuse_late(tmp_path)
    mark_late(tmp_path)
    assert late_warning(tmp_path, result) == [LATE]
    with pytest.raises(TmtvError, match="--overwrite"):
        refuse_late(tmp_path)
    result_of(tmp_path, "whole")
    refuse_late(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": null}'])
def test_a_mark_without_a_result_or_that_is_torn_counts_for_any(tmp_path: Path, text: str) -> None:
    (tmp_path / LATE_FILE).write_text(text)
    result_of(tmp_path, "any")
    with pytest.raises(TmtvError, match="more images"):
        refuse_late(tmp_path)


def test_what_an_earlier_version_left_out_is_empty(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    write_json(tmp_path / "tmtv.json", RESULT)
    assert read_result(tmp_path) == {**RESULT, "parameters": {}, "warnings": []}


@pytest.mark.parametrize(
    "wrong", [[], {"methods": {}}, {**RESULT, "methods": {"../x": MEASURES}}, {**RESULT, "warnings": 3}]
)
def test_what_is_no_result_is_none(tmp_path: Path, wrong: object) -> None:
    write_json(tmp_path / "tmtv.json", wrong)
    assert read_result(tmp_path) is None
    (tmp_path / "tmtv.json").write_text("{")
    assert read_result(tmp_path) is None


def test_a_readers_edits_and_foreign_files_stay(tmp_path: Path) -> None:
    kept = {"lesions_41.nii.gz", "lesions_41.csv", "edits.json", "notes.txt", "lesions_41.txt", "tmtv.json"}
    gone = {"lesions_2.5.nii.gz", "lesions_2.5.csv", ".0123abcd.lesions_41.csv", ".0123abcd.edits.json"}
    for name in kept | gone:
        (tmp_path / name).touch()
    clear(tmp_path, {"41"})
    assert {path.name for path in tmp_path.iterdir()} == kept
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"edits.json", "notes.txt", "lesions_41.txt"}


def test_what_could_not_be_finished_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "seg.dcm").touch()  # of an earlier result: it states other numbers
    with pytest.raises(KeyboardInterrupt), finishing(tmp_path, set()):  # noqa: PT012
        assert not (tmp_path / "seg.dcm").exists()
        (tmp_path / "lesions_41.csv").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
