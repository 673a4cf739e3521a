"""An earlier report goes before a new one is written."""

from __future__ import annotations

import shutil

from evaluation_files import TEST_CASES, evaluate


def test_no_report_outlives_its_cases(copy, capsys):
    assert evaluate(copy) == 0
    (copy / "report" / "notes.txt").write_text("mine")
    for folder in (copy / "cases").iterdir():
        if folder.is_dir():
            (folder / "pet.nii.gz").write_bytes(b"no image")
    assert evaluate(copy) == 2
    assert "the earlier report was removed" in capsys.readouterr().err
    left = {path.name for path in (copy / "report").iterdir() if path.suffix != ".png"}
    assert left <= {"notes.txt", "mips", ".lock"}
    assert "notes.txt" in left


def test_a_report_does_not_outlive_its_results(copy):
    """All cases fail: neither page nor numbers of the earlier run stay; a file that is not ours does."""
    assert evaluate(copy) == 0
    (copy / "report" / "mine.csv").write_text("a\n")
    for case_id in TEST_CASES:
        (copy / "cases" / case_id / "tmtvprob.nii.gz").unlink()
    assert evaluate(copy) == 2
    assert {path.name for path in (copy / "report").rglob("*") if path.is_file()} <= {"mine.csv", ".lock"}
    assert (copy / "report" / "mine.csv").is_file()


def test_a_picture_of_a_case_that_is_gone_is_removed(copy):
    assert evaluate(copy) == 0
    shutil.rmtree(copy / "results" / "case10")
    assert evaluate(copy) == 0
    assert len(list((copy / "report" / "mips").iterdir())) == 4
