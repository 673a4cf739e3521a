"""What the command lines share: errors as one sentence, warnings on stderr, failures listed at the end."""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from petct.errors import ParameterError, TmtvError

if TYPE_CHECKING:
    import typer

    from petct.parallel import Outcome

NAMES_SHOWN = 10
INTERRUPTED = 130
# Set to anything: tracebacks of unforeseen errors go to the terminal instead of a file.
DEBUG_VARIABLE = "TMTV_DEBUG"


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a command line and leave with its status (DESIGN, section 6: 0, 1, 2, 75, 130).

    A refusal, and an error that nobody foresaw, is one sentence on stderr, never a traceback.
    """
    _prepare_streams()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    try:
        status = _status(app, arguments)
        _flush_stdout()
    except KeyboardInterrupt as error:
        _interrupted(str(error))
    except SystemExit:
        raise
    except BaseException as error:
        status = _say_error(error)
    sys.exit(status)


def _status(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run it; typer's own endings as a number, but Ctrl-C as it came."""
    import typer

    command = typer.main.get_command(app)
    interrupts: list[KeyboardInterrupt] = []
    invoke = command.invoke

    def remember(context):  # typer would turn it into a bare status and lose its sentence
        try:
            return invoke(context)
        except KeyboardInterrupt as error:
            interrupts.append(error)
            raise

    command.invoke = remember  # type: ignore[method-assign]
    try:
        status = command(arguments, standalone_mode=True)
    except SystemExit as end:
        status = end.code
    if interrupts:
        raise interrupts[0]
    return status if isinstance(status, int) else 0


def _interrupted(sentence: str) -> None:
    """Leave at once: threads may still compute, and nothing of theirs is wanted."""
    print(f"\n{sentence or 'Interrupted. The same command goes on.'}", file=sys.stderr, flush=True)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(INTERRUPTED)


def _say_error(error: BaseException) -> int:
    from petct.parallel import explain

    sentence, unforeseen = explain(error)
    print(f"Error: {as_flags(sentence) if isinstance(error, ParameterError) else sentence}", file=sys.stderr)
    if unforeseen:
        import traceback

        keep_tracebacks(["".join(traceback.format_exception(error))])
    return error.exit_status if isinstance(error, TmtvError) else 2


def keep_tracebacks(tracebacks: Sequence[str]) -> None:
    """Write the tracebacks of unforeseen errors to a file that only the user can read, and say where it is."""
    import tempfile

    text = "\n".join(tracebacks)
    if os.environ.get(DEBUG_VARIABLE):
        print(text, file=sys.stderr)
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix="tmtv-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        print(f"Set {DEBUG_VARIABLE}=1 to see where it happened.", file=sys.stderr)
    else:
        print(
            f"Where it happened is in {name}; it may name files, so read it before you send it.",
            file=sys.stderr,
        )


class _Tolerant(io.TextIOBase):
    """A standard stream whose reader may leave (`| head`): the rest is dropped, and the work goes on."""

    def __init__(self, stream: io.TextIOBase):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._safely(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._safely(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _safely(self, action) -> None:
        try:
            action()
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise TmtvError(f"Standard output cannot be written ({error.strerror or error}).") from error
            # What is still buffered has to go somewhere when Python closes the stream.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _prepare_streams() -> None:
    """Standard streams that take every text: closed ones, ones whose reader leaves, and any character."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # else the next result file would be "stdout"
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
            stream = _Tolerant(stream)  # type: ignore[assignment]
        setattr(sys, name, stream)


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except TmtvError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # Python would try once more
        os.dup2(nowhere, sys.stdout.fileno())
        raise


def as_flags(sentence: str) -> str:
    """A sentence in which the library named parameters in backticks, with the flags of a command in their place."""
    return re.sub(r"`([a-z_]+)`", lambda found: "--" + found[1].replace("_", "-"), sentence)


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
    sys.modules["pydicom"] = None  # type: ignore[assignment]  # nibabel cannot import it, and does without
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
    if tracebacks := [f"{o.case_id}\n{o.traceback}" for o in failed if o.traceback]:
        keep_tracebacks(tracebacks)
    if len(outcomes) > 1:
        print(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases done.", file=sys.stderr)
    return exit_status(outcomes)
