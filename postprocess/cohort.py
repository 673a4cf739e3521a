"""Many cases: collect `tmtv.csv`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from petct.console import listed
from petct.errors import TmtvError
from petct.files import remove, write_csv
from postprocess.results import LATE, Measures, TmtvResult, late_warning, read_result
from postprocess.review import final_folder

TABLE_FILE = "tmtv.csv"


def write_table(out: Path, failed: Collection[str] = ()) -> list[str]:
    """Rebuild `OUT/tmtv.csv` from the results in OUT, one row a case, and return warnings.

    Columns are `case_id`, per method `tmtv_ml_<method>` (the automatic result), `tmtv_final_ml_<method>` (after a
    reader's edits; the same without edits; empty where the edits are not in a result yet), and the automatic
    `<measure>_<method>`. A column `outdated` says of which results not all images are part (`late_warning`), if there
    are such. Cases in `failed` are left out: what their folders hold is of an earlier run. No case left: the table is
    removed.
    """
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    kinds: dict[str, str] = {}
    for folder in sorted(path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")):
        result = read_result(folder)
        if result is None or folder.name in failed:
            continue
        try:
            final = read_result(final_folder(folder))
        except TmtvError as error:
            final = None
            warnings.append(f"{folder.name}: no final TMTV: {error}")
        late = late_warning(folder, result)
        warnings += [f"{folder.name}: {text}" for text in late]
        row = {"case_id": folder.name, **({"outdated": LATE} if late else {})}
        rows.append({**row, **_numbers(result["methods"], final["methods"] if final else {})})
        kinds.setdefault(_kind(result), folder.name)
    if len(kinds) > 1:
        warnings.append(
            f"{out / TABLE_FILE}: its cases were made with {len(kinds)} models, parameters or versions (those of "
            f"{listed(list(kinds.values()))}, for example); their numbers are not comparable."
        )
    if rows:
        write_csv(out / TABLE_FILE, dict.fromkeys(column for row in rows for column in row), rows)
    else:
        remove(out / TABLE_FILE)
    return warnings


@contextmanager
def table_of_what_is_left(out: Path) -> Iterator[None]:
    """Rebuild the table where a run ends early, by an error or Ctrl-C: results that it names may have been removed."""
    try:
        yield
    except BaseException:
        if out.is_dir():
            write_table(out)
        raise


def _numbers(methods: Mapping[str, Measures], final: Mapping[str, Measures]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for method, measures in methods.items():
        row[f"tmtv_ml_{method}"] = measures.get("tmtv_ml")
        row[f"tmtv_final_ml_{method}"] = final.get(method, {}).get("tmtv_ml")
        row |= {f"{name}_{method}": value for name, value in measures.items() if not isinstance(value, dict)}
    return row


def _kind(result: TmtvResult) -> str:
    """What must be equal for the numbers of two cases to be compared."""
    of_the_patient = dict.fromkeys(("height_cm", "weight_kg", "liver_suv", "lung_suv"))
    parameters = {**result.get("parameters", {}), **of_the_patient}
    model = result["inputs"].get("model", {}).get("sha256")
    return json.dumps([parameters, model, result.get("software")], sort_keys=True)
