"""`tmtv run` between two archives: fetched, run, and sent back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from petct.errors import ArchiveError, ParameterError, TmtvError
from petct.parallel import Outcome

if TYPE_CHECKING:  # a run without an archive loads nothing of it
    from tmtv_tf.pacs.archive import Archive, StudyQuery
    from tmtv_tf.pacs.pull import Pulled
    from tmtv_tf.pipeline.run import RunResult


@dataclass(frozen=True)
class Inputs:
    """What `tmtv run` reads.

    Attributes
    ----------
    folders : of the user, or of what was fetched
    names : such a folder, which will be gone -> what it is called
    failed : studies that could not be fetched
    """

    folders: list[Path]
    names: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[Outcome, ...] = ()


@contextmanager
def fetched(
    archive: Archive,
    query: StudyQuery,
    inputs: Sequence[Path] | None = None,
    keep_dicom: Path | None = None,
    *,
    pet_uid: str | None = None,
    ct_uid: str | None = None,
    audit: Path | None = None,
    key_file: Path | None = None,
) -> Iterator[Inputs]:
    """Yield the studies that fit, fetched into `keep_dicom`, or into a folder that is gone afterwards.

    Parameters
    ----------
    inputs : what the user named besides; refused
    pet_uid, ct_uid : SeriesInstanceUID of the PET and the CT to fetch

    Raises
    ------
    TmtvError
        The archive cannot be asked, or no study could be fetched.
    """
    from tmtv_tf.pacs.choose import Wanted
    from tmtv_tf.pacs.pull import print_pulled, pull

    if inputs:
        raise ParameterError("Give DICOM folders or --from-pacs, not both.")
    with tempfile.TemporaryDirectory(prefix="tmtv-pacs-") as temporary:
        folder = Path(temporary) if keep_dicom is None else keep_dicom.absolute()
        names = {str(folder): archive.address} if keep_dicom is None else {}
        wanted = Wanted(pet_uid=pet_uid, ct_uid=ct_uid)
        outcomes = pull(archive, query, folder, wanted, audit=audit, key_file=key_file)
        print_pulled(outcomes, folder if keep_dicom is not None else None)
        pulled: list[Pulled] = [one.value for one in outcomes if one.error is None and one.value.files]
        failed = tuple(one for one in outcomes if one.error is not None)
        if not pulled:
            raise ArchiveError(
                "; ".join(f"{one.case_id}: {str(one.error).rstrip('.')}" for one in failed) + "."
            )
        try:
            yield Inputs([folder / one.study.study_uid for one in pulled], names, failed)
        except TmtvError as error:
            text = str(error)
            for path, name in names.items():
                text = text.replace(path, name)
            raise type(error)(text) from error


@contextmanager
def named(inputs: Sequence[Path] | None, **of_archives: object) -> Iterator[Inputs]:
    """Yield what the user named.

    of_archives : values of options that belong to an archive; refused

    Raises
    ------
    ParameterError
        Nothing was named, or the studies of an archive that was not named.
    """
    if any(value is not None for value in of_archives.values()):
        raise ParameterError(
            "--patient, --accession, --date, --study-uid and --keep-dicom need --from-pacs with an archive."
        )
    if not inputs:
        raise ParameterError(
            "Which study? Give its DICOM folder or zip file, or --from-pacs with an archive."
        )
    yield Inputs(list(inputs))


def sent(result: RunResult, archive: Archive, *, audit: Path | None = None) -> list[Outcome]:
    """Send what a run made; its outcomes, with those failed of which an object could not be sent."""
    from tmtv_tf.pacs.push import print_pushed, push

    outcomes = []
    for outcome in result.outcomes:
        if outcome.error is None:
            try:
                report = push(result.out / outcome.case_id, archive, audit=audit)
                print_pushed(report, f"{outcome.case_id}: {archive.address}")
                reasons = [one.reason for one in report.failed]
            except TmtvError as error:
                reasons = [str(error)]
            if reasons:
                outcome = replace(outcome, error=f"not sent: {' '.join(reasons)} tmtv push sends it later.")
        outcomes.append(outcome)
    return outcomes
