"""Two sets of results on the same cases, against scipy and by hand."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import TEST_CASES
from scipy import ndimage, stats
from small_cohort import make_cohort, post_process, write_probability

from petct.console import run_app
from petct.errors import CaseError
from petct.image import read_image
from tmtv_tf.cli import app
from tmtv_tf.evaluation.compare import names_of, paired_differences


def test_paired_differences_equal_scipy() -> None:
    rng = np.random.default_rng(4)
    first = rng.uniform(0.5, 0.9, 30)
    second = first + rng.normal(0.02, 0.05, 30)
    found = paired_differences(np.append(first, np.nan), np.append(second, 0.5))
    assert (found["n"], found["n_undefined"]) == (30, 1)
    assert found["mean"] == pytest.approx((second - first).mean())
    assert found["p"] == pytest.approx(stats.wilcoxon(second, first).pvalue)
    around = stats.t.interval(0.95, 29, (second - first).mean(), stats.sem(second - first))
    assert (found["low"], found["high"]) == pytest.approx(around, abs=0.004)  # a bootstrap beside Student's t


def test_equal_and_few_results() -> None:
    assert paired_differences([0.5] * 4, [0.5] * 4) | {
        "p": 1.0,
        "low": 0.0,
        "high": 0.0,
    } == paired_differences([0.5] * 4, [0.5] * 4)
    few = paired_differences([0.5, 0.6], [0.6, 0.6])
    assert few["mean"] == pytest.approx(0.05)
    assert np.isnan([few["p"], few["low"]]).all()
    assert np.isnan(paired_differences([], [])["mean"])


def test_names_of_folders() -> None:
    assert names_of([Path("/a/old"), Path("/a/new")]) == ["old", "new"]
    assert names_of([Path("/a/results"), Path("/b/results")]) == ["a-results", "b-results"]
    with pytest.raises(CaseError, match="twice"):
        names_of([Path("/a/x"), Path("/a/x")])


def test_two_folders_are_compared_case_by_case(tmp_path, capsys) -> None:
    """The second model misses a lesion of case06 and has no result of case10."""
    root = make_cohort(tmp_path)
    (root / "results").rename(root / "old")
    for i in range(6):
        shutil.rmtree(root / "cases" / f"case{i:02d}")
    path = root / "probability" / "case06" / "probability.nii.gz"
    probability = read_image(path).array
    largest = ndimage.label(probability > 0.5)[0]
    probability[largest == np.bincount(largest.ravel())[1:].argmax() + 1] = 0.1
    write_probability(root, "case06", probability)
    shutil.rmtree(root / "probability" / "case10")
    post_process(root)
    (root / "results").rename(root / "new")
    arguments = [root / "old", root / "new", "--cases", root / "cases", "--out", root / "report"]
    with pytest.raises(SystemExit) as left:
        run_app(app, ["evaluate", *map(str, arguments)])
    assert not left.value.code
    assert "Comparison: " in capsys.readouterr().out

    def rows(name: str) -> list[dict[str, str]]:
        with (root / "report" / name).open(newline="") as file:
            return list(csv.DictReader(file))

    dice = {
        who: {r["case_id"]: float(r["dice"]) for r in rows(f"{who}/case_methods.csv") if r["method"] == "41"}
        for who in ("old", "new")
    }
    row = next(r for r in rows("comparison.csv") if (r["method"], r["measure"]) == ("41", "dice"))
    shared = TEST_CASES[:-1]
    difference = [dice["new"][c] - dice["old"][c] for c in shared]
    assert int(row["n"]) == 4
    assert float(row["mean"]) == pytest.approx(np.mean(difference), rel=1e-4)
    assert rows("changes.csv")[0]["case_id"] == "case06"
    page = (root / "report" / "index.html").read_text()
    assert "case10 (in old)" in page
    assert 'src="new/mips/case06.png" loading="lazy"' in page
    assert (root / "report" / "old" / "index.html").is_file()
