"""SEG, RTSTRUCT, SR and the report (also as encapsulated PDF) of a reviewed result, from the page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from petct.dicom.headers import Series, find_series
from petct.errors import CaseError
from petct.exam import Exam, read_series, select_exam
from petct.export.pdf import write_pdf as write_pdf_object
from petct.export.source import SourceSeries
from petct.files import read_json
from postprocess.measures import lesions_of_voxels
from postprocess.results import refuse_late
from postprocess.suv_source import suv_of_result
from tmtv_tf.pipeline.export import export_exam
from tmtv_tf.report.content import StudyPage, suv_rows
from tmtv_tf.review.session import Session
from tmtv_tf.review.worklist import Folders


class DicomTree:
    """The PET series below the folder of `--series`."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._lock = Lock()

    def exam(self, session: Session) -> Exam:
        """The PET that a result was made from.

        Raises
        ------
        TmtvError
            It is not there, or nobody says which one it is.
        """
        root = self.folders.series
        if root is None:
            raise CaseError("Give --series with the DICOM folder to export from the page.")
        uid, overrides = suv_of_result(session.case.automatic)
        uid = uid or _of_case_folder(session)
        if not uid:
            return read_series(select_exam(root).require_pet())
        with self._lock:
            pet = self._by_uid.get(uid)
        if pet is None:
            raise CaseError(f"{root}: the PET series of this case is not there ({uid}).")
        return read_series(pet, None, overrides)

    @cached_property
    def _by_uid(self) -> dict[str, Series]:
        if self.folders.series is None:
            return {}
        series, _ = find_series(self.folders.series)
        return {one.series_uid: one for one in series}


def export_case(session: Session, tree: DicomTree, method: str) -> dict[str, Any]:
    """Write the files of the current edits into their `review/<version>/`.

    Raises
    ------
    TmtvError
        No DICOM, another PET; or nothing was edited or signed, so that there is no version.
    """
    version = session.save()
    if version is None:
        raise CaseError(
            "Nothing was changed and nothing is signed: the objects of the automatic result are those of tmtv run, or "
            "of tmtv export. Sign first if it is right as it is."
        )
    refuse_late(session.case.automatic)
    exam = tree.exam(session)
    made = export_exam(session.case.folder, exam, version, method=method)
    pdf = _write_page(session, exam, version, method)
    write_pdf_object(
        version / "report.dcm", pdf, SourceSeries(exam.headers, exam.pet.geometry), made.provenance
    )
    files = [*made.files, "report.html", "report.pdf", "report.dcm"]
    return {
        "folder": session.folders.short(str(version)),
        "files": files,
        "tmtv_ml": made.tmtv_ml,
        "warnings": [session.folders.short(text) for text in made.warnings],
    }


def _write_page(session: Session, exam: Exam, version: Path, method: str) -> bytes:
    """report.html and report.pdf; the bytes of the second."""
    from tmtv_tf.report.html import write_html
    from tmtv_tf.report.pdf import write_pdf
    from tmtv_tf.report.pictures import cuts, projections

    with session.lock:
        now, images, log = session.snapshot(), session.images, session.log
    shown = now.methods[method]
    pet, labels = images.pet, shown.lesions.paint()
    table = lesions_of_voxels(shown.lesions, pet.array, pet.geometry)
    page = StudyPage(
        case_id=session.case.case_id,
        method=method,
        methods={name: found.measures.as_dict() for name, found in now.methods.items()},
        lesions=table,
        projections=projections(pet, labels),
        cuts=cuts(pet, labels, images.ct) if table else (),
        suv=suv_rows(exam),
        origin=_origin_rows(session, log.in_force, exam),
        warnings=list(dict.fromkeys([*session.automatic["warnings"], *now.warnings])),
        edited=True,
    )
    write_html(version / "report.html", page)
    return write_pdf(version / "report.pdf", page)


def _origin_rows(session: Session, in_force: Sequence[Any], exam: Exam) -> list[tuple[str, str]]:
    software, inputs = session.automatic["software"], session.automatic["inputs"]
    made_by = (inputs.get("model") or inputs.get("mask") or inputs.get("probability") or {}).get("file")
    automatic = session.automatic_snapshot().methods
    numbers = ", ".join(f"{name} {found.measures.tmtv_ml:.1f} mL" for name, found in automatic.items())
    rows = [
        ("Software", f"{software['name']} {software['version']}"),
        ("Automatic lesions from", str(made_by)),
        ("Automatic TMTV", numbers),
        ("Edits in force", f"{len(in_force)}, the last by {in_force[-1].by}" if in_force else "none"),
    ]
    signed = session.log.signed
    rows.append(("Signed", f"by {signed.by}, {signed.time}" if signed else "no"))
    rows.append(("PET series", exam.pet_series.series_uid))
    return rows


def _of_case_folder(session: Session) -> str:
    """The SeriesInstanceUID that the case folder states; "" where none does."""
    cases, case_id = session.folders.cases, session.case.case_id
    if cases is None or not (path := cases / case_id / "case.json").is_file():
        return ""
    found = read_json(session.folders.checked(path))
    uid = found.get("pet_series_uid") if isinstance(found, dict) else None
    return uid if isinstance(uid, str) else ""
