"""Tables and figures of a study from hand-made predictions: two folds, a perfect model, a useless one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tmtv_tf.evaluation.prognosis import liu2022, study_figures, study_views
from tmtv_tf.evaluation.prognosis.study_figures import (
    calibration_figure,
    kaplan_meier_figure,
    mean_roc,
    roc_figure,
)
from tmtv_tf.evaluation.prognosis.study_report import write_study_report
from tmtv_tf.evaluation.prognosis.study_tables import (
    ORACLE,
    ORACLE_NAME,
    beside_paper,
    comparisons,
    fold_table,
    literature,
    name_of,
    performance,
    share_of_best,
    survival_table,
)
from tmtv_tf.evaluation.prognosis.study_views import FeatureView, feature_figure, rendering_figure

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    label = np.tile([1, 0, 0, 1], 10).astype(float)
    label[3] = np.nan  # outcome unknown
    base = {"fold": np.repeat([1, 2], 20), "case_id": [f"c{i:02d}" for i in range(40)], "efs2y_event": label}
    nothing = dict.fromkeys(("precision", "recall", "precision_network_grid", "recall_network_grid"), np.nan)
    known = np.nan_to_num(label, nan=1)
    models = {
        "multitask_unet": (0.2 + 0.6 * known, 0.3, np.linspace(0.6, 0.9, 40)),
        "resnet34": (rng.random(40), 0.6, np.full(40, np.nan)),
        "segmentation_unet": (np.full(40, np.nan), np.nan, np.linspace(0.5, 0.8, 40)),
        ORACLE: (0.1 + 0.8 * known, 0.5, np.full(40, np.nan)),
    }
    tables = [
        pd.DataFrame(
            {
                **base,
                **nothing,
                "model": m,
                "probability": p,
                "threshold": t,
                "dice": d,
                "dice_network_grid": d + 0.05,
            }
        )
        for m, (p, t, d) in models.items()
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def cohort(predictions):
    cases = predictions.drop_duplicates("case_id")
    months = np.where(cases["efs2y_event"] == 0, 40.0, 10.0) + np.arange(40) / 10
    event = (cases["efs2y_event"] != 0).astype(float).to_numpy()
    event[2], months[2] = 1, 11.55  # one event among the others, so that the hazard ratio is finite
    return pd.DataFrame(
        {
            "case_id": cases["case_id"],
            "pfs_months": months,
            "pfs_event": event,
            "os_months": months + 5,
            "os_event": event,
        }
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


def test_youden_index_of_the_published_rows_is_their_sum():
    """Youden = sensitivity + specificity - 1 in every row of Tables 3 and 4 (to the printed digits)."""
    for row in [*liu2022.MAIN.values(), *liu2022.ABLATION.values()]:
        if row[5] is not None:
            assert row[5] + row[6] - 1 == pytest.approx(row[7], abs=0.0015)


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


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that are drawn, each still turned into PNG bytes."""
    figures = []
    for module in (study_figures, study_views):
        png = module.png
        monkeypatch.setattr(module, "png", lambda figure, png=png: figures.append(figure) or png(figure))
    return figures


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


def test_features_are_shown_as_projections_front_and_side(drawn):
    image = np.random.default_rng(0).random((16, 8, 8))
    view = FeatureView("case", image, [image, image[::2, ::2, ::2]], image, None, (2.0, 3.0, 4.0))
    assert feature_figure([view, view]).startswith(PNG)
    panels = [axes for axes in drawn[0].axes if axes.images]
    titles = [axes.get_title() for axes in panels if axes.get_title()]
    assert titles == ["PET", "features 1/1", "1/2", "probability"] * 2
    np.testing.assert_array_equal(panels[0].images[0].get_array(), image.max(axis=1))
    sides = [axes for axes in panels if not axes.get_title()]
    np.testing.assert_array_equal(sides[0].images[0].get_array(), image.max(axis=2))
    assert panels[0].images[0].get_extent() == [0, 32, 0, 32]
    assert sides[0].images[0].get_extent() == [0, 24, 0, 32]


def test_lesions_are_rendered_where_they_are(drawn):
    """A box of voxels (2, 3, 4) mm wide; a model that found nothing has no surface; one without result no panel."""
    mask = np.zeros((16, 8, 8), bool)
    mask[4:8, 2:4, 1:6] = True
    masks = {"truth": mask, "none found": np.zeros_like(mask), "missing": None}
    assert rendering_figure(
        [("case", masks)], [np.pad(mask, 0) | (np.indices(mask.shape)[2] < 7)], (2.0, 3.0, 4.0)
    ).startswith(PNG)
    surfaces = [
        [c for c in axes.collections if type(c).__name__ == "Poly3DCollection"] for axes in drawn[0].axes
    ]
    assert [len(found) for found in surfaces] == [1, 0, 0]
    vertices, _ = study_views._surface(mask, (2.0, 3.0, 4.0))
    np.testing.assert_allclose([vertices.min(axis=0), vertices.max(axis=0)], [(8, 6, 4), (16, 12, 24)])


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
