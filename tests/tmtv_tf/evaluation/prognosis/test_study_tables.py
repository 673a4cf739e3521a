"""Tables and figures of a study from hand-made predictions: two folds, a perfect model, a useless one."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tmtv_tf.evaluation.prognosis import liu2022
from tmtv_tf.evaluation.prognosis.study_tables import (
    ORACLE,
    beside_paper,
    comparisons,
    fold_table,
    literature,
    performance,
    share_of_best,
    survival_table,
)


def test_folds_beside_the_papers(predictions):
    table = fold_table(predictions)
    assert table[["event", "no_event", "unknown"]].values.tolist() == [[9, 10, 1], [10, 10, 0]]
    assert table["paper_event"].tolist() == [18, 18]


def test_performance_is_the_mean_of_the_folds(predictions):
    table = performance(predictions, "half", draws=50).set_index("model")
    perfect = table.loc["multitask_unet"]
    assert [perfect[m] for m in ("auc", "accuracy", "sensitivity", "specificity", "youden")] == [1] * 5
    assert perfect["dice"] == pytest.approx(0.75)
    assert perfect["dice_low"] < 0.75 < perfect["dice_high"]
    assert (perfect["n_prognosis"], perfect["n_segmentation"]) == (39, 40)
    rows = predictions[predictions["model"] == "resnet34"].dropna(subset=["efs2y_event"])
    folds = [roc_auc_score(f["efs2y_event"], f["probability"]) for _, f in rows.groupby("fold")]
    assert table.loc["resnet34", "auc"] == pytest.approx(np.mean(folds))
    assert table.loc["resnet34", "auc_sd"] == pytest.approx(np.std(folds, ddof=1))
    assert table.loc["resnet34", "auc_pooled"] == pytest.approx(
        roc_auc_score(rows["efs2y_event"], rows["probability"])
    )
    assert np.isnan(table.loc["segmentation_unet", "auc"])


def test_thresholds_are_those_of_the_rule(predictions):
    youden = performance(predictions, "youden", draws=10).set_index("model")
    rows = predictions[predictions["model"] == "resnet34"].dropna(subset=["efs2y_event"])
    expected = [(f.loc[f["efs2y_event"] == 1, "probability"] > 0.6).mean() for _, f in rows.groupby("fold")]
    assert youden.loc["resnet34", "sensitivity"] == pytest.approx(np.mean(expected))


def test_the_papers_numbers_stand_beside(predictions):
    table = beside_paper(performance(predictions, "half", draws=10), liu2022.TABLE_3, liu2022.MAIN)
    assert table["model"].tolist() == ["resnet34", "segmentation_unet", "multitask_unet"]
    assert table["paper_dice"].tolist()[1:] == [0.844, 0.868]
    assert table["paper_youden"].tolist()[::2] == [0.445, 0.596]
    last = literature(performance(predictions, "half", draws=10)).iloc[-1]
    assert (last["cases"], round(last["dice"], 2), last["auc"]) == (40, 0.8, 1)  # on the network's grid


def test_the_method_is_compared_on_the_same_patients(predictions):
    table = comparisons(predictions, "half").set_index("model")
    assert table.loc["segmentation_unet", "dice_difference"] == pytest.approx(0.1)
    assert table.loc["segmentation_unet", "wilcoxon_p"] < 1e-6
    assert np.isnan(table.loc["segmentation_unet", "delong_p"])
    assert table.loc[ORACLE, "delong_p"] == 1
    assert table.loc["resnet34", "auc_pooled_difference"] > 0.2
    assert table.loc["resnet34", "mcnemar_sensitivity_p"] < 0.05


def test_survival_and_share_of_best(predictions, cohort):
    table = survival_table(predictions, cohort, "half").set_index(["model", "end_point"])
    assert table.loc[("multitask_unet", "PFS"), "logrank_p"] < 1e-4
    assert table.loc[("multitask_unet", "PFS"), "hazard_ratio"] > 5
    assert table.loc[("multitask_unet", "OS"), ["n_high", "n_low"]].tolist() == [20, 20]
    shares = share_of_best(performance(predictions, "half", draws=10), 0.9).set_index("model")
    assert shares.loc["multitask_unet", "share_of_best"] == pytest.approx(0.5 / 0.4)
