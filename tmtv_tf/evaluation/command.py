"""What `tmtv evaluate` does: one folder of results to a report, several to a report each and a page that compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from petct.errors import ParameterError
from petct.files import locked, remove, remove_leftovers, require_writable
from petct.parallel import Outcome, progress
from tmtv_tf.evaluation.cohort import Evaluation, evaluate_cohort
from tmtv_tf.evaluation.compare import FILES, names_of, write_comparison
from tmtv_tf.evaluation.report import print_summary, write_report
from tmtv_tf.evaluation.report_files import remove_report
from tmtv_tf.evaluation.training_hours import read_hours


def evaluate_folders(
    results: Sequence[Path],
    cases: Path,
    out: Path,
    *,
    probability: Path | None = None,
    final: bool = False,
    run: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Outcome]:
    """Evaluate each folder; with several, write each report to `out/<name>` and the comparison to `out`.

    Raises
    ------
    CaseError
        Folders that cannot be evaluated, or that share no case.
    ParameterError
        Maps are given for more than one folder.
    """
    if len(results) > 1 and probability is not None:
        raise ParameterError("--probability belongs to one folder of results.")
    require_writable(out)
    hours = None if run is None else read_hours(run)
    names = names_of(results)
    outcomes: list[Outcome] = []
    evaluations: dict[str, Evaluation] = {}
    with locked(out):
        remove_leftovers(out)
        if len(results) > 1:
            for name in FILES:
                remove(out / name)
        for name, folder in zip(names, results):
            target = out if len(results) == 1 else out / name
            before = (target / "index.html").is_file()
            evaluation, found = evaluate_cohort(
                folder, cases, probability, out=target, final=final, workers=workers, scheduler=scheduler
            )
            outcomes += found
            if evaluation is not None:
                evaluation.training_hours = hours
                with progress("report", None):
                    page = write_report(evaluation, target)
                print_summary(evaluation, page)
                evaluations[name] = evaluation
            elif before or remove_report(target):
                print(
                    f"{target}: the earlier report was removed; no case could be evaluated now.",
                    file=sys.stderr,
                )
        if len(evaluations) > 1:
            print(f"Comparison: {write_comparison(evaluations, out)}")
    return outcomes
