"""Outcomes of synthetic patients: hazards driven by what the image shows and by one thing that it does not.

Progression has a Weibull hazard, proportional to exp(image score + UNSEEN * u). The image score adds the true TMTV
(log), Dmax and SUVmax (log), each centred and scaled by fixed numbers; u is a standard normal nobody sees. Death
comes at a constant rate from other causes, at another after progression. Follow-up ends between 18 and 84 months.

Nothing else enters - not the scanner, the split, age or sex - so nothing but the image can predict. As the chance
of an event rises with the image score, no reading of the image ranks patients better than that score: `best_auc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# Weight, centre and scale of each true measure. The weights are ours, of the size of published hazard ratios.
TMTV = (1.0, np.log(200.0), 0.9)  # of log mL
DMAX = (0.55, 420.0, 190.0)  # of mm
SUV_MAX = (0.3, np.log(17.0), 0.5)  # of log SUV
UNSEEN = 0.5
WEIBULL_SHAPE, WEIBULL_MONTHS = 0.8, 90.0  # exp(-(t / months)^shape) at score 0 and u = 0
OTHER_DEATHS_PER_MONTH, DEATHS_AFTER_PROGRESSION_PER_MONTH = 0.001, 0.02
FOLLOW_UP_MONTHS = (18.0, 84.0)
EFS_MONTHS = 24.0
COLUMNS = ("efs2y_event", "pfs_months", "pfs_event", "os_months", "os_event")


def image_score(
    tmtv_ml: npt.ArrayLike, dmax_mm: npt.ArrayLike, suv_max: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Log hazard ratio of progression that the image holds; the best any reader of the image can know."""
    measures = (
        np.log(np.maximum(tmtv_ml, 0.1)),
        np.asarray(dmax_mm, float),
        np.log(np.maximum(suv_max, 0.1)),
    )
    return np.sum([w * (m - c) / s for m, (w, c, s) in zip(measures, (TMTV, DMAX, SUV_MAX))], axis=0)


def draw_outcome(score: float, rng: np.random.Generator) -> dict[str, Any]:
    """PFS, OS and 2-year EFS of one patient.

    Returns
    -------
    dict
        `COLUMNS`: months (one decimal), events 0 or 1; `efs2y_event` is 1 for progression or death by 24 months,
        0 when followed for 24 months without, None when censored before.
    """
    hazard_ratio = np.exp(score + UNSEEN * rng.standard_normal())
    progression = WEIBULL_MONTHS * (rng.exponential() / hazard_ratio) ** (1 / WEIBULL_SHAPE)
    other = rng.exponential(1 / OTHER_DEATHS_PER_MONTH)
    death = min(other, progression + rng.exponential(1 / DEATHS_AFTER_PROGRESSION_PER_MONTH))
    last_seen = rng.uniform(*FOLLOW_UP_MONTHS)
    failure = min(progression, death)
    pfs_months, os_months = (round(max(0.1, min(t, last_seen)), 1) for t in (failure, death))
    pfs_event, os_event = int(failure <= last_seen), int(death <= last_seen)
    if pfs_event and pfs_months <= EFS_MONTHS:
        efs: int | None = 1
    else:
        efs = 0 if pfs_months >= EFS_MONTHS else None
    return {
        "efs2y_event": efs,
        "pfs_months": pfs_months,
        "pfs_event": pfs_event,
        "os_months": os_months,
        "os_event": os_event,
    }


def event_probability(score: npt.ArrayLike, months: float = EFS_MONTHS) -> npt.NDArray[np.float64]:
    """Chance of progression or death within `months`, the unseen factor averaged out (Gauss-Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    hazard = np.exp(np.asarray(score, float)[..., None] + UNSEEN * nodes)
    free = np.exp(-hazard * (months / WEIBULL_MONTHS) ** WEIBULL_SHAPE) @ (weights / weights.sum())
    return 1 - free * np.exp(-OTHER_DEATHS_PER_MONTH * months)


def best_auc(scores: npt.ArrayLike) -> float | None:
    """Expected AUC, for an event within 24 months, of ranking these patients by the image score itself.

    Over all pairs: the chance that one has the event and the other not, and that the one with the higher score has
    it. No other use of the images does better, but by luck in a small cohort. None for fewer than two patients.
    """
    score = np.asarray(scores, float)
    if len(score) < 2:
        return None
    p = event_probability(score)
    discordant = np.outer(p, 1 - p)
    np.fill_diagonal(discordant, 0)
    wins = np.sign(score[:, None] - score[None, :]) / 2 + 0.5
    return float((discordant * wins).sum() / discordant.sum())
