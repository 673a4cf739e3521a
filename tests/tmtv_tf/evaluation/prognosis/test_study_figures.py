"""Figures of a study, drawn values against the tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tmtv_tf.evaluation.prognosis.study_figures import (
    calibration_figure,
    kaplan_meier_figure,
    mean_roc,
    roc_figure,
)
from tmtv_tf.evaluation.prognosis.study_tables import (
    ORACLE_NAME,
    name_of,
)

PNG = b"\x89PNG"


def test_the_area_under_the_drawn_curve_is_the_mean_of_the_folds_auc():
    """Random scores with ties, three folds of different size. The pooled AUC is another number."""
    rng = np.random.default_rng(4)
    parts = []
    for fold, (n, shift) in enumerate(((15, 0.0), (22, 3.0), (31, -2.0)), start=1):
        label = np.arange(n) % 3 == 0
        score = np.round(rng.normal(shift + label, 1), 1)
        parts.append(pd.DataFrame({"fold": fold, "efs2y_event": label.astype(float), "probability": score}))
    rows = pd.concat(parts)
    mean = np.mean([roc_auc_score(f["efs2y_event"], f["probability"]) for f in parts])
    x, y = mean_roc(rows)
    assert np.trapezoid(y, x) == pytest.approx(mean, abs=1e-12)
    assert abs(roc_auc_score(rows["efs2y_event"], rows["probability"]) - mean) > 0.05
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= -1e-12).all()
    assert (x[0], y[0], x[-1], y[-1]) == pytest.approx((0, 0, 1, 1))


def test_roc_curves_go_through_every_patient(predictions, drawn):
    """The useless model's curve encloses the mean of the folds' AUCs; the perfect one goes by the corner."""
    assert roc_figure(predictions).startswith(PNG)
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines[1:]}
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == list(lines)
    assert [label.split(":")[0] for label in labels] == [
        "CLS ResNet34",
        ORACLE_NAME,
        name_of("multitask_unet"),
    ]
    rows = predictions[predictions["model"] == "resnet34"].dropna(subset=["efs2y_event"])
    areas = [
        np.mean(
            members.loc[members["efs2y_event"] == 1, "probability"].to_numpy()[:, None]
            > members.loc[members["efs2y_event"] == 0, "probability"].to_numpy()
        )
        for _, members in rows.groupby("fold")
    ]
    x, y = lines[labels[0]].T
    assert np.trapezoid(y, x) == pytest.approx(np.mean(areas))
    assert [0.0, 1.0] in lines[labels[-1]].tolist()
    assert labels[-1].endswith(": 1.000")


def test_calibration_counts_every_patient(predictions, drawn):
    """Two kinds of patients in the perfect model: all of those at 0.2 without an event, all at 0.8 with one."""
    assert calibration_figure(predictions, bins=3).startswith(PNG)
    panels = {axes.get_title(loc="left").replace("\n", " "): axes for axes in drawn[0].axes}
    assert set(panels) == {"CLS ResNet34", name_of("multitask_unet"), ORACLE_NAME}
    points = panels[name_of("multitask_unet")].lines[1].get_xydata()
    np.testing.assert_allclose(points[0], [0.2, 0.0])
    np.testing.assert_allclose(points[-1], [0.8, 1.0])
    assert "Brier 0.040" in [text.get_text() for text in panels[name_of("multitask_unet")].texts]


def test_survival_curves_and_numbers_at_risk(predictions, cohort, drawn):
    """20 patients a group. All predicted events progress before 14 months; of the others one does, at 11.55."""
    assert kaplan_meier_figure(predictions, cohort, "multitask_unet", "half").startswith(PNG)
    pfs, _, table, _ = drawn[0].axes
    low, high = (line for line in pfs.lines if str(line.get_label()).startswith("predicted"))
    assert [low.get_label(), high.get_label()] == ["predicted no event (n = 20)", "predicted event (n = 20)"]
    assert low.get_ydata()[-1] == pytest.approx(19 / 20)
    assert high.get_ydata()[-1] == pytest.approx(0)
    at_risk = [(round(text.get_position()[0]), text.get_text()) for text in table.texts[1:]]
    assert at_risk[:2] == [(0, "20"), (12, "19")]
    assert (0, "20") in at_risk[4:]
    assert (24, "0") in at_risk[4:]
    legend = pfs.get_legend().get_window_extent()
    assert pfs.transData.inverted().transform(legend.p0)[1] > 1  # no curve can lie under it


def test_a_group_or_an_end_point_may_be_empty(predictions, cohort, drawn):
    everyone = predictions.assign(probability=0.9)
    assert kaplan_meier_figure(everyone, cohort, "multitask_unet", "half").startswith(PNG)
    curves = [line for line in drawn[0].axes[0].lines if str(line.get_label()).startswith("predicted")]
    assert [line.get_label() for line in curves] == ["predicted event (n = 40)"]
    without = cohort.assign(os_months=np.nan)
    assert kaplan_meier_figure(predictions, without, "multitask_unet", "youden").startswith(PNG)
    assert [text.get_text() for text in drawn[1].axes[1].texts] == ["no OS in the cohort"]
