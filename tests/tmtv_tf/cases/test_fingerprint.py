"""When a finished case is made again."""

from __future__ import annotations

from pathlib import Path

import pytest
from cohort_files import write_study
from prepare_files import edit_weight, only_case, prepare, table

from tmtv_tf.cases.case import find_cases, load_case


def test_finished_cases_are_kept_until_something_changes(tmp_path):
    write_study(tmp_path / "in")
    out = tmp_path / "out"

    def run(*options):
        prepare(tmp_path / "in", "--out", out, *options)
        return table(out / "prepare.csv")[0]["status"], only_case(out).pet.stat().st_mtime_ns

    first = run()
    assert first[0] == "done"
    assert run() == ("unchanged", first[1])
    assert run("--split-components")[0] == "done"  # another setting
    assert run()[0] == "done"
    (tmp_path / "in" / "RS" / "rs.dcm").unlink()
    assert run()[0] == "done"
    assert only_case(out).references == {}  # nothing of the old truth stays


def test_an_edited_header_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "in", roi=False)
    prepare(folder, "--out", tmp_path / "out")
    edit_weight(folder, "35")
    prepare(folder, "--out", tmp_path / "out")
    (case,) = find_cases(tmp_path / "out")
    assert load_case(case).info["suv"]["factor"] == pytest.approx(2e-4)
