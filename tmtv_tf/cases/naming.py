"""What the examinations found are called: keyed hashes, or the user's own case ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from petct.errors import CaseError
from petct.files import read_json
from petct.ids import check_distinct, check_id
from tmtv_tf.cases.case import INFO_NAME, WITHDRAWN_NAME
from tmtv_tf.cases.clinical import Table, case_ids_of
from tmtv_tf.cases.layouts import Found
from tmtv_tf.cases.pseudonym import case_pseudonym, pseudonym


def case_ids(
    out: Path, found: Sequence[Found], tables: Sequence[tuple[Path, Table]], key: bytes
) -> list[str]:
    """The case id of every study: keyed hash, or the user's; a study prepared before keeps the one it has.

    A user's id stands for one study; further studies of that patient get it with a suffix from the study.

    Parameters
    ----------
    tables : the user's, with PatientID and case_id; a later one wins over an earlier one and over the layout's own

    Raises
    ------
    CaseError
        Two ids that differ in upper and lower case only, here or in `out`.
    """
    ids = _own_ids(found)
    for path, table in tables:
        ids |= case_ids_of(path, table)
    earlier = earlier_studies(out)
    named = _named(found, ids, earlier, key)
    check_distinct([*earlier, *named], str(out))
    return named


def _named(found: Sequence[Found], ids: dict[str, str], earlier: dict[str, str], key: bytes) -> list[str]:
    studies: dict[str, set[str]] = defaultdict(set)
    for item in found:
        studies[item.patient_id].add(item.study_uid)
    named = []
    for item in found:
        base = ids.get(item.patient_id)
        if base is None:
            named.append(case_pseudonym(key, item.patient_id, item.study_uid))
            continue
        suffixed = f"{base}-{pseudonym(key, 'study', item.study_uid)[:6]}"
        before = [name for name in (base, suffixed) if earlier.get(name) == item.study_uid]
        taken = earlier.get(base, item.study_uid) != item.study_uid
        if before:
            named.append(before[0])
        else:
            named.append(suffixed if taken or len(studies[item.patient_id]) > 1 else base)
    return named


def _own_ids(found: Sequence[Found]) -> dict[str, str]:
    """PatientID -> case id where the layout's own table has a column case_id."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for item in found:
        if item.record.get("case_id", "").strip():
            rows[item.patient_id].append(item.record)
    return case_ids_of("the table of images", dict(rows))


def earlier_studies(out: Path) -> dict[str, str]:
    """Folder name -> StudyInstanceUID of every case in `out`, withdrawn ones too."""
    return {folder.name: str(info.get("study_uid") or "") for folder, info in _earlier(out)}


def check_key(out: Path, key: bytes) -> None:
    """Cases made with another key would make one patient two: refuse to mix."""
    if any(info.get("key_check") not in (None, pseudonym(key, "check")) for _, info in _earlier(out)):
        raise CaseError(
            f"{out}: its cases were prepared with another key, so patients could not be matched; give the old key by "
            "--key-file, or another output folder."
        )


def _earlier(out: Path) -> list[tuple[Path, dict]]:
    infos = []
    for path in sorted([*out.glob(f"[!.]*/{WITHDRAWN_NAME}"), *out.glob(f"[!.]*/{INFO_NAME}")]):
        check_id(path.parent.name, str(out), "folder name")
        info = read_json(path)
        if not isinstance(info, dict):
            raise CaseError(f"{path}: not the description of a case. Remove this folder; it is made again.")
        infos.append((path.parent, info))
    return infos
