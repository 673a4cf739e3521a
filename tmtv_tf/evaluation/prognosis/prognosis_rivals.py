"""The simple rivals of a prognostic network: regressions on what the reader's contours already tell.

TMTV, Dmax and SUVmax come from this project's post-processing (41 % of SUVmax inside the reader's lesions), so a
network that does not beat them has found nothing in the image that a ruler would not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from petct.image import read_image
from postprocess import patient_measures, segment
from tmtv_tf.cases.case import Case
from tmtv_tf.evaluation.prognosis.clinical_pet import IMPI, PET_MODEL, impi_features

MEASURES = ("tmtv_ml", "dmax_mm", "suv_max")
HORIZON_MONTHS = 24.0
# A small ridge keeps the Cox model finite where few events separate the groups completely.
COX_PENALIZER = 0.05


def measure(case: Case, method: str = "41") -> dict[str, float]:
    """TMTV, Dmax (between centroids) and SUVmax of the reader's lesions, and `PET_MODEL` of them under SUV 4.0.

    No lesion: all 0; no contours: NaN.
    """
    if case.tmtvprob is None:
        return dict.fromkeys((*MEASURES, *PET_MODEL), float("nan"))
    pet, truth = read_image(case.pet), read_image(case.tmtvprob)
    labels = segment(truth, pet, method=method)
    found = patient_measures(labels, pet).as_dict()
    above_4 = patient_measures(segment(truth, pet, method="4.0"), pet).as_dict()
    clinical = (above_4[name] for name in ("tmtv_ml", "dmax_bulk_mm", "suv_peak"))
    return {
        **{name: float(found[name] or 0.0) for name in MEASURES},
        **{name: float(value or 0.0) for name, value in zip(PET_MODEL, clinical)},
    }


def logistic_scores(
    train: pd.DataFrame, test: pd.DataFrame, measures: Sequence[str] = MEASURES
) -> np.ndarray:
    """Probability of an event for the rows of `test`: logistic regression on the logarithms, classes balanced.

    Rows of `train` without outcome or measures are left out; rows of `test` without measures get NaN.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = train.dropna(subset=["efs2y_event", *measures])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    model.fit(_features(known, measures), known["efs2y_event"].astype(int))
    scores = np.full(len(test), np.nan)
    complete = test[list(measures)].notna().all(axis=1).to_numpy()
    if complete.any():
        scores[complete] = model.predict_proba(_features(test[complete], measures))[:, 1]
    return scores


def cox_scores(train: pd.DataFrame, test: pd.DataFrame, measures: Sequence[str] = MEASURES) -> np.ndarray:
    """Probability of progression within 24 months for the rows of `test`, by Cox regression on PFS.

    NaN for rows without measures, and for all when no training patient has a PFS time and event.
    """
    return _cox(train, test, measures, lambda rows: _features(rows, measures))


def impi_scores(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """The same with what the International Metabolic Prognostic Index is made of, its coefficients fitted to `train`.

    NaN for rows without MTV, age or stage, and for all in a cohort without these columns.
    """
    if not set(IMPI) <= set(train):
        return np.full(len(test), np.nan)
    return _cox(train, test, IMPI, impi_features)


def _cox(
    train: pd.DataFrame,
    test: pd.DataFrame,
    measures: Sequence[str],
    features_of: Callable[[pd.DataFrame], pd.DataFrame],
) -> np.ndarray:
    from lifelines import CoxPHFitter

    known = train.dropna(subset=["pfs_months", "pfs_event", *measures])
    scores = np.full(len(test), np.nan)
    complete = test[list(measures)].notna().all(axis=1).to_numpy()
    if not (known["pfs_event"] == 1).any() or not complete.any():
        return scores
    features = features_of(known)
    features = features.loc[:, features.std() > 0]  # a stage that no training patient has teaches nothing
    mean, sd = features.mean(), features.std()
    table = ((features - mean) / sd).assign(
        months=known["pfs_months"].clip(lower=1e-3), event=known["pfs_event"].astype(int)
    )
    fitted = CoxPHFitter(penalizer=COX_PENALIZER).fit(table, "months", "event")
    survival = fitted.predict_survival_function(
        (features_of(test[complete])[features.columns] - mean) / sd, times=[HORIZON_MONTHS]
    )
    scores[complete] = 1 - survival.to_numpy()[0]
    return scores


def _features(rows: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    return rows[list(measures)].astype(float).apply(np.log1p)
