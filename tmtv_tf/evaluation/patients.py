"""Who the patients are: the cohort by trial, Ann Arbor stage and subtype (Revailler et al. 2022, Table 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tmtv_tf.cases.cohort import STAGES, CohortRow, patient_of
from tmtv_tf.evaluation import paper

NOT_STATED = "not stated"
ALL = "All"


def cohort_table(rows: Iterable[CohortRow]) -> pd.DataFrame:
    """One row a trial, and all of them last: patients, how many of each stage and subtype; the paper's beside.

    Parameters
    ----------
    rows : of cohort.csv. A patient with several cases counts once, with the first of them.

    Returns
    -------
    DataFrame
        trial, n, stage_I to stage_IV, stage_not_stated, subtypes (text), paper_n, paper_stages. Empty for a cohort
        without trial and stage.
    """
    rows = list(rows)
    if not any(row.get("trial") or row.get("ann_arbor_stage") for row in rows):
        return pd.DataFrame()
    patients = {patient_of(row): row for row in reversed(rows)}.values()
    trials = sorted({row.get("trial") or NOT_STATED for row in patients}, key=lambda t: (t == NOT_STATED, t))
    members = {
        trial: [row for row in patients if (row.get("trial") or NOT_STATED) == trial] for trial in trials
    }
    return pd.DataFrame([_row(trial, chosen) for trial, chosen in [*members.items(), (ALL, list(patients))]])


def _row(trial: str, patients: list[CohortRow]) -> dict[str, Any]:
    stages = [row.get("ann_arbor_stage") for row in patients]
    subtypes = pd.Series([row.get("subtype") or NOT_STATED for row in patients]).value_counts()
    published, stages_there = paper.COHORT.get(trial, (float("nan"), ""))
    return {
        "trial": trial,
        "n": len(patients),
        **{f"stage_{stage}": stages.count(stage) for stage in STAGES},
        "stage_not_stated": stages.count(None),
        "subtypes": ", ".join(f"{name} {count}" for name, count in sorted(subtypes.items())),
        "paper_n": published,
        "paper_stages": stages_there,
    }
