"""The tables that the field asks for today, beside the paper's own (`tables`).

Agreement in units that other studies report, lesions, cases without lesion, several readers. Each is also written as
CSV.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tmtv_tf.evaluation.agreement import bland_altman, describe, median_interval
from tmtv_tf.evaluation.concordance import (
    Estimate,
    coefficient_of_variation,
    icc_a1,
    lin_ccc,
    log_ratio,
    relative_bland_altman,
    share_close,
)
from tmtv_tf.evaluation.methods import NETWORK, ReaderRow
from tmtv_tf.evaluation.published import READERS, ReaderAgreement
from tmtv_tf.evaluation.wording import METHOD_NAMES

NAN = float("nan")
READER_COLUMNS = list(ReaderRow.__annotations__)
# Measure -> its name, and the columns of `case_methods.csv` that hold it.
MEASURES = {
    "tmtv": ("TMTV, mL", "tmtv_manual_ml", "tmtv_predicted_ml"),
    "tlg": ("TLG, g", "tlg_manual", "tlg_predicted"),
    "dmax_mm": ("Dmax, centroids, mm", "dmax_mm_manual", "dmax_mm_predicted"),
    "dmax_bulk_mm": ("Dmax from the bulk, mm", "dmax_bulk_mm_manual", "dmax_bulk_mm_predicted"),
    "dmax_voxel_mm": ("Dmax, voxels, mm", "dmax_voxel_mm_manual", "dmax_voxel_mm_predicted"),
    "lesion_count": ("Lesions", "lesion_count_manual", "lesion_count_predicted"),
}
LESION_METRICS = {
    "autopet_dice": "autoPET I, II, IV: Dice",
    "autopet3_dice": "autoPET III: Dice (undefined for an empty truth)",
    "autopet_fpv_ml": "autoPET: false-positive volume, mL",
    "autopet_fnv_ml": "autoPET I, II, IV: false-negative volume, mL",
    "autopet3_fnv_ml": "autoPET III: false-negative volume, mL",
    "lesion_precision_iou_0": "Lesion precision, IoU > 0",
    "lesion_recall_iou_0": "Lesion recall, IoU > 0",
    "lesion_f1_iou_0": "Lesion F1, IoU > 0",
    "lesion_precision_iou_0.5": "Lesion precision, IoU > 0.5",
    "lesion_recall_iou_0.5": "Lesion recall, IoU > 0.5",
    "lesion_f1_iou_0.5": "Lesion F1, IoU > 0.5",
    "lesion_recall_suvmax": "Lesions whose hottest voxel is predicted, share",
    "hd95_mm": "95 % Hausdorff distance, mm",
    "surface_dice": "Surface Dice at 4 mm",
}


def concordance(methods: pd.DataFrame) -> pd.DataFrame:
    """Agreement per method and measure, and for TMTV the agreement of readers that was published.

    ICC(A,1), Lin's CCC, coefficient of variation, share close, Bland-Altman in the unit, in per cent and as a ratio.
    """
    rows = []
    for method, chosen in methods.groupby("method", sort=False):
        for key, (name, manual, predicted) in MEASURES.items():
            if manual not in chosen:
                continue
            known = READERS.get(str(method), ReaderAgreement()) if key == "tmtv" else ReaderAgreement()
            rows.append(
                {
                    "method": method,
                    "measure": key,
                    "name": name,
                    **_agreement(chosen[predicted], chosen[manual], volume=key == "tmtv"),
                    "readers_icc": known.icc,
                    "readers_cv_percent": known.cv_percent,
                    "readers_share_close": known.share_close,
                    "readers_source": known.source,
                }
            )
    return pd.DataFrame(rows)


def _agreement(predicted: pd.Series, manual: pd.Series, *, volume: bool) -> dict[str, Any]:
    x, y = predicted.to_numpy(float), manual.to_numpy(float)
    icc, ccc = icc_a1(np.stack([x, y], axis=1)), lin_ccc(x, y)
    close = share_close(x, y) if volume else None
    plain, percent, ratio = bland_altman(x, y), relative_bland_altman(x, y), log_ratio(x, y)
    return {
        "n": plain.n,
        "n_undefined": int(len(x) - plain.n),
        **_estimate("icc", icc),
        **_estimate("ccc", ccc),
        "cv_percent": coefficient_of_variation(x, y).value,
        **_estimate("share_close", close),
        "bias": plain.bias,
        "lower_limit": plain.lower_limit,
        "upper_limit": plain.upper_limit,
        "bias_percent": percent.bias,
        "lower_limit_percent": percent.lower_limit,
        "upper_limit_percent": percent.upper_limit,
        "n_ratio": ratio.n,
        "ratio": float(np.exp(ratio.bias)),
        "lower_limit_ratio": float(np.exp(ratio.lower_limit)),
        "upper_limit_ratio": float(np.exp(ratio.upper_limit)),
    }


def _estimate(name: str, found: Estimate | None) -> dict[str, float]:
    """A value and the ends of its interval."""
    value, low, high = (found.value, found.low, found.high) if found else (NAN, NAN, NAN)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def lesion_metrics(cases: pd.DataFrame) -> pd.DataFrame:
    """The raw mask against the truth, lesion by lesion (18 neighbours): one row per metric, over the cases."""
    rows = []
    for key, name in LESION_METRICS.items():
        found = describe(cases[key]) if key in cases else describe([])
        numbers = {n: getattr(found, n) for n in ("n", "n_undefined", "median", "q1", "q3", "mean", "sd")}
        rows.append({"key": key, "name": name, **numbers})
    return pd.DataFrame(rows)


def without_lesion(cases: pd.DataFrame) -> pd.DataFrame:
    """Cases whose truth is empty, as a group of their own: how many get a false alarm, and of how many mL."""
    chosen = cases[cases["reference_ml"] == 0]
    alarms = chosen[chosen["predicted_ml"] > 0]
    volume = describe(alarms["predicted_ml"])
    return pd.DataFrame(
        [
            {
                "n": len(chosen),
                "n_with_lesion": len(cases) - len(chosen),
                "false_alarms": len(alarms),
                "false_alarm_share": len(alarms) / len(chosen) if len(chosen) else NAN,
                "false_alarm_lesions": int(chosen["predicted_foci"].sum()),
                "false_alarm_median_ml": volume.median,
                "false_alarm_max_ml": volume.maximum,
                "missed_altogether": int(((cases["reference_ml"] > 0) & (cases["predicted_ml"] == 0)).sum()),
            }
        ]
    )


def readers(rows: pd.DataFrame, cases: int) -> pd.DataFrame:
    """Per method and pair (two readers, or a reader and the network): Dice and agreement of TMTV.

    `n_missing` : reported cases where one of the two is missing. No reader: an empty table.
    """
    found = []
    for (method, first, second), chosen in rows.groupby(["method", "first", "second"], sort=False):
        x, y = chosen["tmtv_second_ml"], chosen["tmtv_first_ml"]
        low, high = median_interval(chosen["dice"])
        found.append(
            {
                "method": method,
                "first": first,
                "second": second,
                "n_missing": cases - len(chosen),
                "median_dice": describe(chosen["dice"]).median,
                "median_dice_low": low,
                "median_dice_high": high,
                **_agreement(x, y, volume=True),
            }
        )
    return pd.DataFrame(found)


def reader_statements(table: pd.DataFrame) -> list[str]:
    """Per method whether the network agrees with each reader as well as the readers do with each other.

    Judged by the median Dice and by the absolute bias of TMTV in per cent: within the readers means not worse than
    the worst pair of readers. Nothing is said where one of these is undefined: one case has no mean difference. A
    statement about these cases, not a test.
    """
    said = []
    for method, rows in table.groupby("method", sort=False) if len(table) else ():
        human, network = rows[rows["second"] != NETWORK], rows[rows["second"] == NETWORK]
        if human.empty or network.empty:
            continue
        name = METHOD_NAMES.get(str(method), str(method))
        worst, ours = human["median_dice"].min(), network["median_dice"].min()
        bias, ours_bias = human["bias_percent"].abs().max(), network["bias_percent"].abs().max()
        if not np.isfinite([worst, ours, bias, ours_bias]).all():
            said.append(f"{name}: too few cases to say whether the network is within the readers.")
            continue
        within = "within the readers" if ours >= worst and ours_bias <= bias else "not within the readers"
        said.append(
            f"{name}: the network is {within}. Lowest median Dice of two readers {worst:.2f}, of the network with a "
            f"reader {ours:.2f}; largest mean difference of TMTV {bias:.0f} % and {ours_bias:.0f} %."
        )
    return said
