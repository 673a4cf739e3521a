"""What all requests share: the work list, the open cases, the DICOM."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from petct.errors import CaseError, TmtvError
from petct.files import csv_text
from postprocess.cohort import write_table
from tmtv_tf.review.export import DicomTree
from tmtv_tf.review.readers import mirror
from tmtv_tf.review.session import Session
from tmtv_tf.review.worklist import Case, Folders, find_cases, pet_path, read_case

OPEN_CASES = 2  # each holds its PET and CT: half a gigabyte for a large one
# Key in `tmtv.json`, column of the automatic and of the final number (the first two as in `tmtv.csv`).
COLUMNS = (
    ("tmtv_ml", "tmtv_ml", "tmtv_final_ml"),
    ("tlg", "tlg", "tlg_final"),
    ("dmax_mm", "dmax_mm", "dmax_final_mm"),
    ("lesion_count", "lesion_count", "lesion_count_final"),
    ("suv_max", "suv_max", "suv_max_final"),
)

_log = logging.getLogger(__name__)


class Review:
    """The cases of a folder of results, for one reader.

    adjudicates : two readers whose blind results are shown beside each other
    """

    def __init__(self, folders: Folders, reader: str, adjudicates: Sequence[str] = ()) -> None:
        self.folders, self.reader, self.adjudicates = folders, reader, tuple(adjudicates)
        self.case_ids = find_cases(folders)
        self.tree = DicomTree(folders)
        self._open: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self._lock = Lock()

    def session(self, case_id: str) -> Session | None:
        """The open case; None where there is no such case."""
        return self._session(case_id, self.folders) if case_id in self.case_ids else None

    def other(self, case_id: str, reader: str) -> Session:
        """The case as one of the adjudicated readers left it."""
        if reader not in self.adjudicates:
            raise CaseError("This reader is not adjudicated here: name both with --adjudicate.")
        return self._session(case_id, self.folders.of_reader(reader))

    def others(self, case_id: str) -> dict[str, Session]:
        """The case as each of the adjudicated readers left it."""
        if not self.adjudicates:
            raise CaseError(
                "Readers stay blind to each other; start tmtv review with --adjudicate to compare them."
            )
        return {name: self.other(case_id, name) for name in self.adjudicates}

    def as_json(self) -> dict[str, Any]:
        """The work list."""
        why = (
            None if self.folders.series else "Start tmtv review with --series DICOM to export from the page."
        )
        return {
            "reader": self.reader,
            "blind": self.folders.blind is not None,
            "adjudicates": list(self.adjudicates),
            "can_export": why is None,
            "why_no_export": why,
            "cases": [self._row(case_id).as_json() for case_id in self.case_ids],
        }

    def cohort_csv(self) -> str:
        """One row a case: the automatic and the final numbers, as `tmtv.csv` has them."""
        rows = []
        for case_id in self.case_ids:
            case = self._row(case_id)
            row: dict[str, Any] = {"case_id": case_id, "status": case.status, "reason": case.reason}
            for method, found in case.methods.items():
                final = case.final.get(method, {})
                for key, before, after in COLUMNS:
                    row |= {f"{before}_{method}": found.get(key), f"{after}_{method}": final.get(key)}
            rows.append(row)
        return csv_text(dict.fromkeys(name for row in rows for name in row), rows)

    def close(self, case_id: str) -> dict[str, Any]:
        """Save a case that its reader leaves, and bring `tmtv.csv` up to date."""
        session = self._open.get((case_id, self._key(self.folders)))
        version = None if session is None else session.save()
        self._write_table()
        return {"version": None if version is None else version.name}

    def shutdown(self) -> None:
        """Save all that is open."""
        with self._lock:
            sessions = list(self._open.values())
            self._open.clear()
        for session in sessions:
            self._save(session)
        if sessions:
            self._write_table()

    def _session(self, case_id: str, folders: Folders) -> Session:
        key = (case_id, self._key(folders))
        with self._lock:
            found = self._open.get(key)
            if found is not None and found.is_stale:
                self._open.pop(key)
                found = None
            if found is None:
                case = read_case(folders, case_id)
                if case.status == "failed":
                    raise CaseError(str(case.reason))
                if folders.blind is not None:
                    mirror(case.automatic, case.folder, pet_path(folders, case_id))
                found = self._open[key] = Session(case, folders, self.reader)
            self._open.move_to_end(key)
            most = OPEN_CASES + len(self.adjudicates)
            left = [self._open.popitem(last=False)[1] for _ in range(max(0, len(self._open) - most))]
        for session in left:
            self._save(session)
        return found

    def _row(self, case_id: str) -> Case:
        """A row of the list; of an open case with the numbers that no version has yet."""
        case = read_case(self.folders, case_id)
        session = self._open.get((case_id, self._key(self.folders)))
        if session is None or case.final or case.status == "failed":
            return case
        return case.with_final({m: now.measures.as_dict() for m, now in session.snapshot().methods.items()})

    def _save(self, session: Session) -> None:
        try:
            session.close()
        except TmtvError as problem:  # the edits are in edits.json; the next run makes the version
            _log.warning("%s: not saved in review/: %s", session.case.case_id, problem)

    def _write_table(self) -> None:
        try:
            write_table(self.folders.table_root)
        except TmtvError as problem:
            _log.warning("%s", problem)

    @staticmethod
    def _key(folders: Folders) -> str:
        return folders.blind or ""
