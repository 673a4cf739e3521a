"""Which results may stand in one table, and which cases the rivals are chosen on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from evaluation_files import TEST_CASES, change, evaluate, summary


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


def test_results_of_different_parameters_are_refused(copy, capsys):
    path = copy / "results" / "case07" / "tmtv.json"
    parameters = json.loads(path.read_text())["parameters"]
    change(path, parameters=parameters | {"min_volume_ml": 2.0})
    assert evaluate(copy) == 2
    assert "different parameters (min_volume_ml 0.0 and 2.0)" in capsys.readouterr().err
    change(path, parameters=parameters | {"height_cm": 170.0})  # of the patient, not of the method
    assert evaluate(copy) == 0


def test_two_masks_of_one_case_are_both_named(copy, capsys):
    shutil.rmtree(copy / "results")
    masks = [copy / "results" / name for name in ("case06.nii.gz", "case06.nrrd", "case07.nii.gz")]
    masks[0].parent.mkdir()
    for path in masks:
        path.touch()
    assert evaluate(copy) == 2
    assert f"there are 2 maps or masks of case case06: {masks[0]} and {masks[1]}" in capsys.readouterr().err
    for path in masks:
        path.unlink()
    assert evaluate(copy) == 2
    assert "no result (<case_id>/tmtv.json), and no masks" in capsys.readouterr().err


def test_masks_and_maps_are_not_mixed(copy, capsys):
    path = copy / "results" / "case07" / "tmtv.json"
    inputs = json.loads(path.read_text())["inputs"]
    change(path, inputs={"mask" if role == "probability" else role: value for role, value in inputs.items()})
    assert evaluate(copy) == 2
    assert "case06 was made from a probability map, case07 from a mask" in capsys.readouterr().err
