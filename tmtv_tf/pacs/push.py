"""`tmtv push`: results into an archive, beside the study that they belong to, each object once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.structure import ends_early, first_fault
from petct.errors import ArchiveError, CaseError, ParameterError, TmtvError
from petct.export.source import MANUFACTURER
from petct.files import read_json
from postprocess.results import RESULT_FILE, SOURCE_FILE, refuse_late
from tmtv_tf.pacs.archive import Archive, StoreOutcome
from tmtv_tf.pacs.landing import identity
from tmtv_tf.pacs.log import Log
from tmtv_tf.pipeline.export import export, final_version

# What --object names -> the file of a result.
OBJECTS = {
    "seg": "seg.dcm",
    "rtstruct": "rtstruct.dcm",
    "sr": "sr.dcm",
    "pdf": "report.dcm",
    "probability": "probability.dcm",
}


@dataclass(frozen=True)
class PushReport:
    """What became of the objects.

    Attributes
    ----------
    sent : one outcome an object that was sent, or could not be
    kept : objects that the archive holds already
    waiting : in a dry run, what would be sent
    notes : sentences
    """

    sent: tuple[StoreOutcome, ...] = ()
    kept: tuple[Path, ...] = ()
    waiting: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> list[StoreOutcome]:
        return [one for one in self.sent if not one.ok]

    @property
    def retry(self) -> bool:
        """Something failed, and all of it may do later."""
        return bool(self.failed) and all(one.retry for one in self.failed)

    @property
    def exit_status(self) -> int:
        """0 if all is in the archive, 1 if some failed, 2 if all did."""
        if not self.failed:
            return 0
        return 1 if len(self.failed) < len(self.sent) + len(self.kept) else 2


def push(
    source: Path | Sequence[Path],
    archive: Archive,
    *,
    objects: Sequence[str] | None = None,
    series: Path | None = None,
    dry_run: bool = False,
    audit: Path | None = None,
) -> PushReport:
    """Send results to an archive; what it holds already is not sent again.

    Objects of the same content have the same UIDs. So a second call sends nothing, and a call after a cut sends the
    rest. With a reader's edits the reviewed objects are sent: new series that say so, beside the automatic ones if
    those are in the archive.

    Parameters
    ----------
    source : the folder of a case that `tmtv run` wrote, or DICOM files and folders of them
    objects : of a result, which: keys of `OBJECTS`; default all that it has
    series : folder of the DICOM that a result was made from, where reviewed objects have to be made first; default:
        where it was when the result was made
    audit : the audit log; None: nothing is logged

    Raises
    ------
    TmtvError
        Nothing to send, an unfinished result, files that are not whole DICOM objects, or an archive that cannot be
        reached.
    """
    files = _files(source, objects or None, series)
    named = _distinct(files)
    notes: list[str] = []
    try:
        there = archive.has(list(named.values()))
    except ArchiveError as error:
        if error.retry:
            raise
        there = set()
        notes.append(
            f"The archive does not say what it holds, so everything is sent ({str(error).rstrip('.')})."
        )
    kept, refused = [], []
    for uid in sorted(there & named.keys()):
        other = _other_content(archive, named[uid])
        if other is None:
            kept.append(named[uid])
        else:
            refused.append(other)
    waiting = [path for uid, path in named.items() if uid not in there]
    if dry_run:
        return PushReport(tuple(refused), tuple(kept), tuple(waiting), tuple(notes))
    sent = archive.store(waiting) if waiting else []
    for outcome in sent:
        Log(audit).sent(archive.address, outcome)
    return PushReport((*refused, *sent), tuple(kept), (), tuple(notes))


def _files(source: Path | Sequence[Path], objects: Sequence[str] | None, series: Path | None) -> list[Path]:
    sources = [source] if isinstance(source, Path) else list(source)
    files: list[Path] = []
    for one in sources:
        if (one / RESULT_FILE).is_file():
            files += result_objects(one, objects, series)
        elif one.is_dir():
            cases = sorted(path.parent for path in one.glob(f"*/{RESULT_FILE}"))
            if cases and series is not None:
                raise ParameterError(f"`series` is of one result; {one} holds {len(cases)}.")
            for case in cases:
                files += result_objects(case, objects, None)
            if not cases:
                files += sorted(path for path in one.rglob("*") if path.is_file() and _is_dicom(path))
        elif one.is_file():
            files.append(one)
        else:
            raise TmtvError(f"{one}: no such file or folder.")
    if not files:
        raise TmtvError(f"{', '.join(map(str, sources))}: no DICOM object to send in it.")
    return files


def result_objects(folder: Path, objects: Sequence[str] | None, series: Path | None) -> list[Path]:
    """The DICOM objects of a finished result; with a reader's edits the reviewed ones, made if they are not there.

    Raises
    ------
    TmtvError
        The result is unfinished, not of all images that came, lacks what was asked for, or its objects are of
        another study.
    """
    for name in objects or ():
        if name not in OBJECTS:
            raise ParameterError(f"`object` is one of {', '.join(OBJECTS)}. Received: {name!r}.")
    if not (folder / SOURCE_FILE).is_file():
        raise CaseError(
            f"{folder}: not a finished result of tmtv run ({SOURCE_FILE} is missing). tmtv export makes objects of "
            "a result of tmtv-postprocess."
        )
    refuse_late(folder)
    source = read_json(folder / SOURCE_FILE)
    final, _ = final_version(folder)
    if final != folder and not (final / OBJECTS["sr"]).is_file():
        _export_reviewed(folder, final, source, series)
    found = {name: final / file for name, file in OBJECTS.items() if (final / file).is_file()}
    missing = [
        OBJECTS[name] for name in objects or () if name not in found and name not in ("seg", "rtstruct")
    ]
    if missing or not found:
        raise CaseError(
            f"{final}: {', '.join(missing) or OBJECTS['sr']} is missing. tmtv run makes report.dcm with --pdf-dicom, "
            "probability.dcm with --probability-seg; the page of tmtv review exports report.dcm of a reviewed result."
        )
    chosen = [path for name, path in found.items() if objects is None or name in objects]
    for path in chosen:
        study = str(identity(path).StudyInstanceUID)
        if study != source.get("study_uid"):
            raise CaseError(f"{path}: it is of study {study}, the result of study {source.get('study_uid')}.")
    return chosen


def _export_reviewed(folder: Path, final: Path, source: dict, series: Path | None) -> None:
    place = series or Path(str(source.get("dicom_folder", "")))
    if not place.is_dir():
        raise CaseError(
            f"{folder}: a reader changed this result, and its DICOM series is not at {place} any more. Give --series "
            "with its folder (tmtv pull fetches it again), so that the reviewed objects can be made."
        )
    options = (source.get("made") or {}).get("options") or {}
    export(
        folder, place, final, method=options.get("export", "41"), seg_kind=options.get("seg_kind", "BINARY")
    )


def _distinct(files: Sequence[Path]) -> dict[str, Path]:
    """SOPInstanceUID -> file; the same object twice is one."""
    named: dict[str, Path] = {}
    for path in files:
        uid = str(identity(path).SOPInstanceUID)
        if (fault := first_fault(path)) is not None:
            raise TmtvError(fault)
        if ends_early(path):
            raise TmtvError(f"{path}: it is cut short; nothing is sent.")
        if uid in named and not _same(named[uid].read_bytes(), path.read_bytes()):
            raise TmtvError(
                f"{path} and {named[uid]}: two objects with one SOPInstanceUID (0008,0018), {uid}."
            )
        named.setdefault(uid, path)
    return named


def _other_content(archive: Archive, path: Path) -> StoreOutcome | None:
    """None if the archive's object is this one; else why the file is not sent."""
    found = identity(path)
    uid = str(found.SOPInstanceUID)
    if is_content_uid(found):
        return None
    try:
        theirs = archive.read(str(found.StudyInstanceUID), str(found.SeriesInstanceUID), uid)
    except ArchiveError as error:
        return StoreOutcome(path, uid, False, f"{path.name}: {error}", error.retry)
    if _same(path.read_bytes(), theirs):
        return None
    text = (
        f"{archive.address} holds another object under its SOPInstanceUID (0008,0018), which is not replaced"
    )
    return StoreOutcome(path, uid, False, f"{path}: {text}.")


def is_content_uid(found: Dataset) -> bool:
    """Whether this software drew the UID from the content (`petct.export.source`), so that one UID is one content."""
    return str(found.get("Manufacturer", "")) == MANUFACTURER and str(found.SOPInstanceUID).startswith(
        "2.25."
    )


def _same(a: bytes, b: bytes) -> bool:
    """Whether two files hold the same data set, whatever their File Meta Information says."""
    if a == b:
        return True
    try:
        with quiet_pydicom():
            first, second = (pydicom.dcmread(DicomBytesIO(one)) for one in (a, b))
            return first == second
    except PYDICOM_ERRORS:
        return False


def _is_dicom(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def print_pushed(report: PushReport, address: str) -> None:
    """How many objects were sent, kept, or would be sent."""
    ok = [one for one in report.sent if one.ok]
    parts = [f"{len(ok)} sent" if not report.waiting else f"{len(report.waiting)} would be sent"]
    parts += [f"{len(report.kept)} there already"] if report.kept else []
    print(f"{address}: {', '.join(parts)}.")
    for one in ok:
        if one.reason:
            print(f"  {one.path.name}: {one.reason}.")
    for note in report.notes:
        print(f"  {note}")
