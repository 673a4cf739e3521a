"""Figures of a cross-validated study: ROC, calibration, Kaplan-Meier (Liu et al. 2022, figures 3 and 6). PNG bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tmtv_tf.evaluation.figures import DPI, INK, STYLE
from tmtv_tf.evaluation.mip import png
from tmtv_tf.evaluation.prognosis import liu2022
from tmtv_tf.evaluation.prognosis.classification import (
    brier_score,
    reliability,
    roc_curve,
    wilson_interval,
)
from tmtv_tf.evaluation.prognosis.study_tables import ORACLE, RIVALS, calls, name_of
from tmtv_tf.evaluation.prognosis.survival import at_risk, compare_groups, kaplan_meier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHOD_COLOUR = "#B00020"
# Okabe and Ito, and greys: distinct for colour-blind readers.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A00", "#666666")
LOW_COLOUR, HIGH_COLOUR = "#0072B2", "#D55E00"
GRID_MONTHS = 12
LEGEND_TOP = 1.45  # of the axis of survival: above 1 is the legend, where no curve can lie under it


def roc_figure(predictions: pd.DataFrame) -> bytes:
    """Figure 3: mean ROC of every model over the folds (`mean_roc`), with the area under that very curve.

    Networks are solid (the method bold), rivals dashed, the phantom's true risk dotted.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(9.4, 5.4), dpi=DPI)
        axes = figure.add_axes((0.07, 0.1, 0.5, 0.86))
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for model, (colour, style, width) in _lines(predictions).items():
            rows = _known(predictions, model)
            x, y = mean_roc(rows)
            label = f"{name_of(model)}: {np.trapezoid(y, x):.3f}"
            axes.plot(x, y, color=colour, linestyle=style, linewidth=width, label=label)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_aspect("equal")
        axes.set_xlabel("1 − specificity")
        axes.set_ylabel("sensitivity")
        figure.legend(
            loc="outside right center", frameon=False, title="AUC, mean of the folds", alignment="left"
        )
        return png(figure)


def mean_roc(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """False positive rate, and the mean of the folds' true positive rates there: the area is the mean of their AUCs.

    Scores of different networks are never ranked together. A fold without one of the classes has no curve. Each rate
    stands twice, before and after its jump.
    """
    folds = [f for _, f in rows.groupby("fold") if f["efs2y_event"].nunique() == 2]
    curves = [roc_curve(f["efs2y_event"], f["probability"]) for f in folds]
    if not curves:
        return np.array([]), np.array([])
    rates = np.unique(np.concatenate([x for x, _ in curves]))
    before, after = np.zeros(len(rates)), np.zeros(len(rates))
    for x, y in curves:
        first, last = np.searchsorted(x, rates, "left"), np.searchsorted(x, rates, "right") - 1
        between = np.interp(rates, x, y)
        corner = x[first] == rates
        before += np.where(corner, y[first], between) / len(curves)
        after += np.where(corner, y[last], between) / len(curves)
    return np.repeat(rates, 2), np.column_stack([before, after]).ravel()


def calibration_figure(predictions: pd.DataFrame, bins: int = 5) -> bytes:
    """Observed share of events against the mean predicted probability in bins of equally many patients.

    One panel per model; bars are Wilson's 95 % intervals.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    models = list(_lines(predictions))
    columns = min(4, max(len(models), 1))
    lines = -(-len(models) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(2.7 * columns, 2.75 * max(lines, 1)), dpi=DPI, layout="constrained")
        for i, model in enumerate(models, start=1):
            rows = _known(predictions, model)
            mean, share, n = reliability(rows["efs2y_event"], rows["probability"], bins)
            limits = np.array([wilson_interval(round(s * k), int(k)) for s, k in zip(share, n, strict=True)])
            axes = figure.add_subplot(max(lines, 1), columns, i)
            axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
            axes.vlines(mean, limits[:, 0], limits[:, 1], color="#999999", linewidth=1)
            colour = METHOD_COLOUR if model == liu2022.METHOD else INK
            axes.plot(mean, share, "o-", color=colour, markersize=4, linewidth=1)
            axes.set_title(textwrap.fill(name_of(model), 34), fontsize=8, loc="left")
            brier = brier_score(rows["efs2y_event"], rows["probability"])
            axes.text(0.04, 0.92, f"Brier {brier:.3f}", transform=axes.transAxes, fontsize=8)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
        figure.supxlabel("predicted probability", fontsize=9)
        figure.supylabel("observed share of events", fontsize=9)
        return png(figure)


def kaplan_meier_figure(predictions: pd.DataFrame, cohort: pd.DataFrame, model: str, rule: str) -> bytes:
    """Figure 6: PFS (A) and OS (B) of the patients that the model calls an event, and of the others.

    95 % bands, censoring marks, log-rank p, hazard ratio, and the numbers at risk below.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = predictions[predictions["model"] == model]
    rows = rows.merge(cohort.drop(columns=["efs2y_event"], errors="ignore"), on="case_id")
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 4.4), dpi=DPI, layout="constrained")
        panels = figure.subplots(2, 2, gridspec_kw={"height_ratios": [5, 1]}, squeeze=False)
        for column, (end, title) in enumerate(
            (("pfs", "Progression-free survival"), ("os", "Overall survival"))
        ):
            known = rows.dropna(subset=[f"{end}_months", f"{end}_event", "probability"])
            axes, table = panels[0][column], panels[1][column]
            axes.set_title(f"{'AB'[column]}   {title}", loc="left")
            if known.empty:
                axes.text(0.5, 0.5, f"no {end.upper()} in the cohort", ha="center", transform=axes.transAxes)
                table.set_axis_off()
                continue
            labels = ("predicted no event", "predicted event")
            survival_panel(axes, table, known, end, calls(known, rule).to_numpy(), labels)
        return png(figure)


def survival_panel(
    axes: Axes, table: Axes, rows: pd.DataFrame, end: str, high: np.ndarray, labels: tuple[str, str]
) -> None:
    """Kaplan-Meier curves of two groups of `rows`, `labels` for low and high, and below them who is at risk."""
    months, events = rows[f"{end}_months"].to_numpy(float), rows[f"{end}_event"].to_numpy(bool)
    times = np.arange(0, months.max() + 1, GRID_MONTHS)
    table.set_axis_off()
    table.text(0, 1.02, "at risk", transform=table.transAxes, fontsize=7.5, color="#777777")
    for line, (group, colour, label) in enumerate(
        ((~high, LOW_COLOUR, labels[0]), (high, HIGH_COLOUR, labels[1]))
    ):
        if not group.any():
            continue
        curve = kaplan_meier(months[group], events[group])
        axes.step(curve.months, curve.survival, where="post", color=colour, label=f"{label} (n = {curve.n})")
        axes.fill_between(
            curve.months, curve.low, curve.high, step="post", color=colour, alpha=0.13, linewidth=0
        )
        at = np.searchsorted(curve.months, curve.censored_months, side="right") - 1
        axes.plot(
            curve.censored_months, curve.survival[at], "|", color=colour, markersize=5, markeredgewidth=0.8
        )
        for time, count in zip(times, at_risk(months[group], times), strict=True):
            table.text(time, 0.62 - 0.5 * line, str(count), color=colour, ha="center", fontsize=8)
    found = compare_groups(months, events, high)
    lines = [f"log-rank p {_p(found.logrank_p)}"]
    if found.hazard_ratio == found.hazard_ratio:
        lines.append(f"HR {found.hazard_ratio:.2f} ({found.hazard_low:.2f} to {found.hazard_high:.2f})")
    axes.set_xlim(-1, months.max() * 1.02)
    axes.set_ylim(0, LEGEND_TOP)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.spines["left"].set_bounds(0, 1)
    axes.set_xticks(times)
    axes.set_xlabel("months")
    axes.set_ylabel("survival")
    axes.legend(loc="upper right", frameon=False, fontsize=8, title="\n".join(lines), title_fontsize=8)
    table.set_xlim(axes.get_xlim())
    table.set_ylim(0, 1)


def _lines(predictions: pd.DataFrame) -> dict[str, tuple[str, str, float]]:
    """Colour, line style and width of every model with a prognosis, the method last (on top)."""
    models = [m for m in predictions["model"].unique() if len(_known(predictions, m))]
    models.sort(key=lambda m: (m == liu2022.METHOD, m in (*RIVALS, ORACLE)))
    lines: dict[str, tuple[str, str, float]] = {}
    for model, colour in zip(models, _cycle(COLOURS, len(models)), strict=True):
        if model == liu2022.METHOD:
            lines[model] = (METHOD_COLOUR, "-", 2.4)
        elif model == ORACLE:
            lines[model] = (INK, ":", 1.6)
        else:
            lines[model] = (colour, "--" if model in RIVALS else "-", 1.2)
    return lines


def _known(predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    return predictions[predictions["model"] == model].dropna(subset=["efs2y_event", "probability"])


def _cycle(values: Sequence[str], n: int) -> list[str]:
    return [values[i % len(values)] for i in range(n)]


def _p(value: float) -> str:
    if value != value:
        return "undefined"
    return "< 0.0001" if value < 1e-4 else f"= {value:.4f}"
