"""Two or more sets of results on the same cases: paired differences, and the cases that changed most. One page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from petct.errors import CaseError
from petct.files import write_csv, write_json, write_text
from tmtv_tf.evaluation.agreement import percentile_interval
from tmtv_tf.evaluation.cohort import Evaluation
from tmtv_tf.evaluation.report_files import TEMPLATES
from tmtv_tf.evaluation.wording import METHOD_NAMES, number, p_value, span
from tmtv_tf.report.template import page_template

NAN = float("nan")
CHANGED_SHOWN = 15
FILES = ("index.html", "comparison.csv", "changes.csv", "comparison.json")


def names_of(folders: Sequence[Path]) -> list[str]:
    """A short name for each results folder: its own, with its parent's where two are called alike.

    Raises
    ------
    CaseError
        A folder is named twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise CaseError(f"The same folder of results is named twice: {', '.join(map(str, folders))}.")
    own = [folder.resolve().name for folder in folders]
    long = [
        f"{folder.resolve().parent.name}-{name}" if own.count(name) > 1 else name
        for folder, name in zip(folders, own)
    ]
    return [f"{name}-{i + 1}" if long.count(name) > 1 else name for i, name in enumerate(long)]


def paired_differences(first: npt.ArrayLike, second: npt.ArrayLike) -> dict[str, float]:
    """second - first of the same cases: mean and median, 95 % bootstrap interval of the mean, Wilcoxon's p.

    A case with NaN on one side is left out. The interval (percentile, 2000 resamples) and p (two-sided signed ranks)
    are NaN with fewer than three cases; p is 1 where nothing differs.
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    difference = (y - x)[~(np.isnan(x) | np.isnan(y))]
    n = difference.size
    low = high = p = NAN
    if n >= 3 and (difference == difference[0]).all():
        low = high = float(difference[0])
    elif n >= 3:
        low, high = percentile_interval(difference, np.mean)
    if n >= 3:
        p = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    return {
        "n": n,
        "n_undefined": int(x.size - n),
        "mean": float(difference.mean()) if n else NAN,
        "median": float(np.median(difference)) if n else NAN,
        "low": low,
        "high": high,
        "p": p,
    }


def shared_methods(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """`case_methods.csv` of all, one row per case and method that every one has, columns `<column>|<name>`.

    Raises
    ------
    CaseError
        No case and method is in all of them.
    """
    tables = [
        evaluation.reported_methods.set_index(["case_id", "method"]).add_suffix(f"|{name}")
        for name, evaluation in evaluations.items()
    ]
    joined = pd.concat(tables, axis=1, join="inner")
    if joined.empty:
        raise CaseError(f"No case and method is in all of {', '.join(evaluations)}: nothing to compare.")
    return joined.reset_index()


def comparison(joined: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Per method, each set of results against the first: Dice, absolute error of TMTV, TMTV itself."""
    rows = []
    for method, chosen in joined.groupby("method", sort=False):
        for name in names[1:]:
            for measure in ("dice", "tmtv_error_ml", "tmtv_ml"):
                one, two = (_measure(chosen, measure, who) for who in (names[0], name))
                row = {"method": method, "measure": measure, "first": names[0], "second": name}
                medians = {"first_median": _median(one), "second_median": _median(two)}
                rows.append({**row, **medians, **paired_differences(one, two)})
    return pd.DataFrame(rows)


def most_changed(joined: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Every case, method and set of results, the largest change of Dice against the first set first.

    An undefined one (empty on one side) stands before all others, since a lesion appeared or went.
    """
    rows = []
    for record in joined.to_dict("records"):
        for name in names[1:]:
            before, after = record[f"dice|{names[0]}"], record[f"dice|{name}"]
            rows.append(
                {
                    "case_id": record["case_id"],
                    "method": record["method"],
                    "second": name,
                    "dice_first": before,
                    "dice_second": after,
                    "tmtv_manual_ml": record[f"tmtv_manual_ml|{names[0]}"],
                    "tmtv_first_ml": record[f"tmtv_predicted_ml|{names[0]}"],
                    "tmtv_second_ml": record[f"tmtv_predicted_ml|{name}"],
                    "change": abs(after - before) if (before == before or after == after) else 0.0,
                }
            )
    table = pd.DataFrame(rows)
    return table.sort_values(
        ["change", "case_id"], ascending=[False, True], na_position="first", kind="stable"
    )


def write_comparison(evaluations: Mapping[str, Evaluation], out: Path) -> Path:
    """Write index.html, comparison.csv, changes.csv and comparison.json under `out`; return the page."""
    names = list(evaluations)
    joined = shared_methods(evaluations)
    table, changes = comparison(joined, names), most_changed(joined, names)
    everywhere = set(joined["case_id"])
    left_out = {
        name: sorted(set(evaluation.reported["case_id"]) - everywhere)
        for name, evaluation in evaluations.items()
    }
    write_csv(out / "comparison.csv", table.columns, table.itertuples(index=False))
    write_csv(out / "changes.csv", changes.columns, changes.itertuples(index=False))
    write_json(
        out / "comparison.json",
        {
            "names": names,
            "cases": len(everywhere),
            "left_out": left_out,
            "comparison": table.to_dict("records"),
        },
    )
    template = page_template(
        TEMPLATES / "compare.html.j2",
        number=number,
        p_value=p_value,
        method=lambda name: METHOD_NAMES.get(str(name), str(name)),
    )
    page = template.render(
        names=names,
        cases=len(everywhere),
        left_out=left_out,
        rows=table.to_dict("records"),
        changes=changes[changes["change"] != 0].head(CHANGED_SHOWN).to_dict("records"),
        phantom=all(evaluation.phantom for evaluation in evaluations.values()),
        span=span,
        measures={"dice": "Dice", "tmtv_error_ml": "|TMTV error|, mL", "tmtv_ml": "TMTV, mL"},
    )
    write_text(out / "index.html", page)
    return out / "index.html"


def _measure(rows: pd.DataFrame, measure: str, name: str) -> pd.Series:
    if measure == "dice":
        return rows[f"dice|{name}"]
    predicted = rows[f"tmtv_predicted_ml|{name}"]
    return predicted if measure == "tmtv_ml" else (predicted - rows[f"tmtv_manual_ml|{name}"]).abs()


def _median(values: pd.Series) -> float:
    return float(values.median())
