"""The tables beyond the paper: agreement, readers, cases without lesion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation_files import rows

from tmtv_tf.evaluation.concordance import icc_a1
from tmtv_tf.evaluation.field_tables import concordance, reader_statements, readers


def test_agreement_of_tmtv_is_that_of_the_two_columns(readers_cohort) -> None:
    table = pd.DataFrame(rows(readers_cohort, "case_methods.csv"))
    chosen = table[table["method"] == "41"][["tmtv_predicted_ml", "tmtv_manual_ml"]].astype(float).to_numpy()
    row = next(
        r for r in rows(readers_cohort, "concordance.csv") if (r["method"], r["measure"]) == ("41", "tmtv")
    )
    assert float(row["icc"]) == pytest.approx(icc_a1(chosen).value, rel=1e-4)
    assert (float(row["readers_icc"]), float(row["readers_cv_percent"])) == (0.43, 65.5)
    assert "Burggraaff 2020" in row["readers_source"]
    page = (readers_cohort / "report" / "index.html").read_text()
    assert "10.1007/s11307-020-01474-z" in page
    assert "10.2967/jnumed.124.267789" in page


def test_a_case_without_lesion_is_a_group_of_its_own(readers_cohort) -> None:
    row = rows(readers_cohort, "without_lesion.csv")[0]
    raw = {r["case_id"]: r for r in rows(readers_cohort, "case_methods.csv") if r["method"] == "raw"}
    assert (row["n"], row["n_with_lesion"], row["false_alarms"]) == ("1", "4", "1")
    assert row["false_alarm_max_ml"] == raw["case09"]["tmtv_predicted_ml"]
    cases = {r["case_id"]: r for r in rows(readers_cohort, "cases.csv")}
    assert (cases["case09"]["autopet_dice"], cases["case09"]["autopet3_dice"]) == ("0", "")
    assert "False alarms in 1 of them" in " ".join(
        (readers_cohort / "report" / "index.html").read_text().split()
    )


def test_within_and_not_within_the_readers() -> None:
    """Two readers with Dice 0.9; a network at 0.95 is within, one at 0.6 or 50 % larger is not."""

    def table(dice: float, factor: float) -> pd.DataFrame:
        volumes = np.arange(100.0, 600, 100)
        rows = [("r1", "r2", 0.9, v, 1.1 * v) for v in volumes]
        rows += [(who, "network", dice, v, factor * v) for who in ("r1", "r2") for v in volumes]
        columns = ["first", "second", "dice", "tmtv_first_ml", "tmtv_second_ml"]
        frame = pd.DataFrame(rows, columns=columns).assign(
            method="41", case_id=[f"c{i % 5}" for i in range(15)]
        )
        return readers(frame, 5)

    assert "is within" in reader_statements(table(0.95, 1.05))[0]
    assert "not within" in reader_statements(table(0.6, 1.05))[0]
    assert "not within" in reader_statements(table(0.95, 1.5))[0]


def test_nothing_is_said_of_the_readers_of_one_case() -> None:
    """It has a Dice but no mean difference: NaN is neither within nor not within."""
    rows = [("r1", "r2", 0.9, 100.0, 110.0), ("r1", "network", 0.6, 100.0, 150.0)]
    columns = ["first", "second", "dice", "tmtv_first_ml", "tmtv_second_ml"]
    table = pd.DataFrame(rows, columns=columns).assign(case_id="c", method="41")
    assert reader_statements(readers(table, 1)) == [
        "41 % of SUVmax: too few cases to say whether the network is within the readers."
    ]


def test_ties_and_a_subtype_of_one_case(readers_cohort) -> None:
    """Equal volumes everywhere: agreement is undefined, not 0; one case has no SD. The page shows a dash."""
    tied = pd.DataFrame({"method": "41", "tmtv_manual_ml": [5.0] * 4, "tmtv_predicted_ml": [5.0] * 4})
    row = concordance(tied).iloc[0]
    assert row[["icc", "ccc", "icc_low", "ccc_low"]].isna().all()
    assert (row["share_close"], row["cv_percent"], row["n"]) == (1, 0, 4)
    found = [r for r in rows(readers_cohort, "dice_by_subtype.csv") if r["n"] == "1"]
    assert found
    assert all(r["sd"] == "" for r in found)
