"""The report of a study."""

import pandas as pd
import pytest

from tmtv_tf.evaluation.prognosis.study_report import write_study_report

PNG = b"\x89PNG"


def test_report_holds_every_table_and_figure(predictions, cohort, tmp_path):
    settings = {"width": 0.5, "epochs": 2, "grid": {"size": [32, 16, 16]}}
    facts = {
        "phantom": True,
        "cases": 40,
        "folds": 2,
        "ablation_fold": 2,
        "settings": settings,
        "software": {"keras": "3"},
    }
    page = write_study_report(
        tmp_path,
        predictions,
        cohort,
        ceilings={"dice": 0.9, "precision": 0.91, "recall": 0.92},
        pictures={"features": PNG},
        facts=facts,
        reachable_auc=0.9,
        volumes=cohort.assign(fold=[1, 2] * 20, tmtv_ml=range(40), mtv4_ml=range(40)),
        draws=20,
    )
    text = page.read_text()
    for words in (
        "not patients",
        "Reduced size",
        "Table 1",
        "Table 3",
        "Table 4",
        "Table 5",
        "not a medical device",
    ):
        assert words in text
    for name in (
        "table3_main",
        "table4_ablation_youden",
        "comparisons_half",
        "survival_youden",
        "share_of_best",
        "cut_offs",
    ):
        assert (tmp_path / f"{name}.csv").is_file()
    for name in ("roc", "calibration", "kaplan_meier_half", "kaplan_meier_youden", "cut_offs", "features"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
        assert name == "features" or text.count("data:image/png") == 6
    assert "| paper |" in (tmp_path / "report.md").read_text()
    saved = pd.read_csv(tmp_path / "table3_main.csv").set_index("model")
    assert saved.loc["multitask_unet", ["dice", "dice_network_grid"]].tolist() == pytest.approx([0.75, 0.8])
    assert saved.loc["ceiling", ["dice", "precision", "recall"]].tolist() == [0.9, 0.91, 0.92]
    assert saved.loc["ceiling", "dice_network_grid"] == 1
    one = pd.read_csv(tmp_path / "table4_ablation_one_fold.csv").set_index("model")
    second = predictions[(predictions["model"] == "multitask_unet") & (predictions["fold"] == 2)]
    assert one.loc["multitask_unet", "dice"] == pytest.approx(second["dice"].mean())
    assert "fold 2" in text
    assert "&lt; 0.0001" in text
    assert {"dice", "paper_dice", "youden_sd", "auc_low"} <= set(saved.columns)
