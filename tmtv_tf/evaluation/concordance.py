"""Agreement of two or more measurements of the same patients in units that other studies report.

ICC(A,1), Lin's concordance, coefficient of variation, share within 10 % or 10 mL, Bland-Altman in per cent and as a
ratio. A pair with NaN is left out and counted; where too few are left, or nothing varies, the statistic is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from petct.errors import ParameterError
from tmtv_tf.evaluation.agreement import CONFIDENCE, BlandAltman, bland_altman, pairs

NAN = float("nan")
# Boellaard et al., J Nucl Med 2024: two readings agree if they differ by <= 10 % of the reference or by <= 10 mL.
CLOSE_SHARE, CLOSE_ML = 0.10, 10.0


@dataclass(frozen=True)
class Estimate:
    """A statistic of `n` patients with its 95 % interval."""

    n: int
    value: float
    low: float = NAN
    high: float = NAN


def icc_a1(measurements: npt.ArrayLike) -> Estimate:
    """ICC(A,1): two-way model, absolute agreement, one measurement (McGraw and Wong 1996; ICC(2,1) of Shrout).

    Parameters
    ----------
    measurements : (patients, readers); a patient with NaN is left out

    Returns
    -------
    Estimate
        The interval is McGraw and Wong's (F distribution). NaN with fewer than 3 patients, one reader, or values that
        are all equal. Readers who agree exactly: 1, no interval.
    """
    values = np.asarray(measurements, float)
    if values.ndim != 2:
        raise ParameterError(f"ICC needs patients in rows, readers in columns. Received: {values.shape}.")
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    if n < 3 or k < 2:
        return Estimate(n, NAN)
    mean = values.mean()
    of_patient, of_reader = values.mean(axis=1), values.mean(axis=0)
    patients = k * ((of_patient - mean) ** 2).sum() / (n - 1)
    readers = n * ((of_reader - mean) ** 2).sum() / (k - 1)
    rest = values - of_patient[:, None] - of_reader + mean
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    variation = patients + (k - 1) * error + k / n * (readers - error)
    if not variation > 1e-12 * max(mean**2, 1e-300):
        return Estimate(n, NAN)
    icc = float((patients - error) / variation)
    if not 1 - icc > 1e-12:
        return Estimate(n, 1.0)
    if error == 0:  # every patient differs by the same amounts: no interval
        return Estimate(n, icc)
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (a * readers + b * error) ** 2 / (
        (a * readers) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    tail = (1 + CONFIDENCE) / 2
    below, above = stats.f.ppf(tail, n - 1, freedom), stats.f.ppf(tail, freedom, n - 1)
    spread = k * readers + (k * n - k - n) * error
    low = n * (patients - below * error) / (below * spread + n * patients)
    high = n * (above * patients - error) / (spread + n * above * patients)
    return Estimate(n, icc, float(low), float(high))


def lin_ccc(first: npt.ArrayLike, second: npt.ArrayLike) -> Estimate:
    """Lin's concordance correlation coefficient, 2 s12 / (s1^2 + s2^2 + (m1 - m2)^2), moments divided by n.

    Lin, Biometrics 1989;45:255; interval by his z transformation with the correction of 2000;56:324. No interval where
    one of both does not vary (then it is 0), or where all pairs are equal (1). NaN with fewer than 3 pairs, or if all
    values are one value.
    """
    x, y = pairs(first, second)
    n = x.size
    if n < 3 or np.ptp([x, y]) == 0:
        return Estimate(n, NAN)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(n, 0.0)
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    c = float(2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))
    r = float(covariance / (x.std() * y.std()))
    if abs(c) > 1 - 1e-12 or r == 0:
        return Estimate(n, c)
    u2 = (x.mean() - y.mean()) ** 2 / (x.std() * y.std())
    variance = (
        (1 - r**2) * c**2 * (1 - c**2) / r**2 + 2 * c**3 * (1 - c) * u2 / r - c**4 * u2**2 / (2 * r**2)
    ) / ((n - 2) * (1 - c**2) ** 2)
    reach = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(max(variance, 0.0))
    return Estimate(n, c, float(np.tanh(np.arctanh(c) - reach)), float(np.tanh(np.arctanh(c) + reach)))


def coefficient_of_variation(first: npt.ArrayLike, second: npt.ArrayLike) -> Estimate:
    """Within-patient coefficient of variation in %: root mean square over patients of SD / mean of the two.

    The SD of two values is |difference| / sqrt(2). A patient whose two values are 0 is left out (Bland and Altman,
    BMJ 1996;313:744, root mean square form). NaN with no patient. No interval.
    """
    x, y = pairs(first, second)
    mean = (x + y) / 2
    used = mean > 0
    if not used.any():
        return Estimate(0, NAN)
    ratio = (x - y)[used] / np.sqrt(2) / mean[used]
    return Estimate(int(used.sum()), float(100 * np.sqrt((ratio**2).mean())))


def share_close(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> Estimate:
    """Share of patients whose two volumes differ by <= 10 % of the manual one or by <= 10 mL; Wilson interval."""
    x, y = pairs(predicted, manual)
    if not x.size:
        return Estimate(0, NAN)
    difference = np.abs(x - y)
    close = int(((difference <= CLOSE_SHARE * y * (1 + 1e-9)) | (difference <= CLOSE_ML * (1 + 1e-9))).sum())
    interval = stats.binomtest(close, x.size).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(int(x.size), close / x.size, float(interval.low), float(interval.high))


def relative_bland_altman(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> BlandAltman:
    """Bland-Altman of 100 (predicted - manual) / mean of both, in %; a patient whose two values are 0 is left out."""
    x, y = pairs(predicted, manual)
    mean = (x + y) / 2
    used = mean > 0
    return bland_altman(100 * (x - y)[used] / mean[used], np.zeros(int(used.sum())))


def log_ratio(predicted: npt.ArrayLike, manual: npt.ArrayLike) -> BlandAltman:
    """Bland-Altman of ln(predicted / manual); exp of it is a ratio. Patients where one of both is 0 are left out."""
    x, y = pairs(predicted, manual)
    used = (x > 0) & (y > 0)
    return bland_altman(np.log(x[used]), np.log(y[used]))
