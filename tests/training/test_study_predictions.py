"""The table of a fold's predictions, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from petct.errors import CaseError
from training.study_predictions import Study, StudyConfig, out_of_fold

HEADER = "case_id,part,efs2y_event,probability\n"
WHOLE = HEADER + "a,train,1,0.8\nb,train,0,0.3\na,test,1,0.7\n"


def study(folder: Path, text: str) -> Study:
    (folder / "sdmt" / "fold1").mkdir(parents=True)
    (folder / "sdmt" / "fold1" / "predictions.csv").write_text(text)
    rows = [{"case_id": case_id} for case_id in ("a", "b")]
    return Study(StudyConfig(), folder, folder, rows, {"a": 1, "b": 2}, {})


def test_the_tested_rows_come_back(tmp_path: Path) -> None:
    table = out_of_fold(study(tmp_path, WHOLE), ["sdmt"], [1])
    assert table[["case_id", "probability"]].values.tolist() == [["a", 0.7]]


@pytest.mark.parametrize("case_id", ["../../etc", "/etc", "c", "A", ""])
def test_a_case_that_is_not_of_the_cohort_is_refused(case_id: str, tmp_path: Path) -> None:
    """Its id becomes a path: that of the picture of its probability."""
    with pytest.raises(CaseError, match="is not in the cohort"):
        out_of_fold(study(tmp_path, WHOLE + f"{case_id},test,0,0.2\n"), ["sdmt"], [1])


@pytest.mark.parametrize("text", ["", "\0", "case_id,part\na,test\n", WHOLE + "a,test,1,0.2,7,8\n"])
def test_what_is_no_table_of_predictions_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="predictions.csv"):
        out_of_fold(study(tmp_path, text), ["sdmt"], [1])
