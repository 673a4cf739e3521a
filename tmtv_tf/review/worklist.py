"""Which cases there are, where their files lie, and how far each has come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from petct.errors import CaseError, ParameterError, TmtvError
from petct.ids import PATTERN, check_id
from postprocess.edits import EDITS_FILE, EditLog, read_log
from postprocess.find import find_pet
from postprocess.results import RESULT_FILE, Measures, TmtvResult, late_warning, read_result
from postprocess.review import current_version, is_signed

DEFAULT_METHOD = "41"
READERS = "readers"  # in the folder of results: <reader>/<case_id>/


@dataclass(frozen=True)
class Folders:
    """The folders that the user gave; nothing outside them is read.

    results : of `tmtv run` or `tmtv-postprocess`. cases : of `tmtv prepare`, for images that `results` lacks.
    series : DICOM, for exports. blind : a reader whose edits are kept apart from everybody else's.
    """

    results: Path
    cases: Path | None = None
    series: Path | None = None
    blind: str | None = None

    def edits_of(self, case_id: str) -> Path:
        """The folder of a case's edits and versions."""
        return self.table_root / case_id

    @property
    def table_root(self) -> Path:
        """The folder of `tmtv.csv`, which is locked while edits are written: the one that `tmtv-postprocess` locks."""
        return self.results if self.blind is None else self.results / READERS / self.blind

    def of_reader(self, reader: str) -> Folders:
        """The same for a reader whose edits are apart."""
        return replace(self, blind=reader)

    def roots(self) -> list[Path]:
        return [root.resolve() for root in (self.results, self.cases, self.series) if root is not None]

    def checked(self, path: Path) -> Path:
        """The path itself, if it lies in one of the folders, links followed.

        Raises
        ------
        CaseError
            It leads out of them.
        """
        found = path.resolve()
        if not any(found.is_relative_to(root) for root in self.roots()):
            raise CaseError(
                f"{path}: a link that leads out of the folders given to tmtv review; it is not read."
            )
        return path

    def short(self, text: str) -> str:
        """A sentence without the paths of the folders, for the page."""
        for name, root in (("RESULTS", self.results), ("CASES", self.cases), ("DICOM", self.series)):
            if root is not None:
                text = text.replace(str(root.resolve()), name).replace(str(root), name)
        return text


@dataclass(frozen=True)
class Case:
    """A row of the work list.

    automatic : folder of the automatic result. folder : where this reader's edits and versions go.
    status : unread, in_progress, signed, reopened or failed
    methods, final : measures by method of the automatic result and after the edits; `final` is empty where the edits
        are in no version yet
    """

    case_id: str
    automatic: Path
    folder: Path
    status: str
    reason: str | None = None
    methods: dict[str, Measures] = field(default_factory=dict)
    final: dict[str, Measures] = field(default_factory=dict)
    has_ct: bool = False

    def as_json(self) -> dict[str, Any]:
        shown = default_method(self.methods) if self.methods else ""
        return {
            "case_id": self.case_id,
            "status": self.status,
            "reason": self.reason,
            "tmtv_ml": {name: found["tmtv_ml"] for name, found in self.methods.items()},
            "tmtv_final_ml": {name: found["tmtv_ml"] for name, found in self.final.items()},
            "lesion_count": self.final.get(shown, {}).get("lesion_count"),
            "has_ct": self.has_ct,
        }

    def with_final(self, final: dict[str, Measures]) -> Case:
        """The same with final numbers."""
        return replace(self, final=final)


def reader_folders(
    results: Path, cases: Path | None, series: Path | None, blind: str | None, adjudicates: Sequence[str]
) -> Folders:
    """The folders of one call, checked.

    Raises
    ------
    TmtvError
        A folder that is not there; a blind reader whose name cannot be a folder; adjudication by a blind reader, or of
        readers who have no folder.
    """
    for path in (results, cases, series):
        if path is not None and not path.is_dir():
            raise CaseError(f"{path}: no such folder.")
    if blind is not None:
        check_id(blind, "--reader", "reader")
        if adjudicates:
            raise ParameterError("Who adjudicates sees both readers: leave out --blind.")
    for name in adjudicates:
        check_id(name, "--adjudicate", "reader")
        if not (results / READERS / name).is_dir():
            raise CaseError(
                f"{results / READERS / name}: no such reader (tmtv review --blind --reader {name})."
            )
    if len(set(adjudicates)) < len(adjudicates):
        raise ParameterError("--adjudicate takes two readers.")
    return Folders(results.absolute(), cases and cases.absolute(), series and series.absolute(), blind)


def find_cases(folders: Folders) -> list[str]:
    """The case ids of a folder of results, by name.

    Raises
    ------
    CaseError
        No such folder, or none of its folders holds a result.
    """
    root = folders.results
    if not root.is_dir():
        raise CaseError(f"{root}: no such folder.")
    found = [
        path.name
        for path in sorted(root.iterdir())
        if PATTERN.fullmatch(path.name) and path.is_dir() and (path / RESULT_FILE).is_file()
    ]
    if not found:
        raise CaseError(
            f"{root}: no result in it; expected {root}/<case_id>/{RESULT_FILE}, as tmtv run writes."
        )
    return found


def read_case(folders: Folders, case_id: str) -> Case:
    """The row of one case; a result that cannot be used gives status `failed` with its reason."""
    automatic = folders.results / case_id
    try:
        folders.checked(automatic / RESULT_FILE)
        result = read_result(automatic)
        if result is None or not result["methods"]:
            raise CaseError(f"{automatic / RESULT_FILE}: not a whole result; run tmtv-postprocess again.")
        return _row(folders, case_id, automatic, result)
    except TmtvError as error:
        return Case(case_id, automatic, automatic, "failed", folders.short(str(error)))


def pet_path(folders: Folders, case_id: str) -> Path:
    """The PET of a case: that of the result, else that of the case folder.

    Raises
    ------
    CaseError
        There is none, or it leads out of the folders.
    """
    own = folders.results / case_id / "pet.nii.gz"
    if own.is_file():
        return folders.checked(own)
    if folders.cases is not None:
        path = find_pet(folders.cases, case_id)
        if path.exists():
            return folders.checked(path)
    where = (
        "give --cases with the folder that tmtv prepare wrote" if folders.cases is None else "nor in --cases"
    )
    raise CaseError(f"{own}: the PET is not beside the result; {where}.")


def ct_path(folders: Folders, case_id: str) -> Path | None:
    """The CT of a case, or None."""
    parents = [folders.results] + ([folders.cases] if folders.cases is not None else [])
    found = next((p for root in parents if (p := root / case_id / "ct.nii.gz").is_file()), None)
    return None if found is None else folders.checked(found)


def default_method(methods: Iterable[str]) -> str:
    """The method that is shown first."""
    names = list(methods)
    return DEFAULT_METHOD if DEFAULT_METHOD in names else names[0]


def status_of(log: EditLog, signed: bool) -> str:
    """How far a case has come. signed : its newest version holds the numbers that the reader signed."""
    if signed:
        return "signed"
    if log.was_signed:
        return "reopened"
    return "in_progress" if log.entries else "unread"


def _methods_of(version: Path | None) -> dict[str, Measures]:
    found = None if version is None else read_result(version)
    return {} if found is None else found["methods"]


def _row(folders: Folders, case_id: str, automatic: Path, result: TmtvResult) -> Case:
    folder = folders.edits_of(case_id)
    methods = result["methods"]
    final, status = methods, "unread"
    if (folder / EDITS_FILE).exists():
        log = read_log(folder)
        version = current_version(folder, result, log)
        status = status_of(log, is_signed(version))
        if log.in_force:
            final = _methods_of(version)
    return Case(
        case_id,
        automatic,
        folder,
        status,
        next(iter(late_warning(automatic, result)), None),
        methods=methods,
        final=final,
        has_ct=ct_path(folders, case_id) is not None,
    )
