"""The lymphoma studies of the public FDG-PET-CT-Lesions release (autoPET), as NIfTI or as DICOM."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from petct.dicom.walk import walk
from petct.errors import CaseError
from petct.suv import Overrides
from tmtv_tf.cases.layouts import Found, LeftOut, find_dicom
from tmtv_tf.cases.sources import DicomSource, NiftiSource
from tmtv_tf.cases.table import read_table

LYMPHOMA = "LYMPHOMA"
AUTOPET_COLUMNS = ("Subject ID", "diagnosis")
AUTOPET_PET, AUTOPET_CT, AUTOPET_ROI = "SUV.nii.gz", "CTres.nii.gz", "SEG.nii.gz"


def find_autopet(
    root: Path, metadata: Path | None, overrides: Overrides | None = None
) -> tuple[list[Found], list[LeftOut]]:
    """The lymphoma studies of the public FDG-PET-CT-Lesions release, as NIfTI or as DICOM.

    NIfTI: `<Subject ID>/<study>/{SUV,CTres,SEG}.nii.gz`. DICOM: the TCIA tree, PatientID = Subject ID, with a PET,
    a CT and a SEG per study. A study counts as lymphoma when its row of the metadata table says so (found by study
    folder or Study UID); a study that the table does not name, when all rows of its subject say so.

    Raises
    ------
    CaseError
        No metadata table, or no lymphoma study.
    """
    table = _autopet_table(root, metadata)
    tree = walk([root])
    images = sorted(path for path in tree.files if path.name == AUTOPET_PET)
    if images:
        found = [_autopet_images(path) for path in images]
        left_out = [LeftOut("file", str(path), why) for path, why in [*tree.unread, *tree.seen]]
    else:
        found, left_out = find_dicom([root], overrides=overrides)
    chosen = []
    for case in found:
        diagnosis = _diagnosis(case, table)
        if diagnosis == LYMPHOMA:
            chosen.append(case)
        else:
            left_out.append(
                LeftOut("study", _study_name(case), f"diagnosis {diagnosis or 'not in the table'}")
            )
    if not chosen:
        raise CaseError(f"{root}: none of its {len(found)} studies has the diagnosis {LYMPHOMA}.")
    return chosen, left_out


def _autopet_table(root: Path, metadata: Path | None) -> list[dict[str, str]]:
    if metadata is not None:
        return read_table(metadata, *AUTOPET_COLUMNS)
    for path in sorted([*root.glob("*.csv"), *root.glob("*/*.csv"), *root.parent.glob("*.csv")]):
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            header = next(csv.reader(file), [])
        if set(AUTOPET_COLUMNS) <= set(header):
            return read_table(path, *AUTOPET_COLUMNS)
    raise CaseError(
        f"{root}: no table with the columns {' and '.join(AUTOPET_COLUMNS)} in or beside it; give the release's "
        "clinical metadata CSV by --clinical."
    )


def _autopet_images(pet: Path) -> Found:
    """`<Subject ID>/<study folder>/SUV.nii.gz`."""
    study, subject = pet.parent.name, pet.parent.parent.name
    ct, roi = pet.with_name(AUTOPET_CT), pet.with_name(AUTOPET_ROI)
    missing = [path.name for path in (ct, roi) if not path.is_file()]
    return Found(
        subject,
        study,
        NiftiSource(pet, ct if ct.is_file() else None, subject),
        (roi,) if roi.is_file() else (),
        error=f"{pet.parent}: {' and '.join(missing)} missing." if missing else "",
    )


def _diagnosis(case: Found, table: Sequence[dict[str, str]]) -> str:
    subject = [row for row in table if row["Subject ID"].strip() == case.patient_id]
    of_study = [
        row
        for row in subject
        if case.study_uid
        and (
            row.get("Study UID", "").strip() == case.study_uid
            or case.study_uid in row.get("File Location", "").replace("\\", "/").split("/")
        )
    ]
    said = {row["diagnosis"].strip().upper() for row in of_study or subject}
    return said.pop() if len(said) == 1 else " and ".join(sorted(said))


def _study_name(case: Found) -> str:
    source = case.source
    return source.pet.series_uid if isinstance(source, DicomSource) else str(source.pet.parent)
