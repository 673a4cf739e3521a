"""The files of a report, and how an earlier one is removed."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

from petct.files import remove

TEMPLATES = Path(__file__).parent / "templates"
# The CSV files of a report, by name without suffix.
TABLES = (
    "cases",
    "case_methods",
    "case_readers",
    "patients",
    "concordance",
    "dice_by_subtype",
    "tmtv_distribution",
    "agreement",
    "stages",
    "voxel_metrics",
    "lesion_metrics",
    "without_lesion",
    "readers",
    "roi_counts",
    "dice_by_split",
    "rivals",
    "missed_lesions",
    "false_positives",
)


def remove_report(out: str | os.PathLike[str], keep: Set[str] = frozenset()) -> bool:
    """Remove an earlier report, its page first: it is not about these results.

    Parameters
    ----------
    out : folder of the report
    keep : case ids whose pictures stay

    Returns
    -------
    bool
        Whether there was one. Files that `write_report` did not write are left alone.
    """
    out = Path(out)
    found = [out / name for name in ("index.html", "evaluation.json") if (out / name).is_file()]
    pictures = [path for path in out.glob("mips/*.png") if path.stem not in keep]
    if found:
        tables = [out / f"{name}.csv" for name in TABLES]
        for path in [*found, *tables, *out.glob("figure[123]_*.png")]:
            remove(path)
    for path in pictures:
        remove(path)
    return bool(found)
