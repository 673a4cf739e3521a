"""`tmtv evaluate` from folders to report, with results of the real post-processing."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_cohort import GEOMETRY, METHODS, SHAPE, make_cohort, post_process, write_probability

from petct.console import run_app
from petct.image import Geometry, Image, read_image, write_image
from postprocess.cli import app as postprocess_app
from tmtv_tf.cli import app

TEST_CASES = [f"case{i:02d}" for i in range(6, 11)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    root = make_cohort(tmp_path_factory.mktemp("cohort"))
    assert evaluate(root) == 0
    return root


@pytest.fixture
def copy(cohort, tmp_path) -> Path:
    """A cohort to spoil, without its training cases."""
    for part in ("cases", "results", "probability"):
        shutil.copytree(cohort / part, tmp_path / part)
    for i in range(6):
        shutil.rmtree(tmp_path / "cases" / f"case{i:02d}")
    return tmp_path


def evaluate(root: Path, *more: str) -> int:
    arguments = [str(root / "results"), "--cases", str(root / "cases"), "--out", str(root / "report"), *more]
    with pytest.raises(SystemExit) as left:
        run_app(app, ["evaluate", *arguments])
    return int(left.value.code or 0)


def summary(root: Path) -> dict:
    return json.loads((root / "report" / "evaluation.json").read_text())


def rows(root: Path, name: str) -> list[dict[str, str]]:
    with (root / "report" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_equal_the_masks_on_disk(cohort):
    """Dice and TMTV counted again here, from the files alone."""
    hard, per_method = [], {method: [] for method in METHODS}
    volumes = {method: [] for method in METHODS}
    for case_id in TEST_CASES:
        truth = read_image(cohort / "cases" / case_id / "tmtvprob.nii.gz").array > 0.5
        for method in METHODS:
            found = read_image(cohort / "results" / case_id / f"lesions_{method}.nii.gz").array > 0
            reference = (
                truth
                if method == "raw"
                else read_image(cohort / "cases" / case_id / f"reference_{method}.nii.gz").array > 0
            )
            per_method[method].append(2 * (found & reference).sum() / (found.sum() + reference.sum()))
            volumes[method].append(found.sum() * 12 * 9 * 10 / 1000)
        probability = read_image(cohort / "probability" / case_id / "probability.nii.gz").array > 0.5
        hard.append(2 * (probability & truth).sum() / (probability.sum() + truth.sum()))
    content = summary(cohort)
    assert content["median_dice_tmtvprob"] == pytest.approx(np.median(hard))
    assert content["split"] == "test"
    assert (content["cases_evaluated"], content["cases_in_cohort"]) == (5, 11)
    for method in METHODS:
        found = content["methods"][method]
        assert found["median_dice"] == pytest.approx(np.median(per_method[method]))
        assert found["mean_dice"] == pytest.approx(np.mean(per_method[method]))
        assert found["tmtv_predicted_ml"]["median"] == pytest.approx(np.median(volumes[method]))
        assert -1 <= found["spearman"] <= 1
        assert found["n"] == 5


def test_specificity_counts_every_voxel_of_the_image(cohort):
    """Lesions are measured in the box that holds them; the air around it counts too."""
    for row in rows(cohort, "cases.csv"):
        truth = read_image(cohort / "cases" / row["case_id"] / "tmtvprob.nii.gz").array > 0.5
        found = read_image(cohort / "results" / row["case_id"] / "lesions_raw.nii.gz").array > 0
        assert float(row["specificity"]) == pytest.approx((~truth & ~found).sum() / (~truth).sum(), abs=1e-6)


def test_what_was_broken_on_purpose_is_found(cohort):
    cases = {row["case_id"]: row for row in rows(cohort, "cases.csv")}
    assert int(cases["case06"]["false_positive_foci"]) == 1  # the bladder
    assert int(cases["case07"]["missed_foci"]) == 1
    assert float(cases["case08"]["dice_tmtvprob"]) == 1  # TMTVprob given as the prediction
    assert float(cases["case08"]["soft_dice_tmtvprob"]) == 1
    positions = rows(cohort, "false_positives.csv")
    assert [row["case_id"] for row in positions] == ["case06"]
    # The bladder's centre, voxel (3, 12, 15): LPS x = -150 + 15 * 10, y = -120 + 12 * 9, z = 40 + 3 * 12
    found = [float(positions[0][axis]) for axis in ("x_mm", "y_mm", "z_mm")]
    assert found == pytest.approx([0, -12, 76], abs=1)


def test_the_perfect_prediction_reaches_the_ceiling(cohort):
    for row in rows(cohort, "case_methods.csv"):
        if row["case_id"] == "case08":
            assert row["dice"] == row["ceiling_dice"]
            assert row["tmtv_predicted_ml"] == row["ceiling_tmtv_ml"]


def test_the_page_fetches_nothing_and_loads_its_pictures_when_they_are_seen(cohort):
    page = (cohort / "report" / "index.html").read_text()
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+|<script|<link|@import", page)
    assert page.count("data:image/png;base64,") == 3
    pictures = re.findall(r'<img src="(mips/[^"]+)" loading="lazy"', page)
    assert len(pictures) == 2 + len(TEST_CASES)  # a bad and a good one, then all
    assert all((cohort / "report" / name).is_file() for name in pictures)
    shown = re.findall(r"<b>(case\d+)</b>", page)
    worst_first = sorted(rows(cohort, "cases.csv"), key=lambda row: float(row["dice_tmtvprob"]))
    assert shown == [row["case_id"] for row in worst_first]
    assert "Not a medical device" in page
    assert str(cohort) not in page


def test_what_grows_with_the_cases_is_laid_out_when_it_is_scrolled_to(cohort):
    """The table and the pictures of every case; on paper all of it stands. A page of thousands opens at once."""
    page = (cohort / "report" / "index.html").read_text()
    far = re.findall(
        r'<div class="(?:scroll|mips) far" style="contain-intrinsic-height: auto (\d+)px">', page
    )
    assert len(far) == 2
    assert min(map(int, far)) >= 29 * len(TEST_CASES)
    screen, paper = page.split("@media print", 1)
    assert ".far { content-visibility: auto; }" in screen
    assert ".far { content-visibility: visible; }" in paper


def test_a_printed_page_begins_with_the_name_of_what_its_rows_are_about(cohort):
    """The rows of one measure or method are a group of their own, which is not broken, and no DOI is either."""
    page = (cohort / "report" / "index.html").read_text()
    table = page.split("Every measure, predicted against manual: agreement")[1].split("</table>")[0]
    groups = re.findall(r"<tbody>\s*<tr><td>([^<]*)</td>", table)
    assert groups == ["TMTV, mL", "TLG, g", *groups[2:5], "Lesions"]
    assert table.count("<tr><td></td>") == table.count("<tr>") - 1 - len(groups)
    assert '<span class="whole">doi:10.1007/s11307-020-01474-z</span>' in page


def test_the_papers_figure_4_and_differences_stand_on_the_page(cohort):
    """The lowest and the highest Dice; the differences of the median TMTV; the quartiles of Jaccard."""
    page = " ".join(html.unescape(text_of(cohort / "report" / "index.html")).split())
    dice = sorted(float(row["dice_tmtvprob"]) for row in rows(cohort, "cases.csv"))
    assert f"A: the lowest Dice, {dice[0]:.2f} (paper's Figure 4: 0.32)" in page
    assert f"B: the highest Dice, {dice[-1]:.2f} (paper's Figure 4: 0.84)" in page
    assert "quartiles 0.55 to 0.76" in page
    medians = {
        (r["method"], r["source"]): float(r["median_ml"]) for r in rows(cohort, "tmtv_distribution.csv")
    }
    difference = medians["2.5", "predicted"] - medians["2.5", "manual"]
    row = page.split("Difference of the median TMTV")[1].split("SUV > 2.5")[1].split("SUV > 4.0")[0].split()
    assert row[-2:] == [f"{difference:+.0f}".replace("-", "−"), "147"]


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
    assert "expected <case_id>/tmtv.json" in capsys.readouterr().err


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


def test_no_lesion_at_all(copy):
    """Empty prediction: Dice 0. Empty prediction and empty reference: undefined, left out, counted."""
    nothing = np.zeros(SHAPE, np.float32)
    for case_id in ("case06", "case07"):
        write_probability(copy, case_id, nothing)
    post_process(copy, "--overwrite")
    for name in ("tmtvprob", *(f"reference_{method}" for method in ("41", "2.5", "4.0", "otsu"))):
        write_image(copy / "cases" / "case07" / f"{name}.nii.gz", Image(nothing.astype(np.uint8), GEOMETRY))
    assert evaluate(copy) == 0
    content = summary(copy)
    assert content["dice_tmtvprob"]["n"] == 4
    assert content["dice_tmtvprob"]["n_undefined"] == 1
    assert content["dice_tmtvprob"]["minimum"] == 0
    assert content["methods"]["41"]["n_undefined"] == 1
    assert content["methods"]["41"]["tmtv_predicted_ml"]["n"] == 5  # 0 mL is a measurement


def test_without_cohort_table_and_without_probability(copy):
    (copy / "cases" / "cohort.csv").unlink()
    shutil.rmtree(copy / "probability")
    assert evaluate(copy) == 0
    content = summary(copy)
    assert content["split"] == "all"
    assert content["cases_in_cohort"] is None
    assert "note" in content["rivals"]
    assert content["voxel_metrics"]["soft_dice_tmtvprob"]["n"] == 0
    assert content["median_dice_tmtvprob"] > 0


def test_one_case_with_the_raw_mask_alone(copy):
    """One patient: no correlation, no interval, and still a report. The map stands in for a missing raw mask."""
    for case_id in TEST_CASES[1:]:
        shutil.rmtree(copy / "results" / case_id)
    tmtv = copy / "results" / "case06" / "tmtv.json"
    content = json.loads(tmtv.read_text())
    for kept in ("raw", "41"):
        tmtv.write_text(json.dumps(content | {"methods": {kept: content["methods"][kept]}}))
        assert evaluate(copy) == 0
        found = summary(copy)
        assert list(found["methods"]) == [kept]
        assert found["methods"][kept]["spearman"] is None
        assert found["median_dice_tmtvprob_interval_95"] == [None, None]
        page = text_of(copy / "report" / "index.html")
        assert "– to –" not in page
        assert "± –" not in page
    shutil.rmtree(copy / "probability")
    assert evaluate(copy) == 2


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


def name_model(root: Path, case_id: str, digest: str) -> None:
    """As `tmtv-postprocess` writes it where `tmtv predict` made the map."""
    path = root / "results" / case_id / "tmtv.json"
    content = json.loads(path.read_text())
    content["inputs"]["model"] = {"file": "best.keras", "sha256": digest}
    path.write_text(json.dumps(content))


def test_results_of_two_models_are_refused(copy, capsys):
    """A map left over from an earlier model must not be counted as the new one's."""
    for case_id in TEST_CASES[:3]:
        name_model(copy, case_id, "a" * 64)
    assert evaluate(copy) == 0  # the others name no model
    shutil.rmtree(copy / "report")
    name_model(copy, "case09", "b" * 64)
    assert evaluate(copy) == 2
    error = capsys.readouterr().err
    assert "results of 2 models" in error
    assert f"case06 (best.keras, SHA-256 {'a' * 12}…)" in error
    assert f"case09 (best.keras, SHA-256 {'b' * 12}…)" in error
    assert not (copy / "report").exists()


def test_the_terminal_says_what_the_page_says(copy, capsys):
    shutil.rmtree(copy / "results" / "case10")
    assert evaluate(copy) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Cases evaluated: 4 of 11 in the cohort; the tables are about the 4 of the test split." in said
    assert "No result for 1 of the test split: case10." in said
    assert "No simple rival could be chosen: cohort.csv names no training case" in said
    assert "No evaluated case belongs to the test split" not in said
    assert summary(copy)["without_result"] == ["case10"]
    assert (
        "1 test case of the cohort without a result, not counted here: case10."
        in (copy / "report" / "index.html").read_text()
    )
    (copy / "cases" / "cohort.csv").unlink()
    assert evaluate(copy) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Cases evaluated: 4. No evaluated case belongs to the test split of cohort.csv" in said
    assert "No evaluated case belongs to the test split" in (copy / "report" / "index.html").read_text()


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


def set_cohort(root: Path, splits: dict[str, str], keys: dict[str, str] | None = None) -> None:
    from tmtv_tf.cases.cohort import write_cohort

    write_cohort(
        root / "cases",
        [
            {"case_id": case_id, "patient_key": (keys or {}).get(case_id, case_id), "split": split}
            for case_id, split in splits.items()
        ],
    )


def test_rivals_are_never_chosen_on_what_they_are_tested_on(copy):
    """One patient, split train; then a training case besides; then one that is the same patient."""
    set_cohort(copy, dict.fromkeys(TEST_CASES, "train"))
    assert evaluate(copy) == 0
    assert "every training case is among those tested here" in summary(copy)["rivals"]["note"]
    assert "better of two simple rivals" not in (copy / "report" / "index.html").read_text()
    for case_id in TEST_CASES[1:]:
        shutil.rmtree(copy / "results" / case_id)
    assert evaluate(copy) == 0
    assert summary(copy)["rivals"]["training_cases"] == 4
    set_cohort(copy, dict.fromkeys(TEST_CASES, "train"), dict.fromkeys(TEST_CASES[:4], "one"))
    assert evaluate(copy) == 0
    assert summary(copy)["rivals"]["training_cases"] == 1


def test_rivals_are_dropped_where_no_test_case_could_be_read(copy):
    set_cohort(copy, dict.fromkeys(TEST_CASES[1:], "train") | {TEST_CASES[0]: "test"})
    (copy / "cases" / TEST_CASES[0] / "tmtvprob.nii.gz").unlink()
    assert evaluate(copy) == 1
    assert summary(copy)["split"] == "all"
    assert "every training case" in summary(copy)["rivals"]["note"]


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


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_results_of_different_parameters_are_refused(copy, capsys):
    path = copy / "results" / "case07" / "tmtv.json"
    parameters = json.loads(path.read_text())["parameters"]
    change(path, parameters=parameters | {"min_volume_ml": 2.0})
    assert evaluate(copy) == 2
    assert "different parameters (min_volume_ml 0.0 and 2.0)" in capsys.readouterr().err
    change(path, parameters=parameters | {"height_cm": 170.0})  # of the patient, not of the method
    assert evaluate(copy) == 0


def test_masks_and_maps_are_not_mixed(copy, capsys):
    path = copy / "results" / "case07" / "tmtv.json"
    inputs = json.loads(path.read_text())["inputs"]
    change(path, inputs={"mask" if role == "probability" else role: value for role, value in inputs.items()})
    assert evaluate(copy) == 2
    assert "case06 was made from a probability map, case07 from a mask" in capsys.readouterr().err


def test_a_map_of_another_ct_is_refused(copy, capsys):
    """The PET is the same; the CT was prepared anew since the prediction."""
    ct = copy / "cases" / "case06" / "ct.nii.gz"
    ct.write_bytes(b"the CT of today")
    beside = copy / "probability" / "case06" / "prediction.json"
    beside.write_text(json.dumps({"inputs": {"ct": "0" * 64}}))
    assert evaluate(copy) == 1
    assert "ct.nii.gz: not the CT that" in capsys.readouterr().err


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


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]*"', "", page.read_text()))


def test_tables_and_figures_are_numbered_without_a_gap(cohort, copy):
    """With the table per split and the rivals, and without both."""
    assert evaluate(copy) == 0
    for root in (cohort, copy):
        text = (root / "report" / "index.html").read_text()
        for kind in ("Table", "Figure"):
            found = [int(n) for n in re.findall(rf"<b>{kind} (\d+)\.</b>", text)]
            assert found == list(range(1, len(found) + 1))


def test_phantoms_are_never_called_patients(copy):
    for case_id in TEST_CASES:
        change(copy / "cases" / case_id / "case.json", phantom=True)
    assert evaluate(copy) == 0
    text = text_of(copy / "report" / "index.html")
    assert "These are computer-made phantoms, not patients." in text
    ours = text.replace("phantoms, not patients", "").replace("(407 test patients)", "")  # the paper's own
    assert "patient" not in ours.lower()
