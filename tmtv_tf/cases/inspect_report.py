"""Print what `inspect` found, for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tmtv_tf.cases.inspect import Report, SeriesRow

if TYPE_CHECKING:
    from rich.console import Console

# A terminal of so many columns has room for UIDs (64 letters) in the table.
WIDE = 140


def print_report(report: Report, width: int | None = None) -> None:
    """The report for people, on stdout: `width` columns, the terminal's by default, 160 into a file.

    Where a UID has no room in the table it stands on a line of its own, never broken.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=width or (None if sys.stdout.isatty() else 160), highlight=False)
    wide = console.width >= WIDE
    columns = ["", "Use", "Modality", "No.", "Slices", "Spacing z y x, mm", "Units", "SUV factor"]
    for study in dict.fromkeys(row["study"] for row in report.series):
        rows = [row for row in report.series if row["study"] == study]
        table = Table(
            title=f"Study {study}, patient {rows[0]['patient']}",
            title_justify="left",
            expand=False,
            box=box.HEAVY_HEAD if wide else box.SIMPLE_HEAD,
            pad_edge=wide,
            padding=(0, 1) if wide else (0, 1, 0, 0),
        )
        for column in [*columns, *(["Series UID"] if wide else [])]:
            table.add_column(column, overflow="fold")
        for index, row in enumerate(rows, start=1):
            spacing = row["spacing_mm"] or ()
            cells = [
                str(index),
                "refused" if row["refused"] else "yes" if row["selected"] else "",
                row["modality"],
                str(row["series_number"] if row["series_number"] is not None else ""),
                str(row["n_slices"]),
                " ".join(f"{value:.4g}" for value in spacing),
                row["units"] or "",
                "" if row["suv_factor"] is None else f"{row['suv_factor']:.9g}",
            ]
            uid = row["series_uid"] + (f"\n{row['description']}" if row.get("description") else "")
            table.add_row(*cells, *([uid] if wide else []))
        console.print(table)
        for index, row in enumerate(rows, start=1):
            if not wide:
                text = " ".join([row["series_uid"], row.get("description") or ""]).strip()
                console.print(f"  #{index} {row['modality']}: {text}", markup=False, soft_wrap=True)
            _print_series(console, f"#{index} {row['modality']}", row)
        for note in report.notes.get(study, ()):
            console.print(f"  {note}", markup=False)
    for reason, (first, count) in report.skipped.items():
        console.print(f"Left out: {count} x {reason} (first: {first})", markup=False)


def _print_series(console: Console, name: str, row: SeriesRow) -> None:
    """What does not fit the table: the SUV rule of a PET in use, problems, why a series is passed over."""
    if row["selected"] and row["suv_rule"]:
        console.print(f"  {name}: {row['suv_rule']}", markup=False)
        console.print(
            f"  {name}: injection {row['injection_time'] or 'not stated'}, reference "
            f"{row['reference_time'] or 'not needed'}"
            + (f", SUL = SUV * {row['sul_per_suv']:.4f}" if row.get("sul_per_suv") else ""),
            markup=False,
        )
    if row["passed_over"]:
        console.print(f"  {name}: not used: {row['passed_over']}", markup=False)
    for problem in row["problems"]:
        console.print(f"  {name}: {problem}", markup=False)
    if row.get("roi_names"):
        console.print(f"  {name}: ROIs: {', '.join(row['roi_names'])}", markup=False)
