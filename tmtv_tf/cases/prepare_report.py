"""What `tmtv prepare` says when it ends: prepare.csv, left_out.csv, the lists on request, a few lines on stdout."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from petct.files import csv_text, write_private_text
from petct.parallel import Outcome
from tmtv_tf.cases.layouts import LeftOut
from tmtv_tf.cases.paths import PathNumbers, shorten, write_path_list
from tmtv_tf.cases.prepare import CaseInput, summary_row
from tmtv_tf.cases.pseudonym import Scrubber, identifying_words
from tmtv_tf.cases.table import write_table

SUMMARY_NAME = "prepare.csv"
LEFT_OUT_NAME = "left_out.csv"


@dataclass(frozen=True)
class Report:
    """What came of a run.

    Attributes
    ----------
    outcomes : one per case found; its error as it may be written, without names and paths
    errors : case id -> the same error with its paths, for the user's own terminal
    left_out : what no case was made from, by number
    notes : sentences about the tables, for stdout
    """

    outcomes: list[Outcome]
    errors: dict[str, str]
    left_out: list[LeftOut]
    notes: tuple[str, ...] = ()

    def failures(self, terminal: bool) -> list[Outcome]:
        """The outcomes with the errors to show: with names of files only where stderr is a terminal."""
        if not terminal:
            return self.outcomes
        return [replace(o, error=self.errors.get(o.case_id, o.error)) for o in self.outcomes]


def write_report(
    out: Path,
    cases: Sequence[CaseInput],
    outcomes: Sequence[Outcome],
    left_out: Sequence[LeftOut],
    roots: Sequence[Path],
    path_list: Path | None = None,
    named: Callable[[str], str] = str,
) -> Report:
    """Write prepare.csv and left_out.csv, and on request the list of paths; return what may be said.

    named : brings a path, or a message with paths, to what the user knows
    """
    errors = {o.case_id: named(shorten(o.error, roots)) for o in outcomes if o.error is not None}
    anonymous = [
        o if o.error is None else replace(o, error=case.anonymous(o.error, roots))
        for case, o in zip(cases, outcomes, strict=True)
    ]
    numbered, paths = _numbered(left_out, _words_of_all(cases, left_out), roots)
    _write_summary(out, cases, anonymous)
    write_table(
        out / LEFT_OUT_NAME,
        ["kind", "name", "reason"],
        [{"kind": item.kind, "name": item.name, "reason": item.reason} for item in numbered],
    )
    if path_list is not None:
        rows = [(LEFT_OUT_NAME, number, path) for path, number in paths.items()]
        for case in cases:
            names = PathNumbers(case.paths(), roots).names
            rows += [(case.case_id, number, path) for path, number in names.items()]
        write_path_list(path_list, [(where, number, named(name)) for where, number, name in rows])
    return Report(anonymous, errors, numbered)


def write_link_file(path: Path, cases: Sequence[CaseInput]) -> None:
    """PatientID and case_id of every case, on request: a CSV file that only its owner can read."""
    rows = sorted((case.patient_id, case.case_id, case.study_uid) for case in cases)
    write_private_text(path, csv_text(("PatientID", "case_id", "study_uid"), rows))


def _numbered(
    left_out: Sequence[LeftOut], words: set[str], roots: Sequence[Path]
) -> tuple[list[LeftOut], dict[str, str]]:
    """What was left out with numbers for paths, and path -> number. UIDs of series stay."""
    scrub = Scrubber(words)
    no_path = PathNumbers([], roots)
    numbers: dict[str, str] = {}
    numbered = []
    for item in left_out:
        name = item.name
        if Path(name).is_absolute():
            noun = "folder" if item.kind in ("folder", "study") else "file"
            name = numbers.setdefault(name, f"{noun} {len(numbers) + 1}")
        reason = no_path(item.reason.replace(item.name, name))
        numbered.append(replace(item, name=scrub(name), reason=scrub(reason)))
    return numbered, numbers


def _words_of_all(cases: Sequence[CaseInput], left_out: Sequence[LeftOut]) -> set[str]:
    """What must not be written of any patient: a reason may quote a header."""
    if not left_out:
        return set()
    words = {word for case in cases for word in case.source.identifying_words()}
    for path in {item.header for item in left_out if item.header is not None}:
        words |= identifying_words(path)
    return words


def _write_summary(out: Path, cases: Sequence[CaseInput], outcomes: Sequence[Outcome]) -> None:
    """prepare.csv, where UIDs lead from a case, a failed one too, to its examination."""
    columns = list(summary_row({"case_id": "", "grid": {"shape": (0, 0, 0), "spacing_mm": (0, 0, 0)}}, ""))
    rows = [
        outcome.value
        if outcome.error is None
        else {
            **dict.fromkeys(columns),
            "case_id": outcome.case_id,
            "status": "failed",
            "reason": outcome.error,
            "study_uid": case.study_uid,
            "pet_series_uid": case.source.pet_series_uid,
        }
        for case, outcome in zip(cases, outcomes, strict=True)
    ]
    write_table(out / SUMMARY_NAME, columns, rows)


def print_report(report: Report, out: Path) -> None:
    """What was done, on stdout, in a few lines without names."""
    kept = sum(
        outcome.error is None and outcome.value["status"] == "unchanged" for outcome in report.outcomes
    )
    done = sum(outcome.error is None for outcome in report.outcomes)
    print(
        f"{done} of {len(report.outcomes)} cases in {out}"
        + (f" ({kept} were finished already)." if kept else ".")
    )
    if done < len(report.outcomes):
        print(f"Of failed cases, study_uid and pet_series_uid in {out / SUMMARY_NAME} say which they are.")
    kinds_of_warning = _kinds(
        text
        for outcome in report.outcomes
        if outcome.error is None
        for text in filter(None, outcome.value["warnings"].split(" | "))
    )
    if kinds_of_warning:
        print(f"Warnings, one of each kind (all: {out / SUMMARY_NAME}):")
    for count, text in kinds_of_warning:
        print(f"  {count} x {text}")
    for note in report.notes:
        print(note)
    if report.left_out:
        counts = Counter(item.kind for item in report.left_out)
        kinds = ", ".join(
            f"{count} {kind}{'s' if count > 1 and kind != 'series' else ''}" for kind, count in counts.items()
        )
        print(
            f"Left out: {kinds}; reasons in {out / LEFT_OUT_NAME}. Files have numbers there; --path-list says which."
        )


def _kinds(warnings: Iterable[str]) -> list[tuple[int, str]]:
    """How many warnings there are of each kind, and the first of it; alike but for numbers and file names is a kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for text in warnings:
        kinds[re.sub(r"\S*\d\S*|\S+[/.]\S+", "", text)].append(text)
    return [(len(texts), texts[0]) for texts in kinds.values()]
