"""`tmtv evaluate` from folders to report, with results of the real post-processing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import TEST_CASES, evaluate, rows, summary
from small_cohort import GEOMETRY, METHODS, SHAPE

from petct.console import run_app
from petct.image import Geometry, Image, read_image, write_image
from postprocess.cli import app as postprocess_app


def test_two_processes_write_the_same_report(copy):
    for workers in ("1", "2"):
        assert evaluate(copy, "--workers", workers) == 0
        (copy / "report").rename(copy / f"report{workers}")
    for name in ("evaluation.json", "cases.csv", "case_methods.csv", "index.html"):
        assert (copy / "report1" / name).read_bytes() == (copy / "report2" / name).read_bytes()


def test_a_bad_case_is_named_and_the_rest_goes_on(copy, capsys):
    (copy / "cases" / "case06" / "tmtvprob.nii.gz").unlink()
    shifted = Geometry(SHAPE, GEOMETRY.spacing_mm, (0.0, 0.0, 0.0))
    other = read_image(copy / "cases" / "case07" / "reference_2.5.nii.gz")
    write_image(copy / "cases" / "case07" / "reference_2.5.nii.gz", Image(other.array, shifted))
    shutil.rmtree(copy / "cases" / "case08")
    assert evaluate(copy) == 1
    error = capsys.readouterr().err
    assert "case06: " in error
    assert "no reader's reference" in error
    assert "reference_2.5.nii.gz: not on the grid of the case's pet.nii.gz" in error
    assert "case08" in error
    assert "2 of 5 cases done" in error
    assert sorted(summary(copy)["failed"]) == ["case06", "case07", "case08"]
    assert "no reader&#39;s reference" in (copy / "report" / "index.html").read_text()


def test_nothing_to_evaluate(copy, tmp_path, capsys):
    for case_id in TEST_CASES:
        (copy / "cases" / case_id / "pet.nii.gz").unlink()
    assert evaluate(copy) == 2
    assert not (copy / "report").exists()
    shutil.rmtree(copy / "results")
    assert evaluate(copy) == 2
    assert "results: no such folder" in capsys.readouterr().err
    (copy / "results").mkdir()
    assert evaluate(copy) == 2
    assert "no result (<case_id>/tmtv.json), and no masks" in capsys.readouterr().err


def test_files_that_do_not_belong_together_are_refused(copy, capsys):
    """Another PET than the result was made from, another probability map, a volume that tmtv.json does not state."""
    pet = read_image(copy / "cases" / "case06" / "pet.nii.gz")
    write_image(copy / "cases" / "case06" / "pet.nii.gz", pet.with_array(pet.array * np.float32(1.1)))
    shutil.copy(
        copy / "probability" / "case08" / "probability.nii.gz",
        copy / "probability" / "case07" / "probability.nii.gz",
    )
    lesions = copy / "results" / "case09" / "lesions_41.nii.gz"
    labels = read_image(lesions)
    write_image(lesions, labels.with_array(np.where(labels.array == 1, 0, labels.array).astype(np.uint16)))
    assert evaluate(copy, "--probability", str(copy / "probability")) == 1
    error = capsys.readouterr().err
    assert "case06: " in error
    assert "not the SUV image that" in error
    assert "not the probability map that" in error
    assert "where tmtv.json says" in error


def test_methods_that_no_reader_has_are_passed_over(copy):
    tmtv = copy / "results" / "case06" / "tmtv.json"
    content = json.loads(tmtv.read_text())
    vote3 = {"tmtv_ml": 1.0, "tlg": 9.0, "lesion_count": 1}
    tmtv.write_text(json.dumps(content | {"methods": content["methods"] | {"vote3": vote3}}))
    assert evaluate(copy) == 0
    assert set(summary(copy)["methods"]) == set(METHODS)


def test_unwritable_report(copy, capsys):
    (copy / "report").write_text("a file where the folder should be")
    assert evaluate(copy) == 2
    assert "cannot be written" in capsys.readouterr().err


def exclude_largest(root: Path, case_id: str) -> None:
    """As a reader does, by `tmtv-postprocess`: lesion 1 of 41 %."""
    arguments = ["-p", root / "probability" / case_id / "probability.nii.gz", "--case-id", case_id]
    arguments += ["--suv", root / "cases" / case_id / "pet.nii.gz", "--out", root / "results"]
    arguments += ["--exclude", "41:1", *(word for method in METHODS for word in ("-m", method))]
    with pytest.raises(SystemExit) as left:
        run_app(postprocess_app, [str(argument) for argument in arguments])
    assert not left.value.code


def test_the_automatic_result_is_evaluated_unless_the_final_one_is_asked_for(copy, capsys):
    assert evaluate(copy) == 0
    before = rows(copy, "case_methods.csv")
    exclude_largest(copy, "case07")
    assert evaluate(copy) == 0
    assert rows(copy, "case_methods.csv") == before
    assert "edits left out: 1" in (copy / "report" / "index.html").read_text()
    assert summary(copy)["result"] == "automatic"
    capsys.readouterr()
    assert evaluate(copy, "--final") == 0
    assert "after a reader's edits" in " ".join(capsys.readouterr().out.split())
    assert summary(copy)["result"] == "final"
    for old, new in zip(before, rows(copy, "case_methods.csv")):
        labels = read_image(copy / "results" / old["case_id"] / f"lesions_{old['method']}.nii.gz").array
        if old["case_id"] != "case07":
            assert new == old
            continue
        assert float(new["tmtv_predicted_ml"]) < float(old["tmtv_predicted_ml"])
        if new["method"] == "41":  # the highest label still is what it was: it is not the count
            assert int(new["lesion_count"]) == int(old["lesion_count"]) - 1 == labels.max() - 1
            expected = ((labels > 1).sum() * np.prod(GEOMETRY.spacing_mm)) / 1000
            assert float(new["tmtv_predicted_ml"]) == pytest.approx(expected, rel=1e-5)


def test_edits_without_a_final_result_are_no_final_number(copy, capsys):
    exclude_largest(copy, "case07")
    shutil.rmtree(copy / "results" / "case07" / "review")
    assert evaluate(copy) == 0
    assert evaluate(copy, "--final") == 1
    assert "edits.json holds edits that its results do not have yet" in capsys.readouterr().err
    assert "case07" not in {row["case_id"] for row in rows(copy, "cases.csv")}


def test_a_map_of_another_ct_is_refused(copy, capsys):
    """The PET is the same; the CT was prepared anew since the prediction."""
    ct = copy / "cases" / "case06" / "ct.nii.gz"
    ct.write_bytes(b"the CT of today")
    beside = copy / "probability" / "case06" / "prediction.json"
    beside.write_text(json.dumps({"inputs": {"ct": "0" * 64}}))
    assert evaluate(copy) == 1
    assert "ct.nii.gz: not the CT that" in capsys.readouterr().err
