"""Cut-offs of the readers' TMTV against survival: the table and the curves of a study's report.

`volumes` has one row per case: `fold`, the months and events of each end point, and the columns of `VOLUMES`.
"""

from __future__ import annotations

import pandas as pd

from tmtv_tf.evaluation.figures import DPI, STYLE
from tmtv_tf.evaluation.mip import png
from tmtv_tf.evaluation.prognosis.clinical_pet import CutOff, cut_off_table, cut_offs
from tmtv_tf.evaluation.prognosis.study_figures import survival_panel

VOLUMES = {"tmtv_ml": "41 % of SUVmax", "mtv4_ml": "SUV > 4.0"}
END_POINTS = ("pfs", "os")


def study_cut_offs(volumes: pd.DataFrame) -> pd.DataFrame:
    """The rows of `clinical_pet.cut_off_table` for each volume and end point; empty with fewer than ten cases."""
    tables = [
        cut_off_table(found).assign(volume=VOLUMES[name], end_point=end.upper())
        for name in VOLUMES
        for end in END_POINTS
        if (found := _cut_offs(volumes, name, end))
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def cut_off_figure(volumes: pd.DataFrame) -> bytes | None:
    """Kaplan-Meier curves of PFS above and below each cut-off of the TMTV (41 %); None where there is no cut-off."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = _cut_offs(volumes, "tmtv_ml", "pfs")
    if not found:
        return None
    known = _known(volumes, "tmtv_ml", "pfs")
    with rc_context(STYLE):
        figure = Figure(figsize=(4.1 * len(found), 4.4), dpi=DPI, layout="constrained")
        panels = figure.subplots(2, len(found), gridspec_kw={"height_ratios": [5, 1]}, squeeze=False)
        for column, cut in enumerate(found):
            panels[0][column].set_title(f"{'ABC'[column]}   {cut.name}, {cut.value_ml:.0f} mL", loc="left")
            survival_panel(
                panels[0][column], panels[1][column], known, "pfs", cut.high, ("TMTV low", "TMTV high")
            )
        return png(figure)


def _cut_offs(volumes: pd.DataFrame, name: str, end: str) -> list[CutOff]:
    known = _known(volumes, name, end)
    return cut_offs(known[name], known[f"{end}_months"], known[f"{end}_event"], known["fold"])


def _known(volumes: pd.DataFrame, name: str, end: str) -> pd.DataFrame:
    return volumes.dropna(subset=[name, f"{end}_months", f"{end}_event", "fold"])
