"""`tmtv pull`: studies from an archive into a folder, of each the PET and the CT that would be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from petct.errors import ArchiveError, TmtvError
from petct.files import locked, remove, require_writable, write_text
from petct.parallel import Outcome, progress
from tmtv_tf.pacs.archive import Archive, StudyFound, StudyQuery
from tmtv_tf.pacs.choose import Choice, Wanted, choose
from tmtv_tf.pacs.landing import clear_leftovers
from tmtv_tf.pacs.log import Log

# In the folder of a pull that did not come to its end.
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Pulled:
    """A study that was fetched; in a dry run one that would be.

    Attributes
    ----------
    choice : its series, and why these
    files : empty in a dry run
    """

    study: StudyFound
    choice: Choice
    files: tuple[Path, ...] = ()


def pull(
    archive: Archive,
    query: StudyQuery,
    out: Path,
    wanted: Wanted = Wanted(),
    *,
    dry_run: bool = False,
    audit: Path | None = None,
    key_file: Path | None = None,
) -> list[Outcome]:
    """Fetch the PET studies that fit into `out/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`.

    A series appears whole or not at all. A call that was stopped, or cut by the network, is continued by the same call:
    it keeps what came. After a call that ended, everything is fetched again, because an archive may have changed it.

    Parameters
    ----------
    audit : the audit log; None: nothing is logged
    key_file : the key of the pseudonyms in it; default `~/.config/tmtv/key`

    Returns
    -------
    list of Outcome
        One a study, by its UID: a `Pulled`, or why it failed. One bad study does not stop the others. A study without
        a PET is passed over: its `Pulled` has no series.

    Raises
    ------
    TmtvError
        The archive cannot be asked, no PET study fits, or `out` cannot be written.
    """
    log = Log(audit, key_file)
    if not dry_run:
        require_writable(out)
    log.asked(archive.address, query)
    studies = archive.find(query)
    if not studies:
        raise ArchiveError(f"{archive.address}: no study fits what was asked for.")
    if dry_run:
        outcomes = [_chosen(archive, study, wanted) for study in studies]
    else:
        with locked(out):
            outcomes = _pull(archive, studies, out, wanted, log)
    if all(one.error is None and one.value.choice.no_pet for one in outcomes):
        raise ArchiveError(f"{archive.address}: {outcomes[0].value.choice.problem}")
    return outcomes


def _pull(archive: Archive, studies: list[StudyFound], out: Path, wanted: Wanted, log: Log) -> list[Outcome]:
    """Fetch all; the file `UNFINISHED` is there for as long as the same call has something to go on with."""
    outcomes, again = [], False
    clear_leftovers(out)
    goes_on = (out / UNFINISHED).exists()
    write_text(out / UNFINISHED, "")
    with progress("Studies", len(studies)) as advance:
        for study in studies:
            outcome = _chosen(archive, study, wanted)
            try:
                if outcome.error is None and not outcome.value.choice.no_pet:
                    outcome = _fetched(archive, outcome.value, out / study.study_uid, log, keep=goes_on)
            except TmtvError as error:
                outcome = Outcome(study.study_uid, error=str(error))
                again = again or not isinstance(error, ArchiveError) or error.retry
            outcomes.append(outcome)
            advance(1)
    if not again:
        remove(out / UNFINISHED)
    return outcomes


def _chosen(archive: Archive, study: StudyFound, wanted: Wanted) -> Outcome:
    """A study with the series that would be fetched, or why none of it can be used."""
    try:
        choice = choose(archive, study, wanted)
    except TmtvError as error:
        return Outcome(study.study_uid, error=str(error))
    if choice.problem is not None and not choice.no_pet:
        return Outcome(study.study_uid, error=choice.problem)
    return Outcome(study.study_uid, Pulled(study, choice))


def _fetched(archive: Archive, chosen: Pulled, folder: Path, log: Log, *, keep: bool) -> Outcome:
    clear_leftovers(folder)
    files = archive.fetch(chosen.study, chosen.choice.uids, folder, keep=keep)
    log.fetched(archive.address, chosen.study, files)
    return Outcome(chosen.study.study_uid, replace(chosen, files=tuple(files)))


def print_pulled(outcomes: list[Outcome], out: Path | None) -> None:
    """What came, or would come, and where it is if it stays; no word that names a patient."""
    passed_over = sum(one.error is None and one.value.choice.no_pet for one in outcomes)
    for outcome in outcomes:
        if outcome.error is None and outcome.value.choice.series:
            pulled: Pulled = outcome.value
            series = ", ".join(
                f"{one.modality} series {one.number if one.number is not None else '-'} ({one.images or '?'} objects)"
                for one in pulled.choice.series
            )
            verb = "Fetched" if pulled.files else "Would fetch"
            print(f"{verb} {series} of the {len(pulled.study.series)} series of study {outcome.case_id}.")
            for note in pulled.choice.notes:
                print(f"  {note}")
    if passed_over:
        print(f"{passed_over} studies without a PET are passed over.")
    if out is not None and any(outcome.error is None and outcome.value.files for outcome in outcomes):
        print(f"They are in {out}.")
