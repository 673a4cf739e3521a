"""Figures 1 to 3 of Revailler et al. 2022 for a cohort: box plots, Bland-Altman, scatter. One panel per method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tmtv_tf.evaluation.agreement import bland_altman, spearman
from tmtv_tf.evaluation.mip import PREDICTION_COLOUR, REFERENCE_COLOUR, png
from tmtv_tf.evaluation.wording import METHOD_NAMES, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#222222"
DPI = 144
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#777777",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}


def box_plots(methods: pd.DataFrame) -> bytes:
    """Figure 1: TMTV in mL, manual and predicted, one dot per patient.

    Boxes to the quartiles, whiskers to 1.5 interquartile ranges.
    """

    def panel(axes: Axes, rows: pd.DataFrame) -> None:
        values = [rows["tmtv_manual_ml"].to_numpy(), rows["tmtv_predicted_ml"].to_numpy()]
        boxes = axes.boxplot(values, widths=0.5, showfliers=False, medianprops={"color": INK})
        for line in [*boxes["boxes"], *boxes["whiskers"], *boxes["caps"]]:
            line.set_color("#777777")
        spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(rows))
        for i, (value, colour) in enumerate(zip(values, (REFERENCE_COLOUR, PREDICTION_COLOUR))):
            axes.plot(i + 1 + spread, value, "o", markersize=3.5, color=colour, alpha=0.75, markeredgewidth=0)
        axes.set_xticks([1, 2], ["manual", "predicted"])
        axes.set_ylabel("TMTV (mL)")
        axes.set_ylim(bottom=0)

    return _panels(methods, panel)


def bland_altman_plots(methods: pd.DataFrame) -> bytes:
    """Figure 2: predicted - manual TMTV against their mean, with bias and limits of agreement."""

    def panel(axes: Axes, rows: pd.DataFrame) -> None:
        predicted, manual = rows["tmtv_predicted_ml"].to_numpy(), rows["tmtv_manual_ml"].to_numpy()
        axes.plot(
            (predicted + manual) / 2,
            predicted - manual,
            "o",
            markersize=4,
            color=INK,
            alpha=0.7,
            markeredgewidth=0,
        )
        axes.axhline(0, color="#bbbbbb", linewidth=0.8)
        found = bland_altman(predicted, manual)
        if found.n > 1:
            for value, text, style in (
                (found.bias, "bias", "-"),
                (found.lower_limit, "−1.96 SD", "--"),
                (found.upper_limit, "+1.96 SD", "--"),
            ):
                axes.axhline(value, color=PREDICTION_COLOUR, linewidth=1.1, linestyle=style)
                axes.annotate(  # beside the panel, where no case can lie under it
                    f"{text}\n{number(value, 0, sign=True)}",
                    (1.02, value),
                    xycoords=("axes fraction", "data"),
                    ha="left",
                    va="center",
                    fontsize=7.5,
                    color=PREDICTION_COLOUR,
                )
        axes.margins(y=0.15)
        axes.set_xlabel("mean of both TMTV (mL)")
        axes.set_ylabel("predicted − manual (mL)")

    return _panels(methods, panel)


def scatter_plots(methods: pd.DataFrame) -> bytes:
    """Figure 3: predicted against manual TMTV with the line of identity and Spearman's coefficient."""

    def panel(axes: Axes, rows: pd.DataFrame) -> None:
        predicted, manual = rows["tmtv_predicted_ml"].to_numpy(), rows["tmtv_manual_ml"].to_numpy()
        top = max(float(np.max([predicted, manual], initial=0.0)) * 1.08, 1.0)
        axes.plot([0, top], [0, top], color="#bbbbbb", linewidth=0.9)
        axes.plot(manual, predicted, "o", markersize=4, color=INK, alpha=0.7, markeredgewidth=0)
        rho = spearman(predicted, manual).statistic
        axes.text(
            0.04, 0.95, f"r = {rho:.2f}" if rho == rho else "r undefined", transform=axes.transAxes, va="top"
        )
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_aspect("equal")
        axes.set_xlabel("manual TMTV (mL)")
        axes.set_ylabel("predicted TMTV (mL)")

    return _panels(methods, panel)


def _panels(methods: pd.DataFrame, draw) -> bytes:  # noqa: ANN001 - (Axes, rows of one method) -> None
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(methods["method"]))
    with rc_context(STYLE):
        figure = Figure(figsize=(3.1 * max(len(names), 2), 3.2), dpi=DPI, layout="constrained")
        for i, name in enumerate(names):
            axes = figure.add_subplot(1, max(len(names), 2), i + 1)
            draw(axes, methods[methods["method"] == name])
            axes.set_title(f"{chr(ord('A') + i)}   {METHOD_NAMES.get(name, name)}", loc="left")
        return png(figure)
