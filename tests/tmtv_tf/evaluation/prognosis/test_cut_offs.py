"""Cut-offs of TMTV in a study's report: each row equals `cut_offs` of that volume and end point."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_clinical_pet import cohort

from tmtv_tf.evaluation.prognosis.clinical_pet import OPTIMISTIC, cut_offs
from tmtv_tf.evaluation.prognosis.cut_offs import cut_off_figure, study_cut_offs


def volumes(n: int = 80) -> pd.DataFrame:
    """One case without outlines; OS as PFS, half a year later."""
    volume, months, events, folds = cohort(n)
    table = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "fold": folds, "tmtv_ml": volume})
    table = table.assign(mtv4_ml=volume / 2, pfs_months=months, pfs_event=events.astype(float))
    table = table.assign(os_months=months + 6, os_event=table["pfs_event"])
    table.loc[3, ["tmtv_ml", "mtv4_ml"]] = np.nan
    return table


def test_every_volume_and_end_point_has_its_cut_offs() -> None:
    table = volumes()
    found = study_cut_offs(table)
    assert len(found) == 2 * 2 * 3
    known = table.dropna()
    expected = cut_offs(known["tmtv_ml"], known["pfs_months"], known["pfs_event"], known["fold"])
    rows = found[(found["volume"] == "41 % of SUVmax") & (found["end_point"] == "PFS")]
    assert rows["value_ml"].tolist() == [one.value_ml for one in expected]
    assert rows["logrank_p"].tolist() == pytest.approx([one.comparison.logrank_p for one in expected])
    assert (rows["n_high"] + rows["n_low"]).eq(79).all()
    assert rows.set_index("cut_off").loc["optimal", "note"] == OPTIMISTIC
    half = found[(found["volume"] == "SUV > 4.0") & (found["end_point"] == "PFS")]
    assert half["value_ml"].tolist() == pytest.approx((rows["value_ml"] / 2).tolist())


def test_the_curves_are_of_the_groups_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(
        "tmtv_tf.evaluation.prognosis.cut_offs.png", lambda figure: drawn.append(figure) or b""
    )
    table = volumes()
    cut_off_figure(table)
    found = study_cut_offs(table)
    rows = found[(found["volume"] == "41 % of SUVmax") & (found["end_point"] == "PFS")]
    panels = drawn[0].axes[: len(rows)]
    for axes, row in zip(panels, rows.itertuples(), strict=True):
        assert f"{row.value_ml:.0f} mL" in axes.get_title(loc="left")
        labels = [str(line.get_label()) for line in axes.lines]
        assert {f"TMTV high (n = {row.n_high})", f"TMTV low (n = {row.n_low})"} <= set(labels)


def test_few_cases_and_no_survival_have_none() -> None:
    assert study_cut_offs(volumes(9)).empty
    assert cut_off_figure(volumes(9)) is None
    no_os = study_cut_offs(volumes().assign(os_months=np.nan))
    assert set(no_os["end_point"]) == {"PFS"}
