"""What evaluation.json says."""

from __future__ import annotations

import shutil

from evaluation_files import TEST_CASES, change, evaluate, rows, summary
from small_cohort import post_process


def test_other_parameters_are_used_for_the_ceiling_and_stated(copy):
    """Everything below 400 mL dropped, from the prediction and from the ceiling alike."""
    shutil.rmtree(copy / "results")
    post_process(copy, "--min-volume-ml", "400")
    assert evaluate(copy) == 0
    assert summary(copy)["parameters_not_as_published"] == {"min_volume_ml": 400.0}
    perfect = [row for row in rows(copy, "case_methods.csv") if row["case_id"] == "case08"]
    assert all(row["tmtv_predicted_ml"] == row["ceiling_tmtv_ml"] for row in perfect)
    assert any(float(row["ceiling_tmtv_ml"]) < float(row["tmtv_manual_ml"]) / 2 for row in perfect)
    assert "min_volume_ml = 400" in (copy / "report" / "index.html").read_text()


def test_warnings_of_the_results_stand_on_the_page_and_the_terminal(copy, capsys):
    for case_id in TEST_CASES:
        change(copy / "results" / case_id / "tmtv.json", warnings=["seen phantoms only"])
    change(copy / "results" / "case07" / "tmtv.json", warnings=["seen phantoms only", "the CT ends early"])
    assert evaluate(copy) == 0
    said = capsys.readouterr().out
    assert "WARNING: seen phantoms only" in said
    assert "the CT ends early" not in said
    page = (copy / "report" / "index.html").read_text()
    assert "<strong>Warning:</strong> seen phantoms only" in page
    assert "<li>the CT ends early (case07)</li>" in page
    assert summary(copy)["warnings"] == {"seen phantoms only": TEST_CASES, "the CT ends early": ["case07"]}
