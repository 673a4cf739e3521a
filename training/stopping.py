"""Being asked to stop (SIGTERM, a cluster's warning; Ctrl-C). Loads no TensorFlow."""

from __future__ import annotations

import signal

from petct.errors import TmtvError


class TrainingStopped(TmtvError):
    """Asked to stop; nothing is lost, and the same command goes on. Its exit status says so to a cluster's script.

    75 is EX_TEMPFAIL of sysexits.h, "try again"; neither an error (2) nor what Python leaves with at a crash (1).
    """

    exit_status = 75


def stop_at_once_when_asked() -> None:
    """Until the first step is taken there is nothing to save: SIGTERM and Ctrl-C end the command at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


def _stop(number, frame):
    raise TrainingStopped(
        f"Stopped by {signal.Signals(number).name} before a training step; the same command goes on from there."
    )
