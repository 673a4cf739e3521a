import numpy as np
import pandas as pd
import pytest

from tmtv_tf.evaluation.prognosis import study_figures, study_views
from tmtv_tf.evaluation.prognosis.study_tables import ORACLE


@pytest.fixture(scope="module")
def predictions():
    """Hand-made predictions: two folds, a perfect model, a useless one."""
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


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that are drawn, each still turned into PNG bytes."""
    figures = []
    for module in (study_figures, study_views):
        png = module.png
        monkeypatch.setattr(module, "png", lambda figure, png=png: figures.append(figure) or png(figure))
    return figures
