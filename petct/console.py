"""What the command lines share: errors as one sentence, warnings on stderr, failures listed at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from petct.errors import TmtvError

if TYPE_CHECKING:
    import typer

    from petct.parallel import Outcome

NAMES_SHOWN = 10


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a command line. Leaves with 0, 1 or 2; a refusal is one sentence on stderr, never a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    try:
        status = app(arguments, standalone_mode=True)
    except TmtvError as error:
        print(f"Error: {error}", file=sys.stderr)
        status = error.exit_status
    except OSError as error:
        print(f"Error: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        status = 2
    sys.exit(status or 0)


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Say what takes a while, with a spinner, on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def load_nibabel_alone() -> None:
    """Load nibabel without pydicom: for commands whose process is their own; pydicom can still be loaded later.

    nibabel takes pydicom for DICOM extensions of NIfTI, which nobody here reads; that is 0.13 s of every start.
    """
    if {"nibabel", "pydicom"} & sys.modules.keys():
        return
    sys.modules["pydicom"] = None  # type: ignore[assignment] - importing it fails, and nibabel does without
    try:
        import nibabel  # noqa: F401
    finally:
        del sys.modules["pydicom"]


def print_version(wanted: bool) -> None:
    """Callback of `--version`: print it and leave."""
    if wanted:
        import typer

        from petct.version import software

        typer.echo(" ".join(software().values()))
        raise typer.Exit


def listed(names: Sequence[str]) -> str:
    """Names for one line of a terminal: the first ten, and how many more."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def report_failures(outcomes: Sequence[Outcome]) -> int:
    """Print every failed case with its reason; return the exit status (0 all, 1 some, 2 none done)."""
    from petct.parallel import exit_status

    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print(f"Failed: {outcome.case_id}: {outcome.error}", file=sys.stderr)
    if len(outcomes) > 1:
        print(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases done.", file=sys.stderr)
    return exit_status(outcomes)
